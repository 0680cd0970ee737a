"""`inspect`, and what a snapshot with its plan holds, as plain rows: what, why, size, layer."""

from __future__ import annotations

from collections.abc import Iterable
from typing import Any

from ..errors import ContainerizeError
from ..model.codec import to_json
from ..model.event import Emit
from ..model.files import FileEntry
from ..model.image import Image
from ..model.plan import ImagePlan
from ..model.reasons import Reason
from ..model.reference import Reference
from ..model.request import ImageRequest
from ..model.snapshot import DataFile, Executable, LocalCode, NativeLibrary, Snapshot
from . import remote
from .records import open_store, plan_of, resolve, snapshot_of
from .summaries import image_summary


def inspect(request: ImageRequest, *, emit: Emit) -> dict[str, Any]:
    """Return everything known about an image, here or else in its registry.

    Errors: `image-not-found`, `no-snapshot`, `registry-...`.
    """
    del emit
    store = open_store(request.store)
    try:
        if request.remote:
            return remote.inspect(Reference.parse(request.image))
        image = resolve(store, request.image)
    except ContainerizeError as error:
        if error.code != "image-not-found" or not _is_remote(request.image):
            raise
        return remote.inspect(Reference.parse(request.image))
    snapshot, plan = snapshot_of(store, image), plan_of(store, image)
    if request.snapshot:
        return {"document": to_json(known_snapshot(image, snapshot))}
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


def _is_remote(text: str) -> bool:
    """Whether a word names a registry, so that its image may be there if it is not here."""
    return not text.startswith("sha256:") and bool(Reference.parse(text).registry)


def known_snapshot(image: Image, snapshot: Snapshot | None) -> Snapshot:
    """Return `snapshot` if there is one. Errors: `no-snapshot`."""
    if snapshot is None:
        raise ContainerizeError(
            "no-snapshot",
            what=f"The store does not know what {image.digest[:19]} was made from.",
            fix="Build the image again here.",
        )
    return snapshot


def describe(snapshot: Snapshot, plan: ImagePlan | None) -> dict[str, Any]:
    """Return packages, files, libraries, variables, parameters, cells and findings as rows."""
    layer_of = _Layers(plan)
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
                "layer": layer_of(f"{item.name} {item.version}"),
            }
            for item in snapshot.distributions
        ],
        "files": [
            *(
                _row(item, path=item.path, what="data", layer=layer_of(item.given or item.path))
                for item in snapshot.data_files
            ),
            *(
                _row(item, path=f"{item.root}/{item.name}", what="code", layer=layer_of(item.name))
                for item in snapshot.local_code
            ),
        ],
        "libraries": [
            _row(
                item,
                name=item.soname,
                path=item.path,
                package=item.package,
                layer=layer_of(item.soname),
            )
            for item in snapshot.libraries
        ],
        "executables": [
            _row(
                item,
                name=item.name,
                path=item.path,
                package=item.package,
                layer=layer_of(item.name),
            )
            for item in snapshot.executables
        ],
        "system": [
            {
                "name": item.group.value,
                "files": len(item.files),
                "size_bytes": _size(item.files),
                "reasons": _texts(item.reasons),
                "layer": layer_of(item.group.value),
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


def _row(item: DataFile | LocalCode | NativeLibrary | Executable, **more: str) -> dict[str, Any]:
    return {**more, "size_bytes": _size(item.files), "reasons": _texts(item.reasons)}


def _texts(reasons: Iterable[Reason]) -> list[str]:
    return [str(reason) for reason in reasons]


def _size(files: Iterable[FileEntry]) -> int:
    return sum(entry.size_bytes for entry in files)


class _Layers:
    """Finds the layer that something went into, by the name under which layers list it."""

    def __init__(self, plan: ImagePlan | None) -> None:
        self._titles = {
            name: layer.title
            for layer in (plan.layers if plan is not None else ())
            for name in layer.contains
        }

    def __call__(self, name: str) -> str:
        return self._titles.get(name, "")
