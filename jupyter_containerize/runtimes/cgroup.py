"""A control group of version 2 for one run, where the user was given a part of the tree.

Source: Linux, admin-guide/cgroup-v2, "Delegation". For the supervisor: little is imported.
"""

from __future__ import annotations

import contextlib
import os
import time

_ROOTS = ("/sys/fs/cgroup", "/sys/fs/cgroup/unified")


class Group:
    """A group with limits; the kernel enforces them."""

    def __init__(self, folder: str) -> None:
        self._folder = folder

    @classmethod
    def create(
        cls,
        name: str,
        *,
        memory_bytes: int | None,
        processes: int | None,
        roots: tuple[str, ...] = _ROOTS,
        membership: str = "/proc/self/cgroup",
    ) -> Group | None:
        """Return a new group with these limits, None where none is delegated to this user."""
        wanted = {"memory": memory_bytes, "pids": processes}
        controllers = {key for key, value in wanted.items() if value is not None}
        for parent in _delegated(roots, membership):
            if _has(parent, controllers):
                group = cls(os.path.join(parent, f"containerize-{name}"))
                with contextlib.suppress(OSError):
                    os.mkdir(group._folder)
                    group._limit(memory_bytes, processes)
                    return group
                group.remove()
        return None

    def _limit(self, memory_bytes: int | None, processes: int | None) -> None:
        if memory_bytes is not None:
            self._write("memory.max", str(memory_bytes))
            # Without this a run over its limit would crawl in swap; and all of it must end.
            for name, value in (("memory.swap.max", "0"), ("memory.oom.group", "1")):
                if os.path.exists(os.path.join(self._folder, name)):
                    self._write(name, value)
        if processes is not None:
            self._write("pids.max", str(processes))

    def add(self, pid: int) -> None:
        """Move a process into the group; what it forks later is in there too. Errors: `OSError`."""
        self._write("cgroup.procs", str(pid))

    def peak_bytes(self) -> int:
        """Return the most memory that the group had, 0 if the kernel does not tell."""
        for name in ("memory.peak", "memory.current"):
            with contextlib.suppress(OSError, ValueError):
                return int(self._read(name))
        return 0

    def ran_out_of(self) -> str:
        """Return `memory` or `processes` when that limit was hit, else ""."""
        if self._event("memory.events", "oom_kill"):
            return "memory"
        return "processes" if self._event("pids.events", "max") else ""

    def remove(self) -> None:
        """End what is left in the group, and the group."""
        with contextlib.suppress(OSError):
            self._write("cgroup.kill", "1")
        for _ in range(100):
            with contextlib.suppress(OSError):
                os.rmdir(self._folder)
            if not os.path.exists(self._folder):
                return
            # Its processes are killed, but not all gone yet.
            time.sleep(0.01)

    def _event(self, name: str, key: str) -> int:
        with contextlib.suppress(OSError, ValueError):
            return int(dict(line.split() for line in self._read(name).splitlines()).get(key, 0))
        return 0

    def _read(self, name: str) -> str:
        with open(os.path.join(self._folder, name), encoding="ascii") as file:
            return file.read()

    def _write(self, name: str, text: str) -> None:
        with open(os.path.join(self._folder, name), "w", encoding="ascii") as file:
            file.write(text)


def _delegated(roots: tuple[str, ...], membership: str) -> list[str]:
    """Return the groups above this process that it may move processes between, nearest first."""
    try:
        with open(membership, encoding="utf-8") as file:
            own = next((line[3:].strip() for line in file if line.startswith("0::")), None)
    except OSError:
        return []
    root = next((r for r in roots if os.path.exists(os.path.join(r, "cgroup.controllers"))), None)
    if own is None or root is None or ".." in own.split("/"):
        return []
    found = []
    folder = root + own.rstrip("/")
    while True:
        # To move a process one must be allowed to write to a common ancestor.
        if all(os.access(path, os.W_OK) for path in (folder, f"{folder}/cgroup.procs")):
            found.append(folder)
        if folder == root:
            return found
        folder = os.path.dirname(folder)


def _has(folder: str, controllers: set[str]) -> bool:
    """Tell whether the group's children get these controllers, switching them on if possible."""
    path = os.path.join(folder, "cgroup.subtree_control")
    try:
        with open(path, encoding="ascii") as file:
            missing = controllers - set(file.read().split())
        if missing:
            # Refused with EBUSY for a group that has processes of its own.
            with open(path, "w", encoding="ascii") as file:
                file.write(" ".join(f"+{name}" for name in sorted(missing)))
    except OSError:
        return False
    return True
