"""Problems as cards: what happened, why, what to do, and a button for each fix that can be done."""

from __future__ import annotations

import json
from collections.abc import Callable, Mapping, Sequence
from typing import Any

import ipywidgets as w

from ..render import html
from ..render.blocks import Block
from ..render.fixes import Fix, fixes
from .parts import button, close_all, hidden, text

Data = Mapping[str, Any]


class Cards:
    """A list of problems; it is made anew only when they have changed."""

    def __init__(self, act: Callable[[Fix], None]) -> None:
        self.box = w.VBox([], layout=hidden())
        self._act = act
        self._key = ""

    def show(self, problems: Sequence[tuple[Data, Sequence[Block]]]) -> None:
        """Show each problem (as JSON) by its blocks, with its fixes as buttons under it."""
        key = json.dumps([problem for problem, _ in problems], sort_keys=True, default=str)
        if key == self._key:
            return
        self._key = key
        old = self.box.children
        self.box.children = [self._card(*one) for one in problems]
        self.box.layout.display = "" if problems else "none"
        close_all(old)

    def _card(self, problem: Data, blocks: Sequence[Block]) -> w.Widget:
        parts: list[w.Widget] = [text(html.page(blocks))]
        offered = fixes(problem)
        if offered:
            parts.append(w.HBox([self._button(fix) for fix in offered], layout=_BUTTONS()))
        return w.VBox(parts)

    def _button(self, fix: Fix) -> w.Button:
        made = button(fix.label, lambda: self._act(fix), icon="wrench")
        made.tooltip = " ".join(fix.words)
        return made


def _BUTTONS() -> w.Layout:  # noqa: N802 - a constant, but each box needs its own
    return w.Layout(flex_flow="row wrap", margin="0 0 6px 20px")
