"""Memory for large bodies, used again once nobody holds it.

Fresh memory costs more than reading a body into it: the system clears every page first.
"""

from __future__ import annotations

import sys
from collections.abc import Callable
from typing import Any

_SMALL_BYTES = 256 << 10  # below this the allocator does as well
_MOST_BYTES = 64 << 20  # that are kept


class Buffers:
    """Arrays of bytes, made by `make(size)`; a model may keep what it got for as long as it likes."""

    def __init__(self, make: Callable[[int], Any]) -> None:
        self._make = make
        self._kept: list[Any] = [make(1)]
        self._unused = self._references(0)  # of an array that is here and nowhere else
        self._kept.clear()

    def get(self, size_bytes: int) -> memoryview:
        """Return writable memory, its contents anything."""
        if size_bytes < _SMALL_BYTES:
            return memoryview(self._make(size_bytes))
        for place, size in enumerate([one.nbytes for one in self._kept]):
            if size_bytes <= size <= 2 * size_bytes and self._references(place) == self._unused:
                return memoryview(self._kept[place])[:size_bytes]
        made = self._make(size_bytes)
        self._keep(made)
        return memoryview(made)

    def _keep(self, made: Any) -> None:
        """Keep `made`, in place of unused ones of other sizes where there is no room."""
        room = _MOST_BYTES - made.nbytes
        total = sum(one.nbytes for one in self._kept)
        for place in reversed(range(len(self._kept))):
            if total > room and self._references(place) == self._unused:
                total -= self._kept.pop(place).nbytes
        if total <= room:
            self._kept.append(made)

    def _references(self, place: int) -> int:
        return sys.getrefcount(self._kept[place])
