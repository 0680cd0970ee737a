"""The isolating program as the supervisor's child: start, signal, kill, exit code."""

from __future__ import annotations

import contextlib
import ctypes
import json
import os
import signal
import time
from collections.abc import Callable, Iterable
from typing import Any, NoReturn, Protocol

from . import processes

KILLED = 128 + signal.SIGKILL
_PR_SET_PDEATHSIG = 1
_START_TIMEOUT_S = 60.0


class Container(Protocol):
    """One container, held back after its file systems are there and before its command starts."""

    signalled: bool
    #: Becomes readable when there may be news of the end.
    reports: int

    def prepare(self) -> None:
        """Wait until the file systems are there. Errors: `RuntimeError` if they are not whole."""
        ...

    def release(self) -> None:
        """Let the command start."""
        ...

    def entry(self) -> int | None:
        """Return the process to put into a cgroup before `release`: all others descend from it."""
        ...

    def members(self) -> list[int]:
        """Return the container's processes, without those of the isolating program."""
        ...

    def files_in_memory_bytes(self) -> int:
        """Return what the container's files in memory (`/dev/shm`) take."""
        ...

    def signal(self, number: int) -> None:
        """Signal the container's command, as Docker does; not its other processes."""
        ...

    def kill(self) -> None:
        """End everything in the container at once, and wait for that."""
        ...

    def ended(self) -> bool:
        """Tell whether everything in the container has ended; never blocks."""
        ...

    def result(self) -> tuple[int, str]:
        """Return the exit code, and why the command never ran, if so."""
        ...


class Bubblewrapped:
    """A container in namespaces of its own; bubblewrap's reaper is its first process."""

    def __init__(self, launch: dict[str, Any], *, output: int) -> None:
        self.signalled = False
        self._layers: dict[str, int] = launch["layers"]
        self._text = b""
        self._wait_status: int | None = None
        self.reports, status = os.pipe2(os.O_CLOEXEC | os.O_NONBLOCK)
        gate, self._gate = os.pipe2(os.O_CLOEXEC)
        options = _memory_file(launch["arguments"])
        told = ("--args", options, "--json-status-fd", status, "--block-fd", gate)
        program = [*launch["program"], *map(str, told), "--", *launch["command"]]
        self._pid = os.fork()
        if self._pid == 0:
            keep = (options, status, gate)
            become(program, launch["environment"], output=output, keep=keep, first=lambda: None)
        for descriptor in (options, status, gate):
            os.close(descriptor)

    def prepare(self) -> None:
        """Wait until all overlays show all their layers: the kernel cuts long options silently."""
        deadline = time.monotonic() + _START_TIMEOUT_S
        while not self.ended():
            shown = _overlays(self._init) if self._init else {}
            if self._layers.keys() <= shown.keys():
                short = [at for at, count in self._layers.items() if shown[at] != count]
                if short:
                    raise RuntimeError(f"layers are missing in {', '.join(short)}")
                return
            if time.monotonic() > deadline:
                raise RuntimeError("the file systems were not mounted in time")
            time.sleep(0.001)

    def release(self) -> None:
        """Let the command start."""
        with contextlib.suppress(BrokenPipeError):
            os.write(self._gate, b"x")
        os.close(self._gate)

    @property
    def _init(self) -> int | None:
        """The first process of the container's process namespace, as this machine numbers it."""
        return self._report("child-pid")

    def entry(self) -> int | None:
        """Return the namespace's first process, which is about to fork the command."""
        return self._init

    def members(self) -> list[int]:
        """Return all processes in the namespace but its first, bubblewrap's reaper."""
        return processes.tree(self._init) if self._init else []

    def files_in_memory_bytes(self) -> int:
        """Return what lies in the container's own `/dev/shm`."""
        return processes.tmpfs_bytes(self._init, "/dev/shm") if self._init else 0  # noqa: S108

    def signal(self, number: int) -> None:
        """Signal the reaper's first child: the command."""
        command = processes.children(self._init)[:1] if self._init else []
        if command:
            self.signalled = True
            send(command[0], number)

    def kill(self) -> None:
        """Kill the namespace's first process: the kernel ends all others with it."""
        if self._wait_status is None:
            if self._init:
                send(self._init, signal.SIGKILL)
            send(self._pid, signal.SIGKILL)
            _, self._wait_status = os.waitpid(self._pid, 0)

    def ended(self) -> bool:
        """Tell whether bubblewrap has ended, and with it the namespace."""
        if self._wait_status is None:
            pid, status = os.waitpid(self._pid, os.WNOHANG)
            if pid:
                self._wait_status = status
        return self._wait_status is not None

    def result(self) -> tuple[int, str]:
        """Return the code that bubblewrap reported; without one the command never ran or was killed."""
        code = self._report("exit-code")
        if code is not None:
            return code, ""
        status = self._wait_status or 0
        if os.WIFSIGNALED(status):
            return 128 + os.WTERMSIG(status), ""
        return os.WEXITSTATUS(status), "the container could not be started"

    def _report(self, key: str) -> int | None:
        with contextlib.suppress(BlockingIOError):
            while data := os.read(self.reports, 4096):
                self._text += data
        for line in self._text.splitlines():
            with contextlib.suppress(ValueError):
                value = json.loads(line).get(key)
                if isinstance(value, int):
                    return value
        return None


def become(
    program: list[str],
    environment: dict[str, str],
    *,
    output: int,
    keep: Iterable[int],
    first: Callable[[], None],
) -> NoReturn:
    """In a freshly forked child: call `first`, turn into `program`; die if the parent dies."""
    try:
        die_with_parent()
        signal.set_wakeup_fd(-1)
        for number in (signal.SIGINT, signal.SIGHUP, signal.SIGPIPE, signal.SIGTERM):
            signal.signal(number, signal.SIG_DFL)
        os.dup2(output, 1)
        os.dup2(output, 2)
        for descriptor in keep:
            os.set_inheritable(descriptor, True)  # noqa: FBT003 - positional only
        first()
        os.execve(program[0], program, environment)  # noqa: S606 - no shell on purpose
    except BaseException as error:  # noqa: BLE001 - a forked child must never return
        os.write(2, f"{os.path.basename(program[0])}: {error}\n".encode())
    finally:
        os._exit(127)


def die_with_parent() -> None:
    """Let the kernel kill this process when its parent ends."""
    ctypes.CDLL(None).prctl(_PR_SET_PDEATHSIG, signal.SIGKILL)


def send(pid: int, number: int) -> None:
    """Signal a process that may be gone."""
    with contextlib.suppress(ProcessLookupError):
        os.kill(pid, number)


def _memory_file(arguments: list[str]) -> int:
    descriptor = os.memfd_create("options")
    data = b"".join(os.fsencode(argument) + b"\0" for argument in arguments)
    with open(descriptor, "wb", closefd=False) as file:
        file.write(data)
    os.lseek(descriptor, 0, os.SEEK_SET)
    return descriptor


def _overlays(pid: int) -> dict[str, int]:
    """Return how many lower layers each overlay has that the process sees, by mount point."""
    found = {}
    try:
        with open(f"/proc/{pid}/mountinfo", encoding="utf-8", errors="surrogateescape") as file:
            for line in file:
                mount, _, system = line.partition(" - ")
                if system.startswith("overlay "):
                    at = mount.split(" ")[4].encode("utf-8", "surrogateescape")
                    point = os.fsdecode(at.decode("unicode_escape").encode("latin-1"))
                    # Bubblewrap keeps the host below /oldroot while it mounts.
                    found[point] = system.count(":/oldroot/") + 1
    except OSError:
        pass
    return found
