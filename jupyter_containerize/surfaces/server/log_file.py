"""A run's log by line numbers: pages and search in a file of any size.

An index of every 1,000th line's offset is kept for each file and grown as the file grows, so
that a page costs one seek however long the log is.
"""

from __future__ import annotations

import os
import threading
from collections import OrderedDict
from typing import Any

_STEP = 1000
_CHUNK = 1 << 20
_LINE_CHARS = 20_000
_FILES_KEPT = 16
MOST_LINES = 2000
MOST_MATCHES = 1000


class LogFiles:
    """Pages of log files; safe to use from several threads."""

    def __init__(self) -> None:
        self._indexes: OrderedDict[str, _Index] = OrderedDict()
        self._lock = threading.Lock()

    def page(self, path: str, *, first: int, count: int) -> dict[str, Any]:
        """Return up to `count` lines from line `first` (0-based; negative: from the end)."""
        index = self._index(path)
        total = index.update(path)
        if first < 0:
            first = max(0, total + first)
        lines = index.lines(path, first, min(count, MOST_LINES)) if first < total else []
        return {"first": first, "lines": lines, "total": total}

    def search(self, path: str, *, text: str, first: int, count: int) -> dict[str, Any]:
        """Return the numbers of up to `count` lines from `first` on that hold `text`, in any case.

        `next` is where to go on, None when the whole log was searched.
        """
        index = self._index(path)
        total = index.update(path)
        found, following = index.search(path, text.lower(), first, min(count, MOST_MATCHES))
        return {"matches": found, "next": following, "total": total}

    def _index(self, path: str) -> _Index:
        with self._lock:
            index = self._indexes.setdefault(path, _Index())
            self._indexes.move_to_end(path)
            while len(self._indexes) > _FILES_KEPT:
                self._indexes.popitem(last=False)
        return index


class _Index:
    """Offsets of every `_STEP`th line of one file."""

    def __init__(self) -> None:
        self._lock = threading.Lock()
        self._clear()

    def _clear(self) -> None:
        self._offsets = [0]
        self._newlines = 0
        self._scanned = 0
        self._open_end = False
        self._inode = -1

    def update(self, path: str) -> int:
        """Read what was added since and return the number of lines, an unfinished one included."""
        with self._lock:
            try:
                with open(path, "rb") as file:
                    self._scan(file)
            except OSError:
                self._clear()
            return self._newlines + self._open_end

    def _scan(self, file: Any) -> None:
        state = os.fstat(file.fileno())
        if state.st_size < self._scanned or state.st_ino != self._inode:
            self._clear()  # another file, or cut: what was known is of no use
            self._inode = state.st_ino
        file.seek(self._scanned)
        while chunk := file.read(_CHUNK):
            place = -1
            count = chunk.count(b"\n")
            wanted = _STEP - self._newlines % _STEP
            if count >= wanted:
                for position in range(1, count + 1):
                    place = chunk.index(b"\n", place + 1)
                    if (self._newlines + position) % _STEP == 0:
                        self._offsets.append(self._scanned + place + 1)
            self._newlines += count
            self._scanned += len(chunk)
            self._open_end = not chunk.endswith(b"\n")

    def lines(self, path: str, first: int, count: int) -> list[str]:
        """Return lines as texts; bytes that are no UTF-8 are shown as such."""
        number = first - first % _STEP
        found: list[str] = []
        with open(path, "rb") as file:
            file.seek(self._offsets[min(first // _STEP, len(self._offsets) - 1)])
            for line in file:
                if number >= first:
                    found.append(_shown(line))
                    if len(found) == count:
                        break
                number += 1
        return found

    def search(self, path: str, text: str, first: int, count: int) -> tuple[list[int], int | None]:
        wanted = text.encode()
        found: list[int] = []
        step = min(first // _STEP, len(self._offsets) - 1)
        number = step * _STEP
        with open(path, "rb") as file:
            file.seek(self._offsets[step])
            for line in file:
                if number >= first and wanted in line.lower():
                    found.append(number)
                    if len(found) == count:
                        return found, number + 1
                number += 1
        return found, None


def _shown(line: bytes) -> str:
    return line.rstrip(b"\r\n")[:_LINE_CHARS].decode("utf-8", "replace")
