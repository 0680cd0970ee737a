"""SHA-256 of files, remembered between captures for as long as a file stays the same."""

from __future__ import annotations

import contextlib
import json
import os
import time

from ..model.files import FileEntry, FileKind
from . import disk

_NAME = "hashes-1.json"
#: More entries than this are not worth reading back.
_MOST = 100_000
#: A file changed this recently may change again within the clock's tick, unseen.
_SETTLED_NS = 2_000_000_000


class Hashes:
    """Hashes files. With `cache` (a folder) what was hashed before is not read again.

    A file is the same while its inode, size, modification and change times are.
    """

    def __init__(self, cache: str | None = None) -> None:
        self._path = os.path.join(cache, _NAME) if cache else ""
        self._known: dict[str, list[int | str]] = _load(self._path)
        self._used: dict[str, list[int | str]] = {}

    def entry(self, path: str) -> FileEntry:
        """Return the regular file at `path` with its hash.

        Errors: `unreadable-file`, `file-changed-while-read`.
        """
        try:
            found = os.stat(path)
        except (OSError, ValueError) as error:
            raise disk.unreadable(path, error) from error
        mark = [found.st_ino, found.st_size, found.st_mtime_ns, found.st_ctime_ns]
        known = self._known.get(path)
        if known is not None and known[:4] == mark and os.access(path, os.R_OK):
            self._used[path] = known
            executable = bool(found.st_mode & 0o111)
            sha256 = str(known[4])
            return FileEntry(
                path, FileKind.FILE, found.st_size, found.st_mtime_ns, executable, sha256
            )
        entry = disk.hashed(path)
        if time.time_ns() - max(found.st_mtime_ns, found.st_ctime_ns) > _SETTLED_NS:
            self._used[path] = [*mark, entry.sha256 or ""]
        return entry

    def save(self) -> None:
        """Keep what was learnt; a cache that cannot be written only costs time."""
        if not self._path or self._used.items() <= self._known.items():
            return
        kept = self._used
        if len(kept) + len(self._known) <= _MOST:
            kept = {**self._known, **kept}
        with contextlib.suppress(OSError):
            os.makedirs(os.path.dirname(self._path), exist_ok=True)
            with open(f"{self._path}.{os.getpid()}", "w", encoding="utf-8") as file:
                json.dump(kept, file)
            os.replace(file.name, self._path)


def _load(path: str) -> dict[str, list[int | str]]:
    try:
        with open(path, encoding="utf-8") as file:
            kept = json.load(file)
    except (OSError, ValueError):
        return {}
    return kept if isinstance(kept, dict) else {}
