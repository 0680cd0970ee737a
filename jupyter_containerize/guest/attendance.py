"""Runs a pod's training under a lock that ends with it, a deadline, and a request to stop.

The control folder is shared with the collector's container: `running` is locked as long as
any process of the training lives, even when the kernel kills them all for want of memory;
`stop` is written to ask for the end; `ended` holds the exit code where we lived to write it.
"""

from __future__ import annotations

import argparse
import contextlib
import fcntl
import os
import signal
import subprocess
import sys
import time
from types import FrameType

from .problem import CannotStart
from .workers import join

RUNNING = "running"
STOP = "stop"
ENDED = "ended"
#: Exit code after a deadline, as `timeout` has it.
LATE = 124
_LOOK_S = 0.2


def attend(arguments: list[str]) -> int:
    """Run the command behind `--`; return its exit code, 124 after its deadline."""
    parser = argparse.ArgumentParser(prog="attend")
    parser.add_argument("control")
    parser.add_argument("--deadline", type=float, default=None)
    parser.add_argument("--grace", type=float, default=20.0)
    parser.add_argument("command", nargs="+")
    options = parser.parse_args(arguments)
    os.makedirs(options.control, exist_ok=True)
    lock = os.open(os.path.join(options.control, RUNNING), os.O_RDWR | os.O_CREAT, 0o666)
    fcntl.flock(lock, fcntl.LOCK_EX)
    os.set_inheritable(lock, True)  # noqa: FBT003 - takes it by position
    try:
        join()
        process = subprocess.Popen(options.command, pass_fds=(lock,))
    except (CannotStart, OSError) as problem:
        print(problem, file=sys.stderr)
        return _told(options.control, 2)
    return _told(options.control, _Watch(process, options).code())


def _told(control: str, code: int) -> int:
    with contextlib.suppress(OSError), open(os.path.join(control, ENDED), "w") as file:
        file.write(str(code))
    return code


class _Watch:
    """Waits for a process; passes signals on; ends it when it is late or asked to stop."""

    def __init__(self, process: subprocess.Popen[bytes], options: argparse.Namespace) -> None:
        self._process = process
        self._grace = options.grace
        self._stop = os.path.join(options.control, STOP)
        self._deadline = None if options.deadline is None else time.monotonic() + options.deadline
        self._kill_at: float | None = None
        self._late = False
        for number in (signal.SIGTERM, signal.SIGINT):
            signal.signal(number, self._pass_on)

    def _pass_on(self, number: int, frame: FrameType | None) -> None:
        del frame
        with contextlib.suppress(ProcessLookupError):
            self._process.send_signal(number)

    def _end(self, grace: float) -> None:
        if self._kill_at is None:
            self._kill_at = time.monotonic() + grace
            self._pass_on(signal.SIGTERM, None)

    def code(self) -> int:
        """Return the exit code as a shell has it."""
        while True:
            try:
                code = self._process.wait(_LOOK_S)
            except subprocess.TimeoutExpired:
                self._look()
                continue
            if self._late:
                return LATE
            return 128 - code if code < 0 else code

    def _look(self) -> None:
        now = time.monotonic()
        if self._deadline is not None and now > self._deadline and not self._late:
            self._late = True
            print("The deadline has passed: the run is being stopped.", file=sys.stderr, flush=True)
            self._end(self._grace)
        if self._kill_at is None and os.path.exists(self._stop):
            with open(self._stop) as file:
                grace = file.read().strip()
            self._end(float(grace) if grace else self._grace)
        if self._kill_at is not None and now > self._kill_at:
            self._process.kill()
