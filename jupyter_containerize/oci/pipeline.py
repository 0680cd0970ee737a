"""Filled buffers from the thread that reads files to the thread that hashes and writes."""

from __future__ import annotations

import contextlib
import threading
from collections.abc import Callable, Iterator
from queue import SimpleQueue

BUFFER_BYTES = 4 << 20
_BUFFERS = 4  # one is filled while one is hashed and written; two even out their speeds


class Cancelled(Exception):  # noqa: N818 - not a failure: somebody else's is on its way
    """Work was given up because another part failed or the user interrupted."""


class Outlet:
    """Takes bytes in small pieces, hands them on in large ones to another thread."""

    def __init__(self, cancel: threading.Event) -> None:
        self._cancel = cancel
        self._free: SimpleQueue[bytearray] = SimpleQueue()
        self._full: SimpleQueue[tuple[bytearray, int] | None] = SimpleQueue()
        for _ in range(_BUFFERS):
            self._free.put(bytearray(BUFFER_BYTES))
        self._buffer = self._free.get()
        self._used = 0
        self.failure: BaseException | None = None

    def write(self, data: bytes) -> None:
        """Append `data`."""
        size = len(data)
        if self._used + size <= BUFFER_BYTES:
            self._buffer[self._used : self._used + size] = data
            self._used += size
            return
        done = 0
        while done < size:
            space = self.space()
            part = min(size - done, len(space))
            space[:part] = data[done : done + part]
            self.filled(part)
            done += part

    def space(self) -> memoryview:
        """Return free space, never empty, to be filled from its start."""
        if self._used == BUFFER_BYTES:
            self.flush()
        return memoryview(self._buffer)[self._used :]

    def filled(self, count: int) -> None:
        """Say that the first `count` bytes of `space()` are filled."""
        self._used += count

    def flush(self) -> None:
        """Hand on what there is and wait for a free buffer."""
        self._full.put((self._buffer, self._used))
        self._buffer = self._free.get()
        self._used = 0
        if self.failure is not None or self._cancel.is_set():
            raise Cancelled

    def drain(self, consume: Callable[[memoryview], None]) -> None:
        """Run in the other thread: pass every buffer to `consume` until the end."""
        while (item := self._full.get()) is not None:
            buffer, used = item
            try:
                if self.failure is None:
                    consume(memoryview(buffer)[:used])
            except BaseException as error:  # noqa: BLE001 - raised again by the filling thread
                self.failure = error
            self._free.put(buffer)

    def end(self) -> None:
        """Say that nothing follows."""
        self._full.put(None)


@contextlib.contextmanager
def pipeline(consume: Callable[[memoryview], None], *, cancel: threading.Event) -> Iterator[Outlet]:
    """Yield an `Outlet` whose bytes `consume` gets in a thread of its own.

    A failure of `consume` ends the filling thread with `Cancelled` and is raised here.
    """
    outlet = Outlet(cancel)
    thread = threading.Thread(target=outlet.drain, args=(consume,), daemon=True)
    thread.start()
    try:
        with contextlib.suppress(Cancelled):
            yield outlet
            outlet.flush()
    finally:
        outlet.end()
        thread.join()
    if outlet.failure is not None:
        raise outlet.failure
    if cancel.is_set():
        raise Cancelled
