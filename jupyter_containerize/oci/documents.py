"""JSON documents by digest: snapshots, plans, verdicts."""

from __future__ import annotations

import contextlib
import json
import os
import re
from typing import Any

from ..errors import ContainerizeError
from ..model.codec import dumps
from .disk import read_or_none, write_atomically, writing

#: The folders of documents, and what their digests are of.
DOCUMENT_FOLDERS = ("snapshots", "plans", "verdicts")
_DIGEST = re.compile(r"sha256:([0-9a-f]{64})")


def hex_of(digest: str) -> str:
    """Return the hex part of `sha256:<hex>`. Errors: `invalid-digest`."""
    match = _DIGEST.fullmatch(digest)
    if match is None:
        raise ContainerizeError(
            "invalid-digest",
            what=f"{digest!r} is not a digest.",
            why="A digest is sha256: and 64 lower-case hex digits.",
        )
    return match[1]


def put_document(root: str, folder: str, digest: str, data: Any) -> None:
    """Store plain JSON `data` as `folder`/`digest`, replacing an earlier one."""
    path = _path(root, folder, digest)
    with writing(root):
        os.makedirs(os.path.dirname(path), exist_ok=True)
        write_atomically(path, dumps(data))


def get_document(root: str, folder: str, digest: str) -> Any | None:
    """Return the JSON data stored as `folder`/`digest`, None if there is none or it is damaged."""
    data = read_or_none(_path(root, folder, digest))
    with contextlib.suppress(ValueError):
        return None if data is None else json.loads(data)
    return None


def _path(root: str, folder: str, digest: str) -> str:
    if folder not in DOCUMENT_FOLDERS:
        raise ValueError(f"unknown document folder {folder!r}")
    return os.path.join(root, folder, f"{hex_of(digest)}.json")
