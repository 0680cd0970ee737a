"""News of several streams in one queue: what is watched, what pods write, and what went wrong."""

from __future__ import annotations

import queue
import threading
import time
from collections.abc import Callable, Iterable, Iterator
from dataclasses import dataclass, field
from typing import Any

from .connection import Connection
from .streams import log_lines
from .watching import observe

#: Lines that wait to be shown; a pod that writes faster waits, so that memory stays flat.
_HELD = 2000
_REST_S = 30.0


@dataclass
class Listening:
    """Threads that put `(kind, item)` into `news` until `over` is set; an error is of kind "error"."""

    connection: Connection
    over: bool = False
    news: queue.Queue[tuple[str, Any]] = field(default_factory=lambda: queue.Queue(_HELD))

    def watch(self, path: str, kind: str, *, selector: str = "", fields: str = "") -> None:
        """Put a `Change` for each object there is, and for every change of one."""

        def work() -> None:
            try:
                for change in observe(
                    self.connection,
                    path,
                    selector=selector,
                    fields=fields,
                    ended=lambda: self.over,
                ):
                    self.put(kind, change)
            except Exception as error:  # noqa: BLE001 - told to who listens, in its own thread
                self.put("error", error)

        threading.Thread(target=work, daemon=True).start()

    def read(
        self, pod: str, container: str, *, line: Callable[[str], object], ended: Callable[[], bool]
    ) -> threading.Thread:
        """Put `line(text)` for each line a container writes, until `ended()`; return the reader."""

        def work() -> None:
            try:
                for text in log_lines(
                    self.connection,
                    pod,
                    container,
                    follow=True,
                    ended=lambda: self.over or ended(),
                ):
                    self.put("line", line(text))
                    if self.over:
                        return
            except Exception as error:  # noqa: BLE001 - as above
                self.put("error", error)

        reader = threading.Thread(target=work, daemon=True)
        reader.start()
        return reader

    def rest(self, readers: Iterable[threading.Thread]) -> Iterator[tuple[str, Any]]:
        """Yield the news that are still on their way while `readers` read, for half a minute at most."""
        waited_for, until = [*readers], time.monotonic() + _REST_S
        while time.monotonic() < until:
            alive = any(reader.is_alive() for reader in waited_for)
            try:
                yield self.news.get(timeout=0.05)
            except queue.Empty:
                if not alive:
                    return

    def put(self, kind: str, item: object) -> None:
        """Put news; wait while there is too much of it."""
        while not self.over:
            try:
                self.news.put((kind, item), timeout=1.0)
            except queue.Full:
                continue
            return
