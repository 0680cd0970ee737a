"""The notebook and the guest's settings, as files of the image."""

from __future__ import annotations

import hashlib
import json
import re
from collections.abc import Sequence
from typing import Any

from ..model.codec import to_json
from ..model.plan import ARTIFACT_FOLDER, NOTEBOOK_FILE, OUTPUTS_FOLDER, ImageKind
from ..model.snapshot import Cell, Notebook, Snapshot, TextCell

GUEST_CONFIG_VERSION = 1
_CELL_ID = re.compile(r"[a-zA-Z0-9_-]{1,64}")
_DEFAULT_BACKEND = "module://matplotlib_inline.backend_inline"


def notebook_text(snapshot: Snapshot) -> str:
    """Return the chosen cells with their recorded outputs, and the texts, as nbformat 4.5.

    Each cell's metadata holds `jupyter_containerize`: its `number` among the notebook's
    code cells, and whether outputs were `recorded` (a cell that never ran proves nothing).
    """
    kept = ("kernelspec", "language_info")
    metadata = {
        name: snapshot.notebook.metadata[name]
        for name in kept
        if name in snapshot.notebook.metadata
    }
    document = {
        "cells": _cells(snapshot.notebook),
        "metadata": metadata,
        "nbformat": 4,
        "nbformat_minor": 5,
    }
    return _json(document)


def guest_config_text(snapshot: Snapshot, *, kind: ImageKind, mounts: Sequence[str]) -> str:
    """Return `guest.json` (see docs/architecture.md).

    Folders of distributions that the kernel's `sys.path` lacks (what the guest needs and
    the kernel does not have) come last in `sys_path`.
    """
    locations = sorted({d.location for d in snapshot.distributions if d.location})
    sys_path = list(snapshot.interpreter.sys_path)
    sys_path += [location for location in locations if location not in sys_path]
    if kind is ImageKind.INFERENCE:
        return _json(
            {
                "version": GUEST_CONFIG_VERSION,
                "kind": kind.value,
                "artifact": ARTIFACT_FOLDER,
                "notebook_name": snapshot.notebook.name,
                "folder": snapshot.notebook.folder,
                "cwd": snapshot.cwd or snapshot.notebook.folder,
                "sys_path": sys_path,
                "large_files": list(mounts),
            }
        )
    return _json(
        {
            "version": GUEST_CONFIG_VERSION,
            "kind": kind.value,
            "notebook": NOTEBOOK_FILE,
            "notebook_name": snapshot.notebook.name,
            "folder": snapshot.notebook.folder,
            "cwd": snapshot.cwd or snapshot.notebook.folder,
            "sys_path": sys_path,
            "parameters": [to_json(parameter) for parameter in snapshot.parameters],
            "matplotlib_backend": _backend(snapshot),
            "outputs": OUTPUTS_FOLDER,
            "large_files": list(mounts),
        }
    )


def _cells(notebook: Notebook) -> list[dict[str, Any]]:
    # A text stands before the code cell of its number; the sort keeps the order within both.
    placed: list[tuple[int, int, Cell | TextCell]] = [
        *((text.before, 0, text) for text in notebook.texts),
        *((cell.number, 1, cell) for cell in notebook.cells),
    ]
    placed.sort(key=lambda one: one[:2])
    seen: set[str] = set()
    result = []
    for place, kind, cell in placed:
        identity = cell.id
        if not _CELL_ID.fullmatch(identity) or identity in seen:
            digest = hashlib.sha256(
                f"{place}\0{kind}\0{cell.id}".encode("utf-8", "surrogateescape")
            )
            identity = digest.hexdigest()[:16]
        seen.add(identity)
        made = _code(cell) if isinstance(cell, Cell) else _text(cell)
        result.append({**made, "id": identity})
    return result


def _code(cell: Cell) -> dict[str, Any]:
    ours = {"number": cell.number, "recorded": cell.outputs is not None}
    metadata: dict[str, Any] = {"jupyter_containerize": ours}
    if cell.tags:
        metadata["tags"] = list(cell.tags)
    return {
        "cell_type": "code",
        "execution_count": cell.execution_count,
        "metadata": metadata,
        "outputs": list(cell.outputs or ()),
        "source": cell.source,
    }


def _text(cell: TextCell) -> dict[str, Any]:
    made: dict[str, Any] = {"cell_type": cell.kind, "metadata": {}, "source": cell.source}
    return {**made, "attachments": dict(cell.attachments)} if cell.attachments else made


def _backend(snapshot: Snapshot) -> str:
    for variable in snapshot.environment:
        if variable.name == "MPLBACKEND" and variable.value:
            return variable.value
    return _DEFAULT_BACKEND


def _json(document: Any) -> str:
    return json.dumps(document, sort_keys=True, indent=1, ensure_ascii=True) + "\n"
