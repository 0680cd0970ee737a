"""A recipe's build context, written into a folder."""

from __future__ import annotations

import base64
import os

from ..errors import ContainerizeError
from ..model.plan import (
    BinaryContent,
    ContextFile,
    FileContent,
    FolderContent,
    InlineContent,
    LinkContent,
    Recipe,
)
from ..oci.disk import copy_bytes, writing
from ..oci.sources import check_unchanged, open_source


def check_folder(folder: str) -> None:
    """Refuse a folder with something in it, before any work. Errors: `output-exists`."""
    if os.path.lexists(folder) and (not os.path.isdir(folder) or os.listdir(folder)):
        raise ContainerizeError(
            "output-exists",
            what=f"The Dockerfile cannot be written to {folder}.",
            why="There is something in it already.",
            fix="Name a new or empty folder.",
        )


def write_context(recipe: Recipe, folder: str) -> None:
    """Write all files of the context below `folder`.

    Errors: `no-space`, `store-read-only`, and those of `open_source` (`file-changed`, …).
    """
    with writing(folder):
        for file in recipe.files:
            path = os.path.join(folder, file.path)
            os.makedirs(os.path.dirname(path), exist_ok=True)
            _write(file, path)


def _write(file: ContextFile, path: str) -> None:
    match file.content:
        case FolderContent():
            os.makedirs(path, exist_ok=True)
        case LinkContent(to=to):
            os.symlink(to, path)
        case FileContent():
            _copy(file.content, path)
        case InlineContent():
            _put(path, file.content.data)
        case BinaryContent(base64=text):
            _put(path, base64.b64decode(text))
        case _:
            raise AssertionError(file.content)  # a recipe has no other kinds
    if file.executable and not os.path.isdir(path):
        os.chmod(path, 0o755)  # noqa: S103 - it is the image's program


def _put(path: str, data: bytes) -> None:
    with open(path, "wb") as target:
        target.write(data)


def _copy(content: FileContent, path: str) -> None:
    source = open_source(content)
    try:
        with open(path, "wb") as target:
            copy_bytes(source, target.fileno(), 0, content.size_bytes)
        check_unchanged(content, source)
    finally:
        os.close(source)
