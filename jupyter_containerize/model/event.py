"""Events: what a workflow tells its surface while it works, one JSON object a line."""

from __future__ import annotations

from collections.abc import Callable
from dataclasses import dataclass
from typing import Any, ClassVar

from .reasons import Finding


@dataclass(frozen=True, slots=True)
class StepStarted:
    """A step begins: `step` is its stable name (capture, plan, build, run, verify, ...)."""

    TAG: ClassVar[str] = "step-started"
    step: str
    title: str


@dataclass(frozen=True, slots=True)
class StepFinished:
    """A step ended after `seconds`; `summary` is one plain sentence.

    `ok` is false when what it did is bad news (a run failed); a step that raised has no such event.
    """

    TAG: ClassVar[str] = "step-finished"
    step: str
    seconds: float
    summary: str = ""
    ok: bool = True


@dataclass(frozen=True, slots=True)
class Progress:
    """Within a step: `item` (a layer's title, a cell) is at `done` of `total` (`unit`: bytes, cells).

    At most about 10 a second for each item; the last one has done == total.
    """

    TAG: ClassVar[str] = "progress"
    step: str
    item: str
    done: int
    total: int
    unit: str = "bytes"


@dataclass(frozen=True, slots=True)
class LayerDone:
    """A layer is in the store; `reused` when nothing had to be read."""

    TAG: ClassVar[str] = "layer-done"
    title: str
    digest: str
    size_bytes: int
    reused: bool
    seconds: float = 0.0


@dataclass(frozen=True, slots=True)
class FindingRaised:
    """A finding to show."""

    TAG: ClassVar[str] = "finding"
    finding: Finding


@dataclass(frozen=True, slots=True)
class LogLine:
    """Output of the thing being run, `stream` is stdout or stderr; `text` keeps its line end."""

    TAG: ClassVar[str] = "log"
    text: str
    stream: str = "stdout"


@dataclass(frozen=True, slots=True)
class Failed:
    """The workflow ended with an error (a `ContainerizeError` as JSON); always the last event."""

    TAG: ClassVar[str] = "failed"
    error: Any


@dataclass(frozen=True, slots=True)
class Result:
    """The workflow ended well; `data` is the command's JSON result; always the last event."""

    TAG: ClassVar[str] = "result"
    command: str
    data: Any


Event = (
    StepStarted | StepFinished | Progress | LayerDone | FindingRaised | LogLine | Failed | Result
)

#: How steps report; must return quickly and never raise.
Emit = Callable[[Event], None]


def ignore(event: Event) -> None:
    """Drop the event: the `Emit` of those who do not listen."""
    del event
