"""Times of several sides taken by turns, so that a noisy machine is fair to all of them."""

from __future__ import annotations

import os
import statistics
import time
from collections.abc import Callable
from typing import Any


def stopwatch(work: Callable[[], Any]) -> float:
    """Return how many seconds `work` takes."""
    started = time.perf_counter()
    work()
    return time.perf_counter() - started


def by_turns(rounds: int, **sides: Callable[[], float]) -> dict[str, float]:
    """Return each side's median: A B A B ..., each call returning its own seconds."""
    times: dict[str, list[float]] = {name: [] for name in sides}
    for _ in range(rounds):
        for name, side in sides.items():
            times[name].append(side())
    return {name: statistics.median(found) for name, found in times.items()}


def settle() -> None:
    """Let what was written before reach the disk, so that nobody pays for somebody else."""
    os.sync()
