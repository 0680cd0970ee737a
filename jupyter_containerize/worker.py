"""A workflow in a process of its own, beside a kernel or a server.

`python -m jupyter_containerize.worker`: one request as a JSON object on standard input,
events as JSON lines on standard output, the last one `result` or `failed`. SIGINT cancels.
With `--lifeline FD` it also cancels itself when the other end of that pipe closes: when
its parent is gone, however it went. With `--command NAME` it imports what that needs before
it reads its request.
"""

from __future__ import annotations

import contextlib
import json
import os
import queue
import signal
import subprocess
import sys
import threading
from collections.abc import Iterator
from dataclasses import dataclass
from typing import IO, Any

from .errors import ContainerizeError, interrupted
from .model.codec import from_json, to_json
from .model.event import Event, Failed, Result
from .model.request import REQUESTS, Request

_LIFELINE = "--lifeline"
_COMMAND = "--command"
_STDERR_SHOWN = 2000


# -- the parent's side ------------------------------------------------------------------


class Worker:
    """A started worker. Iterate `events()` to its end, or `cancel()` and then do so."""

    def __init__(self, process: subprocess.Popen[str], stderr: IO[str], lifeline: int) -> None:
        self._process = process
        self._stderr = stderr
        self._lifeline = lifeline
        self._cancelled = False
        self._lines: queue.SimpleQueue[str | None] = queue.SimpleQueue()
        threading.Thread(target=self._read, name="containerize-events", daemon=True).start()

    @property
    def pid(self) -> int:
        """The worker's process id, and its process group."""
        return self._process.pid

    def events(self) -> Iterator[Event]:
        """Yield events as they come; the last is `Result` or `Failed`, whatever happens.

        After a KeyboardInterrupt in between, call it again: no event is lost.
        """
        last: Event | None = None
        while (line := self._lines.get()) is not None:
            last = from_json(_Envelope, {"event": json.loads(line)}).event
            yield last
        code = self._process.wait()
        if not isinstance(last, Result | Failed):
            # A worker that is told to stop before it has begun says nothing.
            error = interrupted("worker") if self._cancelled else self._crashed(code)
            yield Failed(error.to_json())
        self.close()

    def _read(self) -> None:
        """Move lines from the pipe to the queue, which an interrupt cannot cut in two."""
        with contextlib.suppress(ValueError):
            for line in self._process.stdout or ():
                self._lines.put(line)
        self._lines.put(None)

    def cancel(self) -> None:
        """Ask the worker to stop and clean up; it then emits `Failed` with `interrupted`."""
        self._cancelled = True
        with contextlib.suppress(ProcessLookupError):
            self._process.send_signal(signal.SIGINT)

    def kill(self) -> None:
        """End the worker and all that it started in its group, at once."""
        with contextlib.suppress(ProcessLookupError, PermissionError):
            os.killpg(self._process.pid, signal.SIGKILL)

    def close(self) -> None:
        """Release what the worker holds; a worker that still lives is cancelled by this."""
        if self._lifeline >= 0:
            os.close(self._lifeline)
            self._lifeline = -1
        self._stderr.close()

    def _crashed(self, code: int) -> ContainerizeError:
        self._stderr.seek(0)
        said = self._stderr.read()[-_STDERR_SHOWN:].strip()
        how = f"signal {-code}" if code < 0 else f"exit code {code}"
        return ContainerizeError(
            "worker-crashed",
            what="The worker process ended without a result.",
            why=f"It ended with {how}. {said}".strip(),
            fix=(
                "If memory ran out, free some and try again; what was finished is reused. "
                "Otherwise please report it with the text above."
            ),
        )


class Prepared:
    """A worker that imports what its command needs while its request is still being made.

    A context: without `begin` its process is gone at the end.
    """

    def __init__(
        self, command: str, process: subprocess.Popen[str], stderr: IO[str], lifeline: int
    ) -> None:
        self._command = command
        self._process = process
        self._stderr = stderr
        self._lifeline = lifeline
        self._begun = False

    @property
    def pid(self) -> int:
        """The process id of the worker to be."""
        return self._process.pid

    def begin(self, request: Request) -> Worker:
        """Let it begin."""
        # It may be dead already; `events` tells why.
        with contextlib.suppress(BrokenPipeError):
            if self._process.stdin is not None:
                with self._process.stdin as pipe:
                    json.dump({"command": self._command, "options": to_json(request)}, pipe)
        self._begun = True
        return Worker(self._process, self._stderr, self._lifeline)

    def __enter__(self) -> Prepared:  # noqa: PYI034 - Self is of Python 3.11
        return self

    def __exit__(self, *_: object) -> None:
        if self._begun:
            return
        self._process.kill()  # nobody would listen to it
        self._process.wait()
        os.close(self._lifeline)
        self._stderr.close()
        for pipe in (self._process.stdin, self._process.stdout):
            if pipe is not None:
                with contextlib.suppress(BrokenPipeError):
                    pipe.close()


