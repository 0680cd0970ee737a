"""How far each layer is, in bytes and time, kept from a build's events."""

from __future__ import annotations

import time
from collections.abc import Callable, Iterable, Mapping
from dataclasses import dataclass, field
from enum import Enum
from typing import Any

from ...model.event import Event, LayerDone, Progress


class BarState(Enum):
    """Where a layer is."""

    WAITING = "waiting"
    WORKING = "working"
    WRITTEN = "written"
    THERE = "there already"


@dataclass(slots=True)
class Bar:
    """One layer: bytes done of its total, and seconds since it was begun."""

    title: str
    total_bytes: int
    done_bytes: int = 0
    seconds: float = 0.0
    state: BarState = BarState.WAITING
    since: float = 0.0


@dataclass(slots=True)
class Bars:
    """All layers of a build, in the order of the plan; unplanned ones follow as they come."""

    rows: dict[str, Bar] = field(default_factory=dict)
    clock: Callable[[], float] = time.monotonic

    def expect(self, layers: Iterable[Mapping[str, Any]]) -> None:
        """Begin anew with the layers of a plan, as JSON."""
        self.rows = {one["title"]: Bar(one["title"], one["size_bytes"]) for one in layers}

    def take(self, event: Event) -> None:
        """Bring the layers up to date with one event."""
        match event:
            case Progress(step="build", unit="bytes"):
                bar = self.rows.setdefault(event.item, Bar(event.item, event.total))
                if bar.state is BarState.WAITING:
                    bar.state, bar.since = BarState.WORKING, self.clock()
                bar.done_bytes, bar.total_bytes = event.done, event.total
                bar.seconds = self.clock() - bar.since
            case LayerDone():
                bar = self.rows.setdefault(event.title, Bar(event.title, event.size_bytes))
                bar.state = BarState.THERE if event.reused else BarState.WRITTEN
                bar.done_bytes = bar.total_bytes = event.size_bytes
                bar.seconds = event.seconds
            case _:
                pass

    @property
    def done_bytes(self) -> int:
        """Bytes of all layers that are in the store."""
        return sum(bar.done_bytes for bar in self.rows.values())

    @property
    def total_bytes(self) -> int:
        """Bytes of all layers."""
        return sum(bar.total_bytes for bar in self.rows.values())
