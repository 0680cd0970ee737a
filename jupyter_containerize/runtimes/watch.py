"""Limits of one run: looked at now and then, or left to a cgroup."""

from __future__ import annotations

import time
from dataclasses import dataclass
from typing import Any

from . import processes
from .containment import Container

_INTERVAL_S = 0.2


@dataclass(frozen=True)
class Excess:
    """A limit was passed; `gently` gives the container its grace period."""

    reason: str
    gently: bool = False


class Watch:
    """Time, memory and processes of one run against its limits."""

    def __init__(self, launch: dict[str, Any]) -> None:
        limits = launch["limits"]
        self._memory: int | None = limits["memory_bytes"]
        self._processes: int | None = limits["processes"]
        self._timeout: float | None = limits["timeout_s"]
        self._deadline: float | None = None
        self.next_look: float | None = None

    def attach(self, container: Container) -> dict[str, Any]:
        """Begin; return what to record."""
        del container
        now = time.monotonic()
        if self._timeout is not None:
            self._deadline = now + self._timeout
        polled = self._memory is not None or self._processes is not None
        self.next_look = now + _INTERVAL_S if polled else self._deadline
        limited = polled or self._timeout is not None
        return {"limits_by": "supervisor" if limited else ""}

    def look(self, container: Container, now: float) -> Excess | None:
        """Return the limit that was passed, if one was and it is time to look."""
        if self.next_look is None or now < self.next_look:
            return None
        if self._deadline is not None and now >= self._deadline:
            self._deadline = None
            self._plan(now)
            return Excess(f"timed out after {self._timeout:g} s; raise --timeout", gently=True)
        self._plan(now)
        members = container.members()
        if self._processes is not None:
            count = sum(map(processes.threads, members))
            if count > self._processes:
                return Excess(
                    f"too many processes: {count} (with threads) of {self._processes}; "
                    "raise --processes"
                )
        if self._memory is not None:
            used = sum(map(processes.proportional_bytes, members))
            used += container.files_in_memory_bytes()
            if used > self._memory:
                return Excess(out_of_memory(used, self._memory))
        return None

    def last_words(self) -> str:
        """Return what a cgroup tells about the end, or ""."""
        return ""

    def _plan(self, now: float) -> None:
        polled = self._memory is not None or self._processes is not None
        self.next_look = now + _INTERVAL_S if polled else self._deadline


def out_of_memory(used_bytes: int, limit_bytes: int) -> str:
    """Return the sentence for a run that needed more memory than it was given."""
    return f"out of memory: used {_size(used_bytes)} of {_size(limit_bytes)}; raise --memory"


def _size(size_bytes: int) -> str:
    return f"{size_bytes / 1e9:.1f} GB" if size_bytes >= 1e9 else f"{size_bytes / 1e6:.0f} MB"  # noqa: PLR2004
