"""The service's log: one JSON object a line on standard output, for people and for programs.

Lines gather during a round of the loop and are written at its end, with one system call.
"""

from __future__ import annotations

import contextlib
import json
import os
import time
from typing import Any

_encode = json.JSONEncoder(separators=(",", ":"), default=str).encode


class Log:
    """Writes lines; `who` is the process: master, or worker 1, 2, ..."""

    def __init__(self, who: str, *, requests: bool = True, fd: int = 1) -> None:
        self.who = who
        self.requests = requests
        self._fd = fd
        self._lines: list[str] = []
        self._stamp = (0, "")

    def event(self, event: str, **facts: Any) -> None:
        """Add a line and write at once."""
        line = {"time": self._time(), "event": event, "by": self.who, **facts}
        self._lines.append(_encode(line) + "\n")
        self.flush()

    def request(
        self,
        method: str,
        path: str,
        status: int,
        *,
        seconds: float,
        request_id: str,
        rows: int,
        received: int,
        sent: int,
        peer: str,
    ) -> None:
        """Add the line of an answered request; `path` has no character that JSON must escape."""
        self._lines.append(
            f'{{"time":"{self._time()}","event":"request","by":"{self.who}","id":"{request_id}",'
            f'"method":"{method}","path":"{path}","status":{status},"ms":{1000 * seconds:.2f},'
            f'"rows":{rows},"received_bytes":{received},"sent_bytes":{sent},"client":"{peer}"}}\n'
        )

    def flush(self) -> None:
        """Write what waits."""
        if self._lines:
            data = memoryview("".join(self._lines).encode(errors="replace"))
            self._lines.clear()
            with contextlib.suppress(OSError):  # nobody reads the log any more: the service goes on
                while data:
                    data = data[os.write(self._fd, data) :]

    def _time(self) -> str:
        now = time.time()
        second = int(now)
        if second != self._stamp[0]:
            moment = time.gmtime(second)
            self._stamp = (second, time.strftime("%Y-%m-%dT%H:%M:%S", moment))
        return f"{self._stamp[1]}.{int(1000 * (now - second)):03d}Z"
