"""What stays of the widget in the notebook's file: plain HTML, beside the widget's own output.

A front end that knows the widget's output but not its model (a notebook opened again) shows no
other form of the same output, so the plain form is an output of its own. While the widget
lives, it hides that output with a style of its own; when it does not, the output is there.
"""

from __future__ import annotations

import uuid
from typing import Any

from IPython.display import display

from ..render import html
from ..render.blocks import Block, Notice, Tone, error_notices, finding_notice
from ..render.text import Style, render
from .session import Session
from .summary import overview

_HINT = Notice(
    Tone.INFO,
    "Buttons appear here while a kernel runs, in front ends that show widgets.",
    fix="Run this cell, or type %containerize build",
)


class Saved:
    """The plain output; `update` brings it up to date with the session."""

    def __init__(self, session: Session) -> None:
        self._session = session
        self._class = f"containerize-{uuid.uuid4().hex[:12]}"
        self._handle: Any = None
        self._last = ""

    @property
    def hiding(self) -> str:
        """The style with which the living widget hides this output."""
        return f"<style>.{self._class}{{display:none}}</style>"

    def display(self) -> None:
        """Display it under the current cell."""
        self._handle = display(self._bundle(), raw=True, display_id=True)

    def update(self) -> None:
        """Show how the session stands now."""
        bundle = self._bundle()
        if self._handle is not None and bundle["text/html"] != self._last:
            self._last = bundle["text/html"]
            self._handle.update(bundle, raw=True)

    def _bundle(self) -> dict[str, str]:
        parts = [*self._blocks(), _HINT]
        # JupyterLab puts "Error displaying widget" in the empty panel where the widget was.
        style = (
            f"<style>.jp-OutputArea:has(.{self._class}) .jp-OutputArea-output.lm-Panel:not(:has(*))"
            "{display:none}</style>"
        )
        page = f'<div class="{self._class}">{html.page(parts)}</div>'
        return {"text/html": style + page, "text/plain": render(parts, Style())}

    def _blocks(self) -> list[Block]:
        session = self._session
        with session.lock:
            parts = overview(session)
            if session.plan:
                parts += [finding_notice(one) for one in session.plan["findings"]]
            if session.error:
                parts += error_notices(session.error)
        return parts
