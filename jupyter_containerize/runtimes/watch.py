"""Limits of one run: left to a cgroup where there is one, else looked at five times a second."""

from __future__ import annotations

import contextlib
import time
from typing import Any, NamedTuple

from . import processes
from .cgroup import Group
from .containment import Container

_INTERVAL_S = 0.2


class Excess(NamedTuple):
    """A limit was passed; `gently` gives the container its grace period."""

    reason: str
    gently: bool = False


class Watch:
    """Time, memory and processes of one run against its limits."""

    def __init__(self, name: str, limits: dict[str, Any]) -> None:
        self._name = name
        self._memory: int | None = limits["memory_bytes"]
        self._processes: int | None = limits["processes"]
        self._timeout: float | None = limits["timeout_s"]
        self._deadline: float | None = None
        self._group: Group | None = None
        self.next_look: float | None = None

    def attach(self, container: Container) -> str:
        """Begin; return who enforces the limits: `cgroup`, `supervisor` or ""."""
        now = time.monotonic()
        if self._timeout is not None:
            self._deadline = now + self._timeout
        if self._counts:
            self._group = self._grouped(container)
        self._plan(now)
        if self._group:
            return "cgroup"
        return "supervisor" if self._counts or self._deadline else ""

    @property
    def _counts(self) -> bool:
        return self._memory is not None or self._processes is not None

    def _grouped(self, container: Container) -> Group | None:
        group = Group.create(self._name, memory_bytes=self._memory, processes=self._processes)
        entry = container.entry()
        if group and entry:
            with contextlib.suppress(OSError):
                group.add(entry)
                return group
            group.remove()
        return None

    def _plan(self, now: float) -> None:
        polled = self._counts and self._group is None
        self.next_look = now + _INTERVAL_S if polled else self._deadline

    def look(self, container: Container, now: float) -> Excess | None:
        """Return the limit that was passed, if one was and it is time to look."""
        if self.next_look is None or now < self.next_look:
            return None
        late = self._deadline is not None and now >= self._deadline
        if late:
            self._deadline = None
        self._plan(now)
        if late:
            return Excess(timed_out(self._timeout or 0.0), gently=True)
        return None if self._group else self._count(container)

    def _count(self, container: Container) -> Excess | None:
        members = container.members()
        if self._processes is not None:
            # With threads, as a cgroup's `pids` controller and Docker count.
            count = sum(map(processes.threads, members))
            if count > self._processes:
                return Excess(_too_many(count, self._processes))
        if self._memory is not None:
            used = sum(map(processes.proportional_bytes, members))
            used += container.files_in_memory_bytes()
            if used > self._memory:
                return Excess(out_of_memory(used, self._memory))
        return None

    def detach(self, *, failed: bool) -> str:
        """End; return why the run `failed`, if a cgroup knows."""
        if self._group is None:
            return ""
        hit, peak = self._group.ran_out_of(), self._group.peak_bytes()
        self._group.remove()
        if failed and hit == "memory" and self._memory is not None:
            return out_of_memory(max(peak, self._memory), self._memory)
        if failed and hit == "processes" and self._processes is not None:
            return _too_many(self._processes, self._processes)
        return ""


def timed_out(limit_s: float) -> str:
    """Return the reason of a run that was ended because it took too long."""
    return f"timed out after {limit_s:g} s; raise --timeout"


def out_of_memory(used_bytes: int, limit_bytes: int) -> str:
    """Return the reason of a run that was ended because it used too much memory."""
    return f"out of memory: used {_size(used_bytes)} of {_size(limit_bytes)}; raise --memory"


def _too_many(count: int, limit: int) -> str:
    return f"too many processes: {count} (with threads) of {limit}; raise --processes"


def _size(size_bytes: int) -> str:
    return f"{size_bytes / 1e9:.1f} GB" if size_bytes >= 1e9 else f"{size_bytes / 1e6:.0f} MB"  # noqa: PLR2004 - a gigabyte
