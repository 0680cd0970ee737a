"""The official OpenAPI schemas, as `kubernetes-validate` carries them."""

from __future__ import annotations

import functools
import importlib.util
import json
import os

from jsonschema import Draft202012Validator
from referencing import Registry
from referencing.jsonschema import DRAFT202012


@functools.cache
def folder():
    # Its own import takes seconds; only its data is wanted.
    spec = importlib.util.find_spec("kubernetes_validate")
    return os.path.join(os.path.dirname(spec.origin), "kubernetes-json-schema")


def versions():
    """Return the versions there are schemas for, as (major, minor)."""
    found = {
        tuple(int(part) for part in name[1:].partition("-")[0].split(".")[:2])
        for name in os.listdir(folder())
        if name.startswith("v")
    }
    return sorted(found)


@functools.cache
def _registry(version):
    path = os.path.join(folder(), f"v{version[0]}.{version[1]}.0-local-strict", "_definitions.json")
    with open(path) as file:
        document = json.load(file)
    resource = DRAFT202012.create_resource(document)
    return document["$defs"], Registry().with_resource("/api/_definitions.json", resource)


@functools.cache
def _validator(kind, api_version, version):
    group, _, name = api_version.rpartition("/")
    definitions, registry = _registry(version)
    for key, schema in definitions.items():
        for known in schema.get("x-kubernetes-group-version-kind", ()):
            if (known["group"], known["version"], known["kind"]) == (group, name, kind):
                reference = {"$ref": f"/api/_definitions.json#/$defs/{key}"}
                return Draft202012Validator(reference, registry=registry)
    return None


def problem(item, version):
    """Return what the schema of `version` has against an object, "" if nothing."""
    validator = _validator(item["kind"], item["apiVersion"], version)
    if validator is None:
        return f"no schema for {item['apiVersion']} {item['kind']}"
    errors = sorted(validator.iter_errors(item), key=lambda e: list(map(str, e.path)))
    return "; ".join(f"{'.'.join(map(str, e.path))}: {e.message[:200]}" for e in errors[:5])
