"""One step of a workflow as events."""

from __future__ import annotations

import time
from collections.abc import Iterator
from contextlib import contextmanager

from ..model.event import Emit, StepFinished, StepStarted


class Summary:
    """What a step tells when it has ended: one plain sentence, and whether it is good news."""

    text = ""
    ok = True


@contextmanager
def step(emit: Emit, name: str, title: str) -> Iterator[Summary]:
    """Emit `StepStarted`, and `StepFinished` if the body ends well."""
    emit(StepStarted(name, title))
    started = time.monotonic()
    summary = Summary()
    yield summary
    emit(StepFinished(name, round(time.monotonic() - started, 3), summary.text, summary.ok))
