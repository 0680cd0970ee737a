"""Events on a terminal: finished things as lines, what is in work as one line redrawn in place.

Where the stream is no terminal, only lines, and no control character.
"""

from __future__ import annotations

import os
import shutil
import sys
import threading
import time
from typing import TextIO

from ...model.event import (
    Event,
    Failed,
    FindingRaised,
    LayerDone,
    LogLine,
    Progress,
    Result,
    StepFinished,
    StepStarted,
)
from ...model.reasons import Severity
from ..render.text import notice_lines
from . import units
from .blocks import finding_notice
from .progress import Standing, amount, layer_line, share, step_line
from .table import columns, plain, shorten
from .text import Style

_BAR_COLUMNS = 24
_REDRAW_S = 0.1
_CLEAR = "\r\x1b[K"


def style_for(stream: TextIO) -> Style:
    """Return the style that suits a stream: its width and colours if it is a terminal.

    Source: no-color.org; `TERM=dumb` gets no colours either.
    """
    if not is_terminal(stream):
        return Style()
    width = shutil.get_terminal_size((80, 24)).columns
    return Style(width=width, colour=not os.environ.get("NO_COLOR"))


def is_terminal(stream: TextIO) -> bool:
    """Tell whether a stream understands control characters."""
    return stream.isatty() and os.environ.get("TERM") != "dumb"


class Live:
    """Draws events on `stream`, logs on `logs`; use as a context manager around the work."""

    def __init__(self, stream: TextIO, *, logs: TextIO | None = None) -> None:
        self._stream = stream
        self._logs = logs or stream
        self._terminal = is_terminal(stream)
        self._style = style_for(stream)
        self._standing = Standing()
        self._lock = threading.Lock()
        self._drawn = False
        self._drawn_at = 0.0
        self._open_line = False

    def __enter__(self) -> Live:  # noqa: PYI034 - Python 3.10 has no Self, and nobody derives
        return self

    def __exit__(self, *_: object) -> None:
        with self._lock:
            self._clear()
            self._end_line()
            self._stream.flush()

    def emit(self, event: Event) -> None:
        """Show one event; safe from any thread; never raises for a closed stream."""
        with self._lock:
            self._standing.take(event)
            try:
                self._show(event)
            except (BrokenPipeError, ValueError):
                self._stream = self._logs = open(os.devnull, "w")  # noqa: SIM115 - lives as long as we
                self._terminal = False

    def _show(self, event: Event) -> None:
        match event:
            case StepStarted(_, title):
                if not self._terminal:
                    self._line(f"{title} ...")
                self._redraw(force=True)
            case StepFinished(name):
                done = [step for step in self._standing.steps if step.name == name][-1]
                mark, colour = ("✓", "32") if done.ok else ("✗", "31")
                self._line(f"{self._style.paint(mark, colour)} {plain(step_line(done))}")
                self._redraw(force=True)
            case LayerDone():
                self._line(f"  {plain(layer_line(event))}")
            case FindingRaised(finding):
                if finding.severity is not Severity.INFO:
                    for line in notice_lines(finding_notice(_as_json(finding)), self._style):
                        self._line(line, shorten_it=False)
            case LogLine(text):
                self._log(text)
            case Progress():
                self._redraw(force=False)
            case Failed() | Result():
                self._clear()

    def _log(self, text: str) -> None:
        self._clear()
        self._logs.write(text)
        self._logs.flush()
        self._open_line = not text.endswith("\n")

    def _line(self, text: str, *, shorten_it: bool = True) -> None:
        self._clear()
        self._end_line()
        if shorten_it and self._style.width and columns(text) > self._style.width:
            text = shorten(text, self._style.width + (9 if self._style.colour else 0))
        self._stream.write(text + "\n")
        self._stream.flush()

    def _end_line(self) -> None:
        if self._open_line:
            self._logs.write("\n")
            self._logs.flush()
            self._open_line = False

    def _clear(self) -> None:
        if self._drawn:
            self._stream.write(_CLEAR)
            self._drawn = False

    def _redraw(self, *, force: bool) -> None:
        now = time.monotonic()
        if not self._terminal or (not force and now - self._drawn_at < _REDRAW_S):
            return
        running = self._standing.running()
        item = self._standing.item
        if running is None or self._open_line or (running.name == "run" and item is None):
            return  # a run speaks for itself once it has begun
        self._drawn_at = now
        text = plain(running.title)
        if item is not None:
            filled = round(share(item) * _BAR_COLUMNS)
            bar = "█" * filled + "░" * (_BAR_COLUMNS - filled)
            spent = units.seconds(now - self._standing.item_since)
            text = f"{bar} {amount(item)}, {spent}  {plain(item.item)}"
        self._clear()
        self._stream.write(shorten(text, (self._style.width or 80) - 1))
        self._stream.flush()
        self._drawn = True


def _as_json(finding: object) -> dict[str, object]:
    from ...model.codec import to_json  # noqa: PLC0415 - only when there is a finding

    data: dict[str, object] = to_json(finding)
    return data


def standard_streams() -> tuple[TextIO, TextIO]:
    """Return standard output and error, made to replace what their encoding lacks."""
    for stream in (sys.stdout, sys.stderr):
        reconfigure = getattr(stream, "reconfigure", None)
        if reconfigure is not None:
            reconfigure(errors="backslashreplace")
    return sys.stdout, sys.stderr
