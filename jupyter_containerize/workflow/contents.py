"""`inspect`, and what a snapshot with its plan holds, as plain rows: what, why, size, layer."""

from __future__ import annotations

from collections import Counter
from collections.abc import Iterable
from typing import Any

from ..model.codec import to_json
from ..model.event import Emit
from ..model.files import FileEntry
from ..model.plan import (
    BytecodeContent,
    Content,
    FileContent,
    ImagePlan,
    RewrittenContent,
)
from ..model.reasons import Reason
from ..model.request import ImageRequest
from ..model.snapshot import Snapshot
from .records import open_store, plan_of, resolve, snapshot_of
from .summaries import image_summary

#: A thing's files lie in one layer but for a few (programs); the first ones suffice to find it.
_LOOKED_AT = 8


def inspect(request: ImageRequest, *, emit: Emit) -> dict[str, Any]:
    """Return everything known about an image. Errors: `image-not-found`."""
    del emit
    store = open_store(request.store)
    image = resolve(store, request.image)
    snapshot, plan = snapshot_of(store, image), plan_of(store, image)
    held = describe(snapshot, plan) if snapshot is not None else {}
    layers = [
        {"title": layer.title, "kind": layer.kind, "size_bytes": layer.size_bytes,
         "digest": layer.digest} for layer in image.layers
    ]  # fmt: skip
    return {
        **held,
        "image": image_summary(image, store),
        "layers": layers,
        "config": to_json(image.config),
        "platform": str(image.platform),
    }


def describe(snapshot: Snapshot, plan: ImagePlan | None) -> dict[str, Any]:
    """Return packages, files, libraries, variables, parameters, cells and findings as rows."""
    layer_of = _Layers(plan, snapshot)
    return {
        "notebook": {
            "name": snapshot.notebook.name,
            "path": snapshot.notebook.path,
            "cells": len(snapshot.notebook.cells),
            "mode": snapshot.mode.value,
        },
        "python": snapshot.interpreter.version,
        "snapshot": snapshot.digest(),
        "packages": [
            {
                "name": item.name,
                "version": item.version,
                "size_bytes": item.size_bytes,
                "origin": item.origin.kind.value,
                "from": item.origin.package or item.origin.url,
                "reasons": _texts(item.reasons),
                "layer": layer_of(item.files),
            }
            for item in snapshot.distributions
        ],
        "files": [
            *(
                _file(item.path, "data", item.files, item.reasons, layer_of)
                for item in snapshot.data_files
            ),
            *(
                _file(f"{item.root}/{item.name}", "code", item.files, item.reasons, layer_of)
                for item in snapshot.local_code
            ),
        ],
        "libraries": [
            {
                **_file(item.path, "library", item.files, item.reasons, layer_of),
                "name": item.soname,
                "package": item.package,
            }
            for item in snapshot.libraries
        ],
        "executables": [
            {
                **_file(item.path, "program", item.files, item.reasons, layer_of),
                "name": item.name,
                "package": item.package,
            }
            for item in snapshot.executables
        ],
        "system": [
            {
                "name": item.group.value,
                "files": len(item.files),
                "size_bytes": _size(item.files),
                "reasons": _texts(item.reasons),
                "layer": layer_of(item.files),
            }
            for item in snapshot.system_files
        ],
        "environment": [
            {"name": item.name, "value": item.value, "reasons": _texts(item.reasons)}
            for item in snapshot.environment
        ],
        "parameters": [to_json(item) for item in snapshot.parameters],
        "findings": [to_json(item) for item in findings(snapshot, plan)],
    }


def findings(snapshot: Snapshot, plan: ImagePlan | None) -> tuple[Any, ...]:
    """Return the findings of both steps, each once."""
    return tuple(dict.fromkeys((*snapshot.findings, *(plan.findings if plan else ()))))


def _file(
    path: str,
    what: str,
    files: tuple[FileEntry, ...],
    reasons: tuple[Reason, ...],
    layer_of: _Layers,
) -> dict[str, Any]:
    return {
        "path": path,
        "what": what,
        "size_bytes": _size(files),
        "reasons": _texts(reasons),
        "layer": layer_of(files),
    }


def _texts(reasons: Iterable[Reason]) -> list[str]:
    return [str(reason) for reason in reasons]


def _size(files: Iterable[FileEntry]) -> int:
    return sum(entry.size_bytes for entry in files)


class _Layers:
    """Finds the layer that a file of this machine went into; one look at the plan for all."""

    def __init__(self, plan: ImagePlan | None, snapshot: Snapshot) -> None:
        tables = (
            *(item.files for item in snapshot.distributions),
            *(item.files for item in snapshot.data_files),
            *(item.files for item in snapshot.local_code),
            *(item.files for item in snapshot.libraries),
            *(item.files for item in snapshot.executables),
            *(item.files for item in snapshot.system_files),
        )
        wanted = {entry.path for files in tables for entry in files[:_LOOKED_AT]}
        self._titles: dict[str, str] = {}
        for layer in plan.layers if plan is not None else ():
            for entry in layer.entries:
                path = _source(entry.content)
                if path in wanted:
                    self._titles[path] = layer.title

    def __call__(self, files: tuple[FileEntry, ...]) -> str:
        found = [self._titles.get(entry.path, "") for entry in files[:_LOOKED_AT]]
        return Counter(filter(None, found)).most_common(1)[0][0] if any(found) else ""


def _source(content: Content) -> str:
    match content:
        case FileContent():
            return content.path
        case BytecodeContent() | RewrittenContent():
            return content.source.path
        case _:
            return ""
