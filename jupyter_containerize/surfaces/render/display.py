"""Events in a notebook: one display that is updated in place, logs as the cell's own output."""

from __future__ import annotations

import sys
import time
from typing import Any

from IPython.display import display

from ...model.codec import to_json
from ...model.event import Event, Failed, FindingRaised, LogLine, Progress, Result
from ...model.reasons import Severity
from . import html
from .blocks import Block, finding_notice
from .progress import Standing, mark, step_line
from .text import Style, render

_REDRAW_S = 0.2


class NotebookDisplay:
    """Shows a workflow's events in the cell that started it."""

    def __init__(self) -> None:
        self._standing = Standing()
        self._handle: Any = None
        self._drawn_at = 0.0

    def emit(self, event: Event) -> None:
        """Show one event."""
        had_item = self._standing.item is not None
        self._standing.take(event)
        if isinstance(event, LogLine):
            if had_item:
                self._draw()
            sys.stdout.write(event.text)
            sys.stdout.flush()
        elif isinstance(event, Progress):
            if time.monotonic() - self._drawn_at >= _REDRAW_S:
                self._draw()
        elif not isinstance(event, Result | Failed | FindingRaised):
            self._draw()

    def finish(self) -> None:
        """Draw the last standing, and the findings under it."""
        self._standing.stop()
        if self._standing.steps:
            self._draw()
        notices: list[Block] = [
            finding_notice(to_json(finding))
            for finding in self._standing.findings
            if finding.severity is not Severity.INFO
        ]
        if notices:
            show(notices)

    def _draw(self) -> None:
        self._drawn_at = time.monotonic()
        lines = [f"{mark(step)} {step_line(step)}" for step in self._standing.steps]
        bundle = {"text/html": html.progress(self._standing), "text/plain": "\n".join(lines)}
        if self._handle is None:
            self._handle = display(bundle, raw=True, display_id=True)
        else:
            self._handle.update(bundle, raw=True)


def show(blocks: list[Block]) -> None:
    """Display blocks as HTML with their plain text beside it."""
    bundle = {"text/html": html.page(blocks), "text/plain": render(blocks, Style())}
    display(bundle, raw=True)
