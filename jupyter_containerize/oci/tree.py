"""An image's files as one tree: layers over each other, whiteouts honoured, nothing unpacked."""

from __future__ import annotations

import os
import posixpath
from collections.abc import Iterator, Sequence
from dataclasses import dataclass

from .tar_reader import Member, MemberKind, bad_layer, members

_WHITEOUT = ".wh."
_OPAQUE = ".wh..wh..opq"
_MAX_LINKS = 40


@dataclass(frozen=True, slots=True)
class _File:
    """One entry and the tar it lies in."""

    member: Member
    tar: str


class Tree:
    """The files of `tars` (paths of uncompressed layers, lowest first)."""

    def __init__(self, tars: Sequence[str]) -> None:
        self._files: dict[str, _File] = {}
        for tar in tars:
            self._add(tar)
        self._children: dict[str, set[str]] = {}
        for path in self._files:
            while path != "/":
                parent, name = posixpath.split(path)
                self._children.setdefault(parent, set()).add(name)
                path = parent  # noqa: PLW2901 - upwards; parents need no entry of their own

    def _add(self, tar: str) -> None:
        fresh: dict[str, _File] = {}
        descriptor = os.open(tar, os.O_RDONLY | os.O_CLOEXEC)
        try:
            for member in members(descriptor):
                path = _path(member.name)
                folder, name = posixpath.split(path)
                if name == _OPAQUE:
                    self._remove(folder, itself=False)
                elif name.startswith(_WHITEOUT):
                    self._remove(posixpath.join(folder, name[len(_WHITEOUT) :]), itself=True)
                elif path != "/":
                    fresh[path] = _File(member, tar)
        finally:
            os.close(descriptor)
        for path, file in fresh.items():
            old = self._files.get(path)
            if old is not None and (old.member.kind, file.member.kind) != (MemberKind.FOLDER,) * 2:
                self._remove(path, itself=True)
        self._files.update(fresh)

    def _remove(self, path: str, *, itself: bool) -> None:
        below = path.rstrip("/") + "/"
        for known in [one for one in self._files if one.startswith(below)]:
            del self._files[known]
        if itself:
            self._files.pop(path, None)

    def resolve(self, path: str) -> str | None:
        """Return where `path` leads with all links followed, None where nothing is."""
        return self._resolve(path, 0)

    def _resolve(self, path: str, depth: int) -> str | None:
        at = "/"
        for part in path.split("/"):
            if part in ("", "."):
                continue
            if part == "..":
                at = posixpath.dirname(at)
                continue
            at = posixpath.join(at, part)
            file = self._files.get(at)
            if file is not None and file.member.kind is MemberKind.LINK:
                if depth == _MAX_LINKS:
                    return None
                text = os.fsdecode(file.member.link)
                led = self._resolve(posixpath.join(posixpath.dirname(at), text), depth + 1)
                if led is None:
                    return None
                at = led
            elif file is None and at not in self._children:
                return None
        return at

    def names(self, folder: str) -> Iterator[str]:
        """Yield the names in a folder, sorted; none where no folder is."""
        found = self.resolve(folder)
        yield from sorted(self._children.get(found or "", ()))

    def is_executable(self, path: str) -> bool:
        """Whether `path` leads to a file that may be executed."""
        found = self.resolve(path)
        file = self._files.get(found or "")
        return file is not None and _is_file(file.member) and bool(file.member.mode & 0o111)

    def read(self, path: str) -> bytes | None:
        """Return the bytes of the file that `path` leads to, None where there is none."""
        file = self._files.get(self.resolve(path) or "")
        if file is not None and file.member.kind is MemberKind.HARD_LINK:
            file = self._files.get(_path(file.member.link))
        if file is None or file.member.kind is not MemberKind.FILE:
            return None
        descriptor = os.open(file.tar, os.O_RDONLY | os.O_CLOEXEC)
        try:
            return os.pread(descriptor, file.member.size_bytes, file.member.offset)
        finally:
            os.close(descriptor)


def _is_file(member: Member) -> bool:
    return member.kind in (MemberKind.FILE, MemberKind.HARD_LINK)


def _path(name: bytes) -> str:
    parts = [part for part in os.fsdecode(name).split("/") if part not in ("", ".")]
    if ".." in parts:
        raise bad_layer(f"Its entry {name!r} leads out of the image.")
    return "/" + "/".join(parts)
