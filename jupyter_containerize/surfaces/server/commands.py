"""What the panel may ask the workflow for, and what of a request may come from a browser.

A command that is not here does not exist for the panel: each new one names the fields that
are paths. Fields that only the server may fill (`store`, `record`, ...) are taken away.
"""

from __future__ import annotations

import dataclasses
from collections.abc import Callable, Mapping
from typing import Any

from jsonschema import Draft202012Validator

from ...errors import ContainerizeError
from ...model.codec import from_json, schema, to_json
from ...model.request import REQUESTS, Request
from .. import forms
from .paths import Root

_OURS = frozenset({"store", "record", "saved", "connection", "front_end", "notebook"})
_MOST_PROBLEMS = 5


@dataclasses.dataclass(frozen=True)
class Command:
    """One command: `paths` are the dotted fields that hold paths, `title` is for people.

    Of `images`, which name images, only those that name a medium (`oci:DIR`) are paths.
    """

    title: str
    paths: tuple[str, ...] = ()
    images: tuple[str, ...] = ()
    of_notebook: bool = False


_RUN_PATHS = ("options.mounts.host",)
_BUILD_PATHS = ("capture.include", "capture.mounts", "output", *_RUN_PATHS)

#: The commands that may run as jobs.
COMMANDS: Mapping[str, Command] = {
    "build": Command("Build", _BUILD_PATHS, ("base",), of_notebook=True),
    "plan": Command("Plan", _BUILD_PATHS, ("base",), of_notebook=True),
    "serve": Command("Serve", _BUILD_PATHS, ("base",), of_notebook=True),
    "run": Command("Run", _RUN_PATHS),
    "verify": Command("Verify", _RUN_PATHS),
    "stop": Command("Stop"),
    "outputs": Command("Fetch outputs", ("output",)),
    "scale": Command("Scale"),
    "update": Command("Update"),
    "rollback": Command("Roll back"),
    "rm": Command("Delete"),
    "tag": Command("Name"),
    "push": Command("Push"),
    "export": Command("Export", ("output", *_RUN_PATHS), ("base",)),
    "gc": Command("Free disk space"),
    "validate": Command("Validate"),
}

#: Words before a path: `oci-archive:FILE`.
_MEDIA = ("oci", "oci-archive", "docker-archive")


def options_schema(command: str) -> dict[str, Any]:
    """Return the JSON Schema of a command's options: all optional, nothing else allowed."""
    document = schema(REQUESTS[command])
    for body in document["$defs"].values():
        if body.get("type") == "object" and "properties" in body:
            body.pop("required", None)
            body["additionalProperties"] = False
    name = document["$ref"].rpartition("/")[2]
    own = document["$defs"][name]["properties"]
    for field in _OURS & own.keys():
        del own[field]
    # A kubeconfig may name programs to start: which one counts, the server's user decides.
    document["$defs"].get("Place", {}).get("properties", {}).pop("kubeconfig", None)
    return document


def filled(
    command: str, options: Mapping[str, Any], form: Mapping[str, forms.Answer], *, root: Root
) -> dict[str, Any]:
    """Return `options` with what the answers of a form add. Errors: the command line's, `bad-request`."""
    if not form:
        return dict(options)
    if command not in forms.FORMS:
        raise ContainerizeError(
            "bad-request",
            what=f"`{command}` has no form.",
            fix=f"These have: {', '.join(forms.FORMS)}.",
        )
    added: dict[str, Any] = _joined(forms.options(command, form, path=root.absolute), options)
    return added


def _joined(form: Any, options: Any) -> Any:
    """Return JSON of both: lists one after the other; else what the options say outright."""
    if isinstance(form, Mapping) and isinstance(options, Mapping):
        both = {key: _joined(form[key], options[key]) for key in form.keys() & options.keys()}
        return {**form, **options, **both}
    if isinstance(form, list) and isinstance(options, list):
        return [*options, *(item for item in form if item not in options)]
    return options


def check(document: Mapping[str, Any], data: Any, *, what: str) -> None:
    """See that `data` fits a schema. Errors: `bad-request` with the first problems."""
    problems = [
        f"{'.'.join(map(str, problem.absolute_path)) or what}: {problem.message[:200]}"
        for problem in Draft202012Validator(document).iter_errors(data)
    ]
    if problems:
        raise ContainerizeError(
            "bad-request",
            what=f"The {what} of this request cannot be used.",
            why="; ".join(problems[:_MOST_PROBLEMS]),
            fix="See /containerize/api/openapi.json for what may be asked.",
        )


def parse(command: str, options: Any, *, root: Root, ours: Mapping[str, Any]) -> Request:
    """Return the request that checked `options` mean, paths inside `root`; `ours` are our fields.

    Errors: `unknown-command`, `bad-request`, `outside-root`.
    """
    known = COMMANDS.get(command)
    if known is None:
        raise ContainerizeError(
            "unknown-command",
            what=f"The panel has no command {command!r}.",
            fix=f"Choose one of: {', '.join(COMMANDS)}.",
        )
    check(options_schema(command), options, what="options")
    for path in known.paths:
        _replace(options, path.split("."), lambda text: _inside(text, root))
    for path in known.images:
        _replace(
            options, path.split("."), lambda text: _inside(text, root) if _medium(text) else text
        )
    fields = {field.name for field in dataclasses.fields(REQUESTS[command])}
    mine = {key: value for key, value in ours.items() if key in fields}
    try:
        request = from_json(REQUESTS[command], {**options, **mine})
    except ContainerizeError as error:
        raise ContainerizeError("bad-request", what=error.what, why=error.why) from error
    return request


def as_json(request: Request) -> dict[str, Any]:
    """Return the request as a worker reads it."""
    data: dict[str, Any] = to_json(request)
    return data


def _medium(text: str) -> str:
    kind, colon, _ = text.partition(":")
    return kind if colon and kind in _MEDIA else ""


def _inside(text: str, root: Root) -> str:
    kind = _medium(text)
    if kind:
        return f"{kind}:{root.absolute(text[len(kind) + 1 :])}"
    return root.absolute(text) if text and not text.startswith("sha256:") else text


def _replace(data: Any, keys: list[str], change: Callable[[str], str]) -> None:
    """Change the text, or each text of the list, at a dotted place in JSON data."""
    if isinstance(data, list):
        for item in data:
            _replace(item, keys, change)
        return
    key, *rest = keys
    if not isinstance(data, dict) or key not in data:
        return
    if rest:
        _replace(data[key], rest, change)
    elif isinstance(data[key], list):
        data[key] = [change(text) for text in data[key]]
    else:
        data[key] = change(data[key])
