"""Logs and commands of a container, as streams that survive cut connections."""

from __future__ import annotations

import json
import time
from collections.abc import Callable, Iterator, Sequence
from dataclasses import dataclass
from typing import Any

from ...errors import ContainerizeError
from . import paths
from .away import Away
from .connection import PATIENCE_S, Busy, Connection
from .problems import Refused, unreachable

_STDOUT, _STDERR, _STATUS = 1, 2, 3
_LONGEST_LINE = 1 << 16
_IDLE_S = 60.0


def log_lines(
    connection: Connection,
    pod: str,
    container: str,
    *,
    follow: bool,
    previous: bool = False,
    ended: Callable[[], bool] = lambda: False,
) -> Iterator[str]:
    """Yield a container's log line by line, with line ends, each once.

    A cut stream is taken up by the time of the last line; lines that came before are
    recognised. `ended()` is asked when a stream ends: only the container's end ends ours.
    `previous` means the container before the last restart.
    """
    place, away = _Place(), Away(connection)
    query: dict[str, Any] = {"container": container, "timestamps": "true"}
    query |= {"follow": "true"} if follow else {}
    query |= {"previous": "true"} if previous else {}
    while True:
        final = ended() or not follow
        try:
            again = {**query, **place.since()}
            for stamp, text in _stamped(connection, pod, again, away.answered):
                if place.is_new(stamp):
                    yield text
        except Busy as error:
            # The server answers, the pod's node does not: the watch tells what becomes of the pod.
            if not final:
                away.answered()
            elif away.failed():
                yield f"(The rest of this log cannot be read: {error})\n"
                return
            final = False
        except ConnectionError as error:
            away.endure(error)
            final = False
        except Refused as error:
            # The pod is gone, or its node forgot the log: what was seen is all there is.
            if error.status not in (400, 404):
                raise
            return
        if final:
            return
        time.sleep(0.3)


@dataclass
class _Place:
    """Where we are in a log: the time of the last line, and how many lines of that time were seen."""

    stamp: str = ""
    seen: int = 0
    _repeated: int = 0

    def since(self) -> dict[str, str]:
        """Return the query that goes on from here; the lines of this time come again."""
        self._repeated = self.seen
        return {"sinceTime": f"{self.stamp[:19]}Z"} if self.stamp else {}  # whole seconds

    def is_new(self, stamp: str) -> bool:
        """Tell whether the next line, of that time, was not seen before."""
        if stamp < self.stamp:
            return False
        if stamp == self.stamp and self._repeated:
            self._repeated -= 1
            return False
        self.seen = self.seen + 1 if stamp == self.stamp else 1
        self.stamp, self._repeated = stamp, 0
        return True


def _stamped(
    connection: Connection, pod: str, query: dict[str, Any], answered: Callable[[], None]
) -> Iterator[tuple[str, str]]:
    path = paths.pod(pod, connection.namespace, "log")
    rest = b""
    idle_s = _IDLE_S if query.get("follow") else _IDLE_S * 5
    for data in connection.stream(path, query, idle_s=idle_s, answered=answered):
        *lines, rest = (rest + data).split(b"\n")
        for line in lines:
            yield _parsed(line + b"\n")
        if len(rest) > _LONGEST_LINE:
            yield _parsed(rest + b"\n")
            rest = b""
    if rest and b" " in rest and not query.get("follow"):
        yield _parsed(rest + b"\n")


def _parsed(line: bytes) -> tuple[str, str]:
    stamp, _, text = line.decode("utf-8", "replace").partition(" ")
    return stamp, text


def execute(
    connection: Connection, pod: str, container: str, command: Sequence[str]
) -> Iterator[bytes]:
    """Run a command in a container and yield its standard output's bytes.

    Errors: `ConnectionError` when the connection is cut; `command-failed` with what it wrote.
    """
    query = {
        "container": container,
        "command": list(command),
        "stdout": "true",
        "stderr": "true",
        "stdin": "false",
        "tty": "false",
    }
    socket = connection.websocket(paths.pod(pod, connection.namespace, "exec"), query)
    complaint, status = b"", b""
    quiet_since = time.monotonic()
    try:
        while socket.is_open():
            try:
                socket.update(timeout=1.0)
            except Exception as error:
                raise ConnectionError(str(error)) from error
            output = socket.read_channel(_STDOUT)
            complaint = (complaint + socket.read_channel(_STDERR))[-4096:]
            status += socket.read_channel(_STATUS)
            if output:
                quiet_since = time.monotonic()
                yield output
            elif time.monotonic() - quiet_since > _IDLE_S * 5:
                raise ConnectionError("the connection is silent")
    finally:
        socket.close()
    if not status:
        raise ConnectionError("the connection was cut before the command ended")
    answer = json.loads(status)
    if answer.get("status") != "Success":
        raise ContainerizeError(
            "command-failed",
            what=f"{' '.join(command[:4])} failed in pod {pod}.",
            why=complaint.decode("utf-8", "replace").strip() or str(answer.get("message", "")),
        )


def output_of(connection: Connection, pod: str, container: str, command: Sequence[str]) -> bytes:
    """Return what a command wrote. Tried again while the connection is cut."""
    until = time.monotonic() + PATIENCE_S
    while True:
        try:
            return b"".join(execute(connection, pod, container, command))
        except ConnectionError as error:  # noqa: PERF203 - tried until it works
            if time.monotonic() > until:
                raise unreachable(connection.host, error) from error
            time.sleep(1.0)
