"""Where a workflow stands, kept from its events: what both live displays draw."""

from __future__ import annotations

import time
from dataclasses import dataclass, field

from ...model.event import (
    Event,
    FindingRaised,
    LayerDone,
    LogLine,
    Progress,
    StepFinished,
    StepStarted,
)
from ...model.reasons import Finding
from . import units


@dataclass(slots=True)
class Step:
    """One step: `seconds`, `summary` and `ok` once it has ended."""

    name: str
    title: str
    seconds: float | None = None
    summary: str = ""
    ok: bool = True


@dataclass(slots=True)
class Standing:
    """The steps so far, the item in work, and the layers that are done."""

    steps: list[Step] = field(default_factory=list)
    item: Progress | None = None
    item_since: float = 0.0
    layers: list[LayerDone] = field(default_factory=list)
    findings: list[Finding] = field(default_factory=list)

    def take(self, event: Event) -> None:
        """Bring the standing up to date with one event."""
        match event:
            case StepStarted(name, title):
                self.steps.append(Step(name, title))
                self.item = None
            case StepFinished(name, seconds, summary, ok):
                for step in reversed(self.steps):
                    if step.name == name and step.seconds is None:
                        step.seconds, step.summary, step.ok = seconds, summary, ok
                        break
                self.item = None
            case Progress():
                if self.item is None or self.item.item != event.item:
                    self.item_since = time.monotonic()
                self.item = event
            case LayerDone():
                self.layers.append(event)
            case LogLine():
                self.item = None  # the run has begun to speak: what prepared it is done
            case FindingRaised(finding):
                self.findings.append(finding)
            case _:
                pass

    def stop(self) -> None:
        """Note that nothing more comes: a step that is still in work has not ended well."""
        self.item = None
        for step in self.steps:
            step.ok = step.ok and step.seconds is not None

    def running(self) -> Step | None:
        """Return the step in work."""
        return next((step for step in reversed(self.steps) if step.seconds is None), None)


def amount(progress: Progress) -> str:
    """Return `1.2 GB of 1.5 GB`, `3 of 7 cells`."""
    if progress.unit == "bytes":
        return f"{units.size(progress.done)} of {units.size(progress.total)}"
    return f"{progress.done} of {progress.total} {progress.unit}"


def share(progress: Progress) -> float:
    """Return how much is done, 0 to 1."""
    return min(1.0, progress.done / progress.total) if progress.total > 0 else 0.0


def layer_line(layer: LayerDone) -> str:
    """Return what became of a layer."""
    how = "there already" if layer.reused else f"written in {units.seconds(layer.seconds)}"
    return f"{layer.title}: {units.size(layer.size_bytes)}, {how}"


def mark(step: Step) -> str:
    """Return one character that tells how a step stands."""
    if not step.ok:
        return "✗"
    return "●" if step.seconds is None else "✓"


def step_line(step: Step) -> str:
    """Return how a step stands, or ended."""
    if step.seconds is None:
        return f"{step.title} …" if step.ok else step.title
    summary = f": {step.summary}" if step.summary else ""
    return f"{step.title}{summary} ({units.seconds(step.seconds or 0.0)})"
