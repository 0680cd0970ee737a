"""A container under PRoot: no process namespace, so a warden process sees to its end.

The warden is a fork of the supervisor. It adopts every orphan of the container
(PR_SET_CHILD_SUBREAPER), so nothing escapes it, and kills all when the supervisor says so,
by closing the lifeline, or dies, which closes it too.
"""

from __future__ import annotations

import contextlib
import ctypes
import os
import select
import signal
from typing import Any, NoReturn

from . import confinement, processes
from .containment import KILLED, become, send
from .proot_command import EXIT_CODE_FD

_PR_SET_CHILD_SUBREAPER = 36


class Traced:
    """A container whose processes PRoot traces."""

    def __init__(self, launch: dict[str, Any], *, output: int) -> None:
        self.signalled = False
        self._killed = False
        self._text = b""
        self._wait_status: int | None = None
        self.reports, code = os.pipe2(os.O_CLOEXEC | os.O_NONBLOCK)
        gate, self._gate = os.pipe2(os.O_CLOEXEC)
        lifeline, self._lifeline = os.pipe2(os.O_CLOEXEC)
        self._warden = os.fork()
        if self._warden == 0:
            os.close(self._lifeline)
            os.close(self._gate)
            _warden(launch, output=output, code=code, gate=gate, lifeline=lifeline)
        for descriptor in (code, gate, lifeline):
            os.close(descriptor)

    def prepare(self) -> None:
        """Nothing to wait for: the root file system is a folder."""

    def release(self) -> None:
        """Let PRoot start."""
        with contextlib.suppress(BrokenPipeError):
            os.write(self._gate, b"x")

    def entry(self) -> int | None:
        """Return the warden: it has no memory of its own to speak of."""
        return self._warden

    def members(self) -> list[int]:
        """Return all descendants of the warden but PRoot."""
        return processes.tree(self._warden)[1:]

    def files_in_memory_bytes(self) -> int:
        """Return 0: under PRoot `/dev/shm` is on disk."""
        return 0

    def signal(self, number: int) -> None:
        """Signal the command: the child of the wrapper that reports its exit code."""
        proot = processes.children(self._warden)[:1]
        wrapper = processes.children(proot[0])[:1] if proot else []
        command = processes.children(wrapper[0])[:1] if wrapper else []
        if command:
            self.signalled = True
            send(command[0], number)

    def kill(self) -> None:
        """Cut the lifeline, and wait for the warden to have killed all."""
        if self._wait_status is None:
            self._killed = True
            os.close(self._gate)
            os.close(self._lifeline)
            _, self._wait_status = os.waitpid(self._warden, 0)

    def ended(self) -> bool:
        """Tell whether the warden has ended; what the command left behind is killed."""
        if self._wait_status is None:
            pid, status = os.waitpid(self._warden, os.WNOHANG)
            if pid:
                self._wait_status = status
            elif self._exit_code() is not None:
                self.kill()
        return self._wait_status is not None

    def result(self) -> tuple[int, str]:
        """Return the code that the wrapper reported; without one the command never ran or was killed."""
        code = self._exit_code()
        if code is not None:
            return code, ""
        status = self._wait_status or 0
        if self._killed or os.WIFSIGNALED(status):
            return KILLED, ""
        return os.WEXITSTATUS(status), "the container could not be started"

    def _exit_code(self) -> int | None:
        with contextlib.suppress(BlockingIOError):
            while data := os.read(self.reports, 64):
                self._text += data
        # Its last line, whole: the container's processes hold this pipe too, before they exec.
        lines = self._text.decode("ascii", "replace").split("\n")[:-1]
        return int(lines[-1]) if lines and lines[-1].isdigit() else None


def _warden(
    launch: dict[str, Any], *, output: int, code: int, gate: int, lifeline: int
) -> NoReturn:
    try:
        wakeup, wake = os.pipe2(os.O_NONBLOCK | os.O_CLOEXEC)
        signal.set_wakeup_fd(wake, warn_on_full_buffer=False)
        signal.signal(signal.SIGTERM, signal.SIG_IGN)
        ctypes.CDLL(None).prctl(_PR_SET_CHILD_SUBREAPER, 1, 0, 0, 0)
        # Only a process that is forked later is in the cgroup that the warden is put into.
        if not os.read(gate, 1):
            os._exit(KILLED)
        proot = os.fork()
        if proot == 0:
            _become_proot(launch, output=output, code=code)
        for descriptor in (output, code, gate):
            os.close(descriptor)
        status = None
        while status is None and lifeline not in select.select([lifeline, wakeup], [], [])[0]:
            with contextlib.suppress(BlockingIOError):
                os.read(wakeup, 4096)
            status = _reap().get(proot)
        while processes.children(os.getpid()):
            for pid in processes.tree(os.getpid()):
                send(pid, signal.SIGKILL)
            select.select([wakeup], [], [], 0.01)
            with contextlib.suppress(BlockingIOError):
                os.read(wakeup, 4096)
            status = _reap().get(proot, status)
        os._exit(os.waitstatus_to_exitcode(status) & 0xFF if status is not None else KILLED)
    finally:
        os._exit(127)


def _become_proot(launch: dict[str, Any], *, output: int, code: int) -> NoReturn:
    def confine() -> None:
        os.chdir(launch["folder"])
        os.dup2(code, EXIT_CODE_FD)
        confinement.apply(**launch["confinement"])

    program = [*launch["program"], *launch["command"]]
    become(program, launch["environment"], output=output, keep=(), first=confine)


def _reap() -> dict[int, int]:
    """Return what has ended, by process; the container's orphans among it."""
    found = {}
    with contextlib.suppress(ChildProcessError):
        while True:
            pid, status = os.waitpid(-1, os.WNOHANG)
            if pid == 0:
                break
            found[pid] = status
    return found
