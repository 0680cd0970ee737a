"""The isolating program as the supervisor's child: start, signal, kill, exit code."""

from __future__ import annotations

import contextlib
import ctypes
import json
import os
import signal
import time
from typing import Any

from . import processes

_PR_SET_PDEATHSIG = 1
_START_TIMEOUT_S = 60.0


class Container:
    """A container under bubblewrap, which gives it a process namespace of its own.

    It is held back after its file systems are mounted and before its command starts, until
    `release()`: time to check the mounts and to set limits.
    """

    def __init__(self, pid: int, *, status: int, gate: int) -> None:
        self.pid = pid
        self.signalled = False
        self._status = status
        self._gate = gate
        self._text = b""
        self._wait_status: int | None = None

    def prepare(self) -> None:
        """Wait until everything is mounted. Errors: `RuntimeError` when mounts are missing."""

    def release(self) -> None:
        """Let the command start."""
        os.write(self._gate, b"x")
        os.close(self._gate)

    @property
    def init(self) -> int | None:
        """The first process of the container's process namespace, as this machine numbers it."""
        return self._report("child-pid")

    def roots(self) -> list[int]:
        """Return the processes whose descendants are the container's, themselves included."""
        init = self.init
        return [] if init is None else [init]

    def members(self) -> list[int]:
        """Return all processes of the container but bubblewrap's own."""
        init = self.init
        return [] if init is None else processes.tree(init)

    def signal(self, number: int) -> None:
        """Signal the container's command, as Docker does; not its other processes."""
        init = self.init
        command = processes.children(init)[:1] if init else []
        if not command:
            return
        self.signalled = True
        with contextlib.suppress(ProcessLookupError):
            os.kill(command[0], number)

    def kill(self) -> None:
        """End everything in the container at once."""
        if self._wait_status is None:
            init = self.init
            with contextlib.suppress(ProcessLookupError):
                if init:
                    os.kill(init, signal.SIGKILL)
            with contextlib.suppress(ProcessLookupError):
                os.kill(self.pid, signal.SIGKILL)
            _, self._wait_status = os.waitpid(self.pid, 0)

    def ended(self) -> bool:
        """Tell whether the isolating program has ended; never blocks."""
        if self._wait_status is None:
            pid, status = os.waitpid(self.pid, os.WNOHANG)
            if pid:
                self._wait_status = status
        return self._wait_status is not None

    def result(self) -> tuple[int, str]:
        """Return the exit code, and why the command never ran, if so."""
        code = self._report("exit-code")
        if code is not None:
            return code, ""
        status = self._wait_status or 0
        if os.WIFSIGNALED(status):
            return 128 + os.WTERMSIG(status), ""
        return os.WEXITSTATUS(status), "the container could not be started: see its log"

    def _report(self, key: str) -> int | None:
        with contextlib.suppress(BlockingIOError):
            while data := os.read(self._status, 4096):
                self._text += data
        for line in self._text.splitlines():
            with contextlib.suppress(ValueError):
                value = json.loads(line).get(key)
                if isinstance(value, int):
                    return value
        return None


def start(launch: dict[str, Any], *, output: int) -> Container:
    """Start the isolating program with its output going to the descriptor `output`."""
    status, theirs = os.pipe2(os.O_CLOEXEC | os.O_NONBLOCK)
    gate_theirs, gate = os.pipe2(os.O_CLOEXEC)
    options = os.memfd_create("options")
    os.write(
        options, b"".join(a.encode("utf-8", "surrogateescape") + b"\0" for a in launch["arguments"])
    )
    os.lseek(options, 0, os.SEEK_SET)
    program = [
        *launch["program"],
        *("--args", str(options), "--json-status-fd", str(theirs), "--block-fd", str(gate_theirs)),
        "--",
        *launch["command"],
    ]
    pid = os.fork()
    if pid == 0:
        _become(program, launch["environment"], output, keep=(options, theirs, gate_theirs))
    for descriptor in (options, theirs, gate_theirs):
        os.close(descriptor)
    container = Container(pid, status=status, gate=gate)
    deadline = time.monotonic() + _START_TIMEOUT_S
    while container.init is None and not container.ended() and time.monotonic() < deadline:
        time.sleep(0.001)
    return container


def _become(
    program: list[str], environment: dict[str, str], output: int, *, keep: tuple[int, ...]
) -> None:
    """In the fresh child: turn into `program`; never returns."""
    try:
        parent = os.getppid()
        ctypes.CDLL(None).prctl(_PR_SET_PDEATHSIG, signal.SIGKILL)
        if os.getppid() != parent:
            os._exit(1)
        os.dup2(output, 1)
        os.dup2(output, 2)
        for descriptor in keep:
            os.set_inheritable(descriptor, True)
        for number in (signal.SIGINT, signal.SIGHUP, signal.SIGPIPE):
            signal.signal(number, signal.SIG_DFL)
        os.execve(program[0], program, environment)
    except BaseException as error:  # noqa: BLE001 - a forked child must never return
        os.write(2, f"{program[0]}: {error}\n".encode())
    finally:
        os._exit(127)


def clean(folder: str) -> None:
    """Delete what the container wrote beside its outputs."""
    import shutil  # noqa: PLC0415 - only needed at the end

    def open_up(_: object, path: str, __: object) -> None:
        with contextlib.suppress(OSError):
            os.chmod(os.path.dirname(path), 0o700)
            os.chmod(path, 0o700)

    shutil.rmtree(folder, onerror=open_up)
    shutil.rmtree(folder, ignore_errors=True)
