"""Extracting layers into a private folder, so that nothing can get out of it.

Every folder is made by us and remembered, so a path never leads through a link that the
layer brought: links on the way are followed here, inside the root, as in a chroot.
Source: OCI image-spec 1.1, layer.md (changesets, whiteouts).
"""

from __future__ import annotations

import contextlib
import os
import stat
from concurrent.futures import Future, ThreadPoolExecutor
from types import TracebackType

from .disk import copy_bytes
from .gc import remove_path
from .tar_reader import Member, MemberKind, bad_layer, members

_WHITEOUT = b".wh."
_OPAQUE = b".wh..wh..opq"
_MAX_LINKS = 40
_BATCH_FILES = 64
_BATCH_BYTES = 16 << 20
_ROOT = b""


class Extractor:
    """Extracts layers over each other into the empty folder `root`; a context manager.

    File data is copied by two threads. `whiteouts` and `opaque` collect what has to be
    hidden of layers below `root`.
    """

    def __init__(self, root: str) -> None:
        self._root = os.fsencode(root)
        self._kinds: dict[bytes, MemberKind] = {_ROOT: MemberKind.FOLDER}
        self._folders: dict[bytes, tuple[int, int]] = {}
        self.whiteouts: set[bytes] = set()
        self.opaque: set[bytes] = set()
        self._pool = ThreadPoolExecutor(max_workers=2)
        self._pending: list[Future[None]] = []
        self._batch: list[tuple[bytes, Member]] = []
        self._batch_bytes = 0

    def __enter__(self) -> Extractor:  # noqa: PYI034 - typing.Self is new in 3.11
        return self

    def __exit__(
        self,
        kind: type[BaseException] | None,
        error: BaseException | None,
        traceback: TracebackType | None,
    ) -> None:
        self._pool.shutdown(cancel_futures=True)
        if error is None:
            # Last, because making their content changes times and may need the rights.
            for name, (mode, mtime_s) in sorted(self._folders.items(), reverse=True):
                path = self._path(name)
                os.chmod(path, mode)
                os.utime(path, (mtime_s, mtime_s))

    def extract(self, tar_path: str) -> None:
        """Extract one uncompressed layer. Errors: `bad-layer`; `OSError` for the disk's."""
        try:
            descriptor = os.open(tar_path, os.O_RDONLY | os.O_CLOEXEC)
        except FileNotFoundError as error:
            raise bad_layer(f"Its blob {tar_path} is missing.") from error
        try:
            new: set[bytes] = set()
            for member in members(descriptor):
                self._member(member, descriptor, new)
            self._wait(descriptor)
        finally:
            self._pool_idle()
            os.close(descriptor)

    # -- one entry ----------------------------------------------------------------------

    def _member(self, member: Member, descriptor: int, new: set[bytes]) -> None:
        parts = _parts(member.name)
        if not parts:
            return  # the root itself
        parent = self._folder(parts[:-1], new)
        name = _join(parent, parts[-1])
        if parts[-1].startswith(_WHITEOUT):
            self._wait(descriptor)
            self._hide(parent, parts[-1], new)
            return
        self._clear(name, member.kind, descriptor)
        new.add(name)
        self.whiteouts.discard(name)
        if member.kind is MemberKind.FOLDER:
            self._make_folder(name, member.mode & 0o1777 | 0o700, member.mtime_s)
        elif member.kind is MemberKind.FILE:
            self._add_file(name, member, descriptor)
        elif member.kind is MemberKind.LINK:
            os.symlink(member.link, self._path(name))
            os.utime(self._path(name), (member.mtime_s, member.mtime_s), follow_symlinks=False)
        elif member.kind is MemberKind.HARD_LINK:
            self._hard_link(name, member, descriptor)
        else:
            return  # no device, FIFO or socket: a container gets its own
        self._kinds[name] = member.kind

    def _hard_link(self, name: bytes, member: Member, descriptor: int) -> None:
        parts = _parts(member.link)
        target = _join(self._resolve(parts[:-1]), parts[-1]) if parts else _ROOT
        if self._kinds.get(target) not in (MemberKind.FILE, MemberKind.HARD_LINK):
            raise bad_layer(f"A hard link leads to {member.link!r}, which is no file of it.")
        self._wait(descriptor)
        os.link(self._path(target), self._path(name), follow_symlinks=False)

    def _clear(self, name: bytes, kind: MemberKind, descriptor: int) -> None:
        """Make room for an entry where an earlier one is."""
        old = self._kinds.get(name)
        if old is None or old is kind is MemberKind.FOLDER:
            return
        self._wait(descriptor)
        self._remove(name)

    def _remove(self, name: bytes) -> None:
        remove_path(os.fsdecode(self._path(name)))
        below = name + b"/"
        for known in [one for one in self._kinds if one == name or one.startswith(below)]:
            del self._kinds[known]
            self._folders.pop(known, None)

    def _hide(self, parent: bytes, marker: bytes, new: set[bytes]) -> None:
        """Apply a whiteout: to what lower layers left here, and remember it for those below."""
        if marker == _OPAQUE:
            self.opaque.add(parent)
            prefix = parent + b"/" if parent else b""
            old = [name for name in self._kinds if name and name.startswith(prefix)]
            for name in old:
                if name in self._kinds and name not in new and not _leads_to(name, new):
                    self._remove(name)
            return
        hidden = _join(parent, marker[len(_WHITEOUT) :])
        if marker[len(_WHITEOUT) :] in (b"", b".", b".."):
            raise bad_layer(f"It has the whiteout {marker!r}.")
        self.whiteouts.add(hidden)
        if hidden in self._kinds and hidden not in new:
            self._remove(hidden)

    # -- folders ------------------------------------------------------------------------

    def _folder(self, parts: list[bytes], new: set[bytes]) -> bytes:
        """Return the folder that `parts` lead to, made where absent."""
        direct = b"/".join(parts)
        if self._kinds.get(direct) is MemberKind.FOLDER:
            new.add(direct)
            return direct
        name = _ROOT
        for part in parts:
            name = self._follow(_join(name, part))
            self._ensure_folder(name, new)
        return name

    def _ensure_folder(self, name: bytes, new: set[bytes]) -> None:
        kind = self._kinds.get(name)
        if kind is None:
            self._ensure_folder(name.rpartition(b"/")[0], new)
            self._make_folder(name, 0o755, 0)
            self._kinds[name] = MemberKind.FOLDER
        elif kind is not MemberKind.FOLDER:
            raise bad_layer(f"{name!r} is a file and a folder at once.")
        new.add(name)

    def _resolve(self, parts: list[bytes]) -> bytes:
        name = _ROOT
        for part in parts:
            name = self._follow(_join(name, part))
        return name

    def _follow(self, name: bytes, depth: int = 0) -> bytes:
        """Return where `name` leads, inside the root, if it is a link of this layer."""
        if self._kinds.get(name) is not MemberKind.LINK:
            return name
        if depth == _MAX_LINKS:
            raise bad_layer(f"{name!r} is a loop of links.")
        text = os.readlink(self._path(name))
        at = _ROOT if text.startswith(b"/") else name.rpartition(b"/")[0]
        for part in text.split(b"/"):
            if part == b"..":
                at = at.rpartition(b"/")[0]
            elif part not in (b"", b"."):
                at = self._follow(_join(at, part), depth + 1)
        return at

    def _make_folder(self, name: bytes, mode: int, mtime_s: int) -> None:
        if name not in self._kinds:
            os.mkdir(self._path(name), 0o700)
        self._folders[name] = (mode, mtime_s)

    def _path(self, name: bytes) -> bytes:
        return self._root + b"/" + name

    # -- file data ----------------------------------------------------------------------

    def _add_file(self, name: bytes, member: Member, descriptor: int) -> None:
        self._batch.append((self._path(name), member))
        self._batch_bytes += member.size_bytes
        if len(self._batch) == _BATCH_FILES or self._batch_bytes > _BATCH_BYTES:
            self._send(descriptor)

    def _send(self, descriptor: int) -> None:
        if self._batch:
            self._pending.append(self._pool.submit(_write_files, descriptor, self._batch))
            self._batch, self._batch_bytes = [], 0

    def _wait(self, descriptor: int) -> None:
        """Wait until all files so far are written; raise what went wrong."""
        self._send(descriptor)
        for future in self._pending:
            future.result()
        self._pending.clear()

    def _pool_idle(self) -> None:
        """Wait for running copies, whatever became of them: the tar is about to be closed."""
        for future in self._pending:
            future.cancel()
            with contextlib.suppress(BaseException):
                future.result()
        self._pending.clear()


def _write_files(source: int, files: list[tuple[bytes, Member]]) -> None:
    flags = os.O_WRONLY | os.O_CREAT | os.O_EXCL | os.O_NOFOLLOW | os.O_CLOEXEC
    for path, member in files:
        target = os.open(path, flags, 0o600)
        try:
            if copy_bytes(source, target, member.offset, member.size_bytes) < member.size_bytes:
                raise bad_layer("It is cut short.")
            os.fchmod(target, stat.S_IMODE(member.mode) & 0o777 | 0o400)
            os.utime(target, (member.mtime_s, member.mtime_s))
        finally:
            os.close(target)


def _parts(name: bytes) -> list[bytes]:
    parts = [part for part in name.split(b"/") if part not in (b"", b".")]
    if b".." in parts:
        raise bad_layer(f"Its entry {name!r} leads out of the image.")
    return parts


def _join(folder: bytes, part: bytes) -> bytes:
    return folder + b"/" + part if folder else part


def _leads_to(folder: bytes, names: set[bytes]) -> bool:
    below = folder + b"/"
    return any(name.startswith(below) for name in names)
