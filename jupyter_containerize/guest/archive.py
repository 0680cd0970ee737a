"""The outputs as a tar archive that depends on their listing and contents alone, so on nothing else.

Who sends it begins at any byte; who receives it knows how long it must be. Both use this module.
"""

from __future__ import annotations

import os
import tarfile
from collections.abc import Callable, Iterator
from functools import partial
from typing import Any

#: Kinds of entries of a listing that the archive holds; others are told as problems.
KINDS = ("file", "link", "folder")
_CHUNK = 1 << 20


def length(facts: list[dict[str, Any]]) -> int:
    """Return how long the archive is, from the listing alone."""
    return sum(size for size, _ in parts("", facts))


def parts(
    outputs: str, facts: list[dict[str, Any]]
) -> Iterator[tuple[int, Callable[[int], Iterator[bytes]]]]:
    """Yield the archive's parts: how long each is, and its bytes from an offset on."""
    for entry in facts:
        if entry["kind"] not in KINDS:
            continue
        header = _header(entry)
        yield len(header), partial(_rest, header)
        if entry["kind"] == "file" and entry["size"]:
            size = entry["size"]
            padded = -(-size // tarfile.BLOCKSIZE) * tarfile.BLOCKSIZE
            path = os.path.join(outputs, entry["path"])
            yield padded, partial(_contents, path, size)
    end = bytes(2 * tarfile.BLOCKSIZE)
    yield len(end), partial(_rest, end)


def _rest(data: bytes, skip: int) -> Iterator[bytes]:
    yield data[skip:]


def _header(entry: dict[str, Any]) -> bytes:
    info = tarfile.TarInfo(entry["path"])
    info.mode, info.mtime = entry["mode"], entry["mtime"]
    if entry["kind"] == "link":
        info.type, info.linkname = tarfile.SYMTYPE, entry["to"]
    elif entry["kind"] == "folder":
        info.type = tarfile.DIRTYPE
    else:
        info.size = entry["size"]
    return info.tobuf(tarfile.PAX_FORMAT, errors="surrogateescape")


def _contents(path: str, size: int, skip: int) -> Iterator[bytes]:
    padding = -size % tarfile.BLOCKSIZE
    if skip < size:
        with open(path, "rb") as file:
            file.seek(skip)
            left = size - skip
            while left and (data := file.read(min(left, _CHUNK))):
                left -= len(data)
                yield data
        if left:  # it shrank: what follows must stay in its place; the hash will tell
            yield bytes(left)
        skip = size
    yield bytes(padding - (skip - size))