def start(command: str, request: Request) -> Worker:
    """Start a worker on `request`. Errors: `worker-not-started`."""
    with prepare(command) as prepared:
        return prepared.begin(request)


def prepare(command: str) -> Prepared:
    """Start a worker for a `command`, exec'd in a process group of its own.

    So the SIGINT that a front end sends to the kernel's group reaches only the kernel,
    whose surface decides. Errors: `worker-not-started`.
    """
    import tempfile  # noqa: PLC0415 - the kernel pays for it only when it builds

    reading, lifeline = os.pipe()
    stderr = tempfile.TemporaryFile("w+", errors="backslashreplace")  # noqa: SIM115 - `Worker.close` does
    try:
        process = subprocess.Popen(
            [sys.executable, "-m", __name__, _LIFELINE, str(reading), _COMMAND, command],
            stdin=subprocess.PIPE,
            stdout=subprocess.PIPE,
            stderr=stderr,
            pass_fds=[reading],
            cwd="/",  # `-m` puts the folder on sys.path: the notebook's may hold a json.py
            start_new_session=True,
            text=True,
            encoding="utf-8",
        )
    except OSError as error:
        os.close(lifeline)
        stderr.close()
        raise ContainerizeError(
            "worker-not-started",
            what="The process that does the work could not be started.",
            why=f"{sys.executable}: {error}",
            fix="Check memory and process limits of this machine, then try again.",
        ) from error
    finally:
        os.close(reading)
    return Prepared(command, process, stderr, lifeline)


# -- the worker's side ------------------------------------------------------------------


def main() -> int:
    """Do what standard input asks for."""
    given = dict(zip(sys.argv[1::2], sys.argv[2::2], strict=False))
    if _LIFELINE in given:
        _watch(int(given[_LIFELINE]))
    signal.signal(signal.SIGTERM, signal.default_int_handler)
    # A server started in the background of a script has SIGINT ignored, and so would we.
    signal.signal(signal.SIGINT, signal.default_int_handler)
    output = os.fdopen(os.dup(sys.stdout.fileno()), "w", encoding="utf-8")
    os.dup2(sys.stderr.fileno(), sys.stdout.fileno())  # a stray print must not look like an event
    lock = threading.Lock()

    def emit(event: Event) -> None:
        line = json.dumps(to_json(event))
        with lock:
            output.write(f"{line}\n")
            output.flush()

    last = _conclude(emit, given.get(_COMMAND, ""))
    with contextlib.suppress(BrokenPipeError):
        emit(last)
    return 0 if isinstance(last, Result) else 1


def _conclude(emit: Any, command: str) -> Event:
    try:
        signal.pthread_sigmask(
            signal.SIG_UNBLOCK, {signal.SIGINT}
        )  # whoever was quick is heard now
        if command:
            from .workflow import load  # noqa: PLC0415 - `start` runs in kernels, and needs none of it

            load(command)
        asked = json.load(sys.stdin)
        request = from_json(REQUESTS[asked["command"]], asked["options"])
    except ContainerizeError as error:
        return Failed(error.to_json())
    except (ValueError, KeyError, TypeError) as error:
        problem = ContainerizeError(
            "bad-request",
            what="The worker was not given a request that it understands.",
            why=f"{type(error).__name__}: {error}",
            fix='Give {"command": ..., "options": {...}} on standard input.',
        )
        return Failed(problem.to_json())
    except KeyboardInterrupt:
        return Failed(interrupted("worker").to_json())
    from .workflow import conclude  # noqa: PLC0415 - same

    return conclude(asked["command"], request, emit=emit)


def _watch(lifeline: int) -> None:
    """Cancel this process when the pipe's other end closes."""

    def wait() -> None:
        with contextlib.suppress(OSError):
            while os.read(lifeline, 1):
                pass
        os.kill(os.getpid(), signal.SIGINT)

    threading.Thread(target=wait, name="lifeline", daemon=True).start()


@dataclass(frozen=True)
class _Envelope:
    """Only for the codec, which finds the kind of an event by the hint."""

    event: Event


if __name__ == "__main__":
    sys.exit(main())
