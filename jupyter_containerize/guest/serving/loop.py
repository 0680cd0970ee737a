"""The event loop: one epoll, callbacks by file descriptor, a sweep once a second while needed.

Not asyncio: importing it takes longer than starting this service, and one turn of it for a
request costs more than reading, parsing and answering one (docs/adr/0015).
"""

from __future__ import annotations

import contextlib
import os
import select
import time
from collections.abc import Callable

READ, WRITE = select.EPOLLIN, select.EPOLLOUT
BROKEN = select.EPOLLHUP | select.EPOLLERR
SWEEP_SECONDS = 1.0
_COARSE_SECONDS = 0.01

Callback = Callable[[int], None]


class Loop:
    """Calls back when descriptors are ready.

    Before each round it sleeps for at most `wait_s()` seconds (None: until something happens), after
    it `on_round()` is called, and `on_sweep()` at most once a second.
    """

    def __init__(self) -> None:
        self.on_round: Callable[[], None] = lambda: None
        self.on_sweep: Callable[[], None] = lambda: None
        self.wait_s: Callable[[], float | None] = lambda: None
        self.now = time.monotonic()  # when this round began
        self._epoll = select.epoll()
        self._callbacks: dict[int, Callback] = {}
        self._running = False
        self._next_sweep = 0.0
        self._wakeup, self._waker = os.pipe()
        os.set_blocking(self._wakeup, False)
        os.set_blocking(self._waker, False)
        self.add(self._wakeup, lambda _: self._woken())

    def add(self, fd: int, callback: Callback, events: int = READ) -> None:
        """Call `callback(events)` whenever `fd` is ready for one of `events`, or broken."""
        self._epoll.register(fd, events)
        self._callbacks[fd] = callback

    def change(self, fd: int, events: int) -> None:
        """Wait for other events of a descriptor that was added."""
        self._epoll.modify(fd, events)

    def remove(self, fd: int) -> None:
        """Forget a descriptor; to be called before it is closed."""
        if self._callbacks.pop(fd, None):
            self._epoll.unregister(fd)

    def wake(self) -> None:
        """Make the loop turn; may be called from any thread."""
        with contextlib.suppress(BlockingIOError):  # full: it will turn anyway
            os.write(self._waker, b"!")

    def stop(self) -> None:
        """Make `run` return after this round."""
        self._running = False

    def gather(self) -> bool:
        """Handle what is ready right now, without waiting; return whether there was any."""
        ready = self._epoll.poll(0)
        self._handle(ready)
        return bool(ready)

    def run(self) -> None:
        """Turn until `stop`."""
        self._running = True
        poll, handle = self._epoll.poll, self._handle
        while self._running:
            wait_s = self.wait_s()
            if wait_s is not None and 0 < wait_s < _COARSE_SECONDS:
                select.select((self._epoll,), (), (), wait_s)  # epoll itself counts milliseconds
                wait_s = 0
            handle(poll(wait_s))
            self.on_round()
            if self.now >= self._next_sweep:
                self._next_sweep = self.now + SWEEP_SECONDS
                self.on_sweep()

    def close(self) -> None:
        """Close the loop's own descriptors."""
        self._epoll.close()
        os.close(self._wakeup)
        os.close(self._waker)

    def _handle(self, ready: list[tuple[int, int]]) -> None:
        self.now = time.monotonic()
        callbacks = self._callbacks
        for fd, events in ready:
            callback = callbacks.get(fd)
            if callback is not None:  # one before it in this round may have removed it
                callback(events)

    def _woken(self) -> None:
        os.read(self._wakeup, 4096)
