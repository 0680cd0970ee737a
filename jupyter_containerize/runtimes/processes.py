"""Process trees and what they use, from `/proc`. For the supervisor: little is imported."""

from __future__ import annotations

import os


def children(pid: int) -> list[int]:
    """Return the children of all threads of `pid`; [] when it is gone."""
    found: list[int] = []
    try:
        for thread in os.listdir(f"/proc/{pid}/task"):
            with open(f"/proc/{pid}/task/{thread}/children", encoding="ascii") as file:
                found += map(int, file.read().split())
    except OSError:
        pass
    return found


def tree(pid: int) -> list[int]:
    """Return all descendants of `pid`, parents first."""
    found: list[int] = []
    pending = children(pid)
    while pending:
        found += pending
        pending = [child for parent in pending for child in children(parent)]
    return found


def proportional_bytes(pid: int) -> int:
    """Return the process's PSS: its own pages, and its share of the shared ones."""
    try:
        with open(f"/proc/{pid}/smaps_rollup", encoding="ascii") as file:
            for line in file:
                if line.startswith("Pss:"):
                    return int(line.split()[1]) * 1024
    except (OSError, ValueError):
        pass
    return 0


def threads(pid: int) -> int:
    """Return how many threads the process has, as a cgroup's `pids` controller counts."""
    try:
        return len(os.listdir(f"/proc/{pid}/task"))
    except OSError:
        return 0


def tmpfs_bytes(pid: int, folder: str) -> int:
    """Return the bytes held by the tmpfs that the process sees at `folder`."""
    try:
        state = os.statvfs(f"/proc/{pid}/root{folder}")
    except OSError:
        return 0
    return (state.f_blocks - state.f_bfree) * state.f_frsize
