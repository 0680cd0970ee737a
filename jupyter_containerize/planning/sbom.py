"""The software bill of materials inside the image, in CycloneDX 1.5.

Source: https://cyclonedx.org/docs/1.5/json/ and the package-url specification.
"""

from __future__ import annotations

import json
import uuid
from typing import Any

from .._version import __version__
from ..model.snapshot import Distribution, NativeLibrary, OriginKind, Snapshot, SystemPackage

_UNRESERVED = frozenset(b"abcdefghijklmnopqrstuvwxyzABCDEFGHIJKLMNOPQRSTUVWXYZ0123456789.-_~:")
_PROPERTY = "jupyter-containerize"


def sbom_text(snapshot: Snapshot) -> str:
    """Return the CycloneDX document of `snapshot`: a function of its packages alone.

    It names no time, and its serial number is derived from its content.
    """
    python = _python(snapshot)
    distributions = sorted(snapshot.distributions, key=lambda d: d.key)
    components = [python, *(_distribution(d) for d in distributions)]
    components += [_system_package(p) for p in snapshot.system_packages]
    components += [_library(found) for found in snapshot.libraries if not found.package]
    unique = {component["bom-ref"]: component for component in components}
    known = {d.key: _distribution_ref(d) for d in distributions}
    dependencies = [
        {
            "ref": known[d.key],
            "dependsOn": sorted({known[key] for key in d.requires if key in known}),
        }
        for d in distributions
    ]
    document = {
        "$schema": "http://cyclonedx.org/schema/bom-1.5.schema.json",
        "bomFormat": "CycloneDX",
        "specVersion": "1.5",
        "version": 1,
        "metadata": {
            "tools": {
                "components": [
                    {"type": "application", "name": "jupyter-containerize", "version": __version__}
                ]
            },
        },
        "components": [unique[ref] for ref in sorted(unique)],
        "dependencies": dependencies,
    }
    content = json.dumps(document, sort_keys=True)
    document["serialNumber"] = f"urn:uuid:{uuid.uuid5(uuid.NAMESPACE_OID, content)}"
    return json.dumps(document, sort_keys=True, indent=1) + "\n"


def _python(snapshot: Snapshot) -> dict[str, Any]:
    version = snapshot.interpreter.version
    return {
        "type": "application",
        "bom-ref": f"python@{version}",
        "name": "python",
        "version": version,
        "purl": f"pkg:generic/python@{_quote(version)}",
        "cpe": f"cpe:2.3:a:python:python:{version}:*:*:*:*:*:*:*",
    }


def _distribution_ref(distribution: Distribution) -> str:
    return f"distribution:{distribution.key}@{distribution.version}"


def _distribution(distribution: Distribution) -> dict[str, Any]:
    origin = distribution.origin
    component: dict[str, Any] = {
        "type": "library",
        "bom-ref": _distribution_ref(distribution),
        "name": distribution.name,
        "version": distribution.version,
        "properties": [{"name": f"{_PROPERTY}:origin", "value": origin.kind.value}],
    }
    component["properties"] += [
        {"name": f"{_PROPERTY}:index-hash", "value": value} for value in origin.hashes
    ]
    purl = _purl(distribution)
    if purl:
        component["purl"] = purl
    if origin.package:
        component["properties"].append({"name": f"{_PROPERTY}:package", "value": origin.package})
    if distribution.summary:
        component["description"] = distribution.summary
    if distribution.license:
        component["licenses"] = [{"expression": distribution.license}]
    return component


def _purl(distribution: Distribution) -> str:
    """Return the package URL; "" where one would name another package than this one."""
    name, version = _quote(distribution.key), _quote(distribution.version)
    origin = distribution.origin
    match origin.kind:
        case OriginKind.INDEX | OriginKind.UNKNOWN:
            return f"pkg:pypi/{name}@{version}"
        case OriginKind.VCS:
            source = _quote(f"git+{origin.url}@{origin.commit}")
            return f"pkg:pypi/{name}@{version}?vcs_url={source}"
        case OriginKind.CONDA:
            return f"pkg:conda/{name}@{version}"
        case OriginKind.LOCAL | OriginKind.EDITABLE:
            return f"pkg:generic/{name}@{version}"
        case OriginKind.SYSTEM:
            return ""  # the distribution's own package stands among the system packages
    return ""


def _system_package(package: SystemPackage) -> dict[str, Any]:
    kind = "rpm" if package.manager == "rpm" else "deb"
    vendor = package.distro.partition("-")[0] or ("debian" if kind == "deb" else "fedora")
    qualifiers = [f"arch={_quote(package.architecture)}"] if package.architecture else []
    if package.distro:
        qualifiers.append(f"distro={_quote(package.distro)}")
    tail = f"?{'&'.join(qualifiers)}" if qualifiers else ""
    purl = f"pkg:{kind}/{_quote(vendor)}/{_quote(package.name)}@{_quote(package.version)}{tail}"
    return {
        "type": "library",
        "bom-ref": f"{kind}:{package.name}@{package.version}:{package.architecture}",
        "name": package.name,
        "version": package.version,
        "purl": purl,
    }


def _library(library: NativeLibrary) -> dict[str, Any]:
    """Return a library that no package owns; its path may name a user and stays out."""
    return {"type": "library", "bom-ref": f"library:{library.soname}", "name": library.soname}


def _quote(text: str) -> str:
    """Percent-encode `text` as a package URL asks for."""
    data = text.encode("utf-8", "surrogateescape")
    return "".join(chr(byte) if byte in _UNRESERVED else f"%{byte:02X}" for byte in data)
