"""A log as widgets: pieces that are drawn once, so that reading is not disturbed by what comes."""

from __future__ import annotations

from collections.abc import Mapping
from typing import Any

import ipywidgets as w

from ..render import html, units
from .log import Log
from .parts import close_all, hidden, put, text


class LogView:
    """The pieces of a log in a box that stays at its end until someone scrolls up."""

    def __init__(self) -> None:
        self._head = text()
        self._pieces = w.VBox([], layout=w.Layout(overflow="visible", flex="0 0 auto"))
        frame = w.VBox(
            [self._pieces],
            layout=w.Layout(
                display="flex",
                flex_flow="column-reverse",  # a browser keeps the scroll position from the end
                max_height="260px",
                overflow="auto",
                border="1px solid rgba(128,128,128,.35)",
                margin="0 8px",
            ),
        )
        self.box = w.VBox([self._head, frame], layout=hidden())
        self._log: Log | None = None
        self._first = 0

    def show(self, log: Log, run: Mapping[str, Any] | None) -> None:
        """Draw what is new in `log`; `run` tells where the whole of it is."""
        first, pieces = log.pieces()
        if log is not self._log or first != self._first:
            old = self._pieces.children
            self._pieces.children = [text() for _ in pieces]
            close_all(old)
            self._log, self._first = log, first
        missing = len(pieces) - len(self._pieces.children)
        if missing > 0:
            self._pieces.children = [*self._pieces.children, *(text() for _ in range(missing))]
        for widget, piece in zip(self._pieces.children[-2:], pieces[-2:], strict=False):
            widget.value = html.terminal(piece)
        for widget, piece in zip(self._pieces.children, pieces, strict=False):
            if not widget.value:
                widget.value = html.terminal(piece)
        self.box.layout.display = "" if pieces else "none"
        if pieces:
            where = f", all of it in {run['log']}" if run and run.get("log") else ""
            put(self._head, html.heading(f"Log: {units.number(log.lines, 'line')}{where}"))
