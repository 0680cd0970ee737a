"""`diff`: which packages, cells and files changed between two images, and what that costs."""

from __future__ import annotations

import difflib
from collections.abc import Mapping
from typing import Any

from ..errors import ContainerizeError
from ..model.event import Emit
from ..model.files import FileKind
from ..model.request import DiffRequest
from ..model.snapshot import Snapshot
from ..oci.store import Store
from .contents import known_snapshot
from .records import open_store, resolve, snapshot_of
from .summaries import image_summary

_SHOWN = 12


def diff(request: DiffRequest, *, emit: Emit) -> dict[str, Any]:
    """Compare two images. Errors: `image-not-found`, `no-snapshot`."""
    del emit
    store = open_store(request.store)
    old, new = resolve(store, request.old), resolve(store, request.new)
    before, after = (known_snapshot(image, snapshot_of(store, image)) for image in (old, new))
    shared = {layer.digest for layer in old.layers}
    added = [layer for layer in new.layers if layer.digest not in shared]
    return {
        "old": image_summary(old, store),
        "new": image_summary(new, store),
        **_compared(before, after),
        "layers": [{"title": item.title, "size_bytes": item.size_bytes} for item in added],
        "new_bytes": sum(item.size_bytes for item in added),
    }


def since_last(store: Store, name: str, snapshot: Snapshot) -> dict[str, Any] | None:
    """Return what `snapshot` changes against the last image of this name, None without one."""
    try:
        image = store.resolve(name)
        before = snapshot_of(store, image)
    except ContainerizeError:  # none, or made by a newer version: then there is nothing to tell
        return None
    if before is None:
        return None
    return {"image": image_summary(image, store), **_compared(before, snapshot)}


def _compared(before: Snapshot, after: Snapshot) -> dict[str, Any]:
    return {
        "packages": _changes(
            {item.key: item.version for item in before.distributions},
            {item.key: item.version for item in after.distributions},
        ),
        "cells": _cells(before, after),
        "files": _changes(_files(before), _files(after)),
    }


def _changes(before: Mapping[str, str], after: Mapping[str, str]) -> list[dict[str, str]]:
    return [
        {"name": name, "old": before.get(name, ""), "new": after.get(name, "")}
        for name in sorted({**before, **after})
        if before.get(name) != after.get(name)
    ]


def _cells(before: Snapshot, after: Snapshot) -> list[dict[str, Any]]:
    old = {cell.id: cell for cell in before.notebook.cells}
    new = {cell.id: cell for cell in after.notebook.cells}
    changed = []
    for key in dict.fromkeys((*old, *new)):
        left, right = old.get(key), new.get(key)
        sources = [cell.source if cell else "" for cell in (left, right)]
        if sources[0] == sources[1]:
            continue
        cell = right or left
        changed.append(
            {
                "number": cell.number if cell else 0,
                "change": "changed" if left and right else "added" if right else "removed",
                "lines": [
                    line
                    for line in difflib.unified_diff(
                        sources[0].splitlines(), sources[1].splitlines(), lineterm="", n=1
                    )
                    if not line.startswith(("---", "+++", "@@"))
                ],
            }
        )
    return changed


def _files(snapshot: Snapshot) -> dict[str, str]:
    """Return the user's own files with what tells their contents apart."""
    tables = (
        *(item.files for item in snapshot.data_files),
        *(item.files for item in snapshot.local_code),
    )
    return {
        entry.path: entry.link or (entry.sha256 or str(entry.size_bytes))[:_SHOWN]
        for files in tables
        for entry in files
        if entry.kind is not FileKind.DIRECTORY
    }
