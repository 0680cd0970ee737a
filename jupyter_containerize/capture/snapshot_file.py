"""Snapshots as JSON documents: one version is written, older ones are migrated, newer refused."""

from __future__ import annotations

from collections.abc import Callable, Mapping
from typing import Any

from ..errors import ContainerizeError
from ..model.codec import from_json, to_json
from ..model.snapshot import SNAPSHOT_VERSION, Snapshot

#: What turns a document of version N into one of version N + 1.
MIGRATIONS: Mapping[int, Callable[[dict[str, Any]], dict[str, Any]]] = {}


def write_snapshot(snapshot: Snapshot) -> dict[str, Any]:
    """Return the document of `snapshot`; `docs/snapshot.schema.json` is its JSON Schema."""
    document: dict[str, Any] = to_json(snapshot)
    return document


def read_snapshot(
    document: Any,
    *,
    migrations: Mapping[int, Callable[[dict[str, Any]], dict[str, Any]]] = MIGRATIONS,
) -> Snapshot:
    """Return the snapshot in a JSON `document` of this or an older version.

    Errors: `snapshot-too-new`, `bad-format`.
    """
    version = document.get("version") if isinstance(document, dict) else None
    if isinstance(version, int) and version > SNAPSHOT_VERSION:
        raise ContainerizeError(
            "snapshot-too-new",
            what=f"This snapshot has version {version}; this program reads up to "
            f"{SNAPSHOT_VERSION}.",
            why="A newer jupyter-containerize wrote it.",
            fix="Update jupyter-containerize, or capture the notebook again.",
        )
    while isinstance(version, int) and version < SNAPSHOT_VERSION and version in migrations:
        document = migrations[version](document)
        version = document["version"]
    if version != SNAPSHOT_VERSION:
        raise ContainerizeError(
            "bad-format",
            what="This is not a snapshot that this program can read.",
            why=f"Its version is {version!r}.",
            fix="Capture the notebook again.",
        )
    return from_json(Snapshot, document)
