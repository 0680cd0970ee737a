"""Every other option of the commands as a form, made when somebody wants to see it."""

from __future__ import annotations

from typing import Any

import ipywidgets as w

from .. import forms
from ..render import html
from .parts import button, close_all, field, flag, hidden, lines, listed, only, text
from .session import Session

_TITLES = {"image": "The image", "run": "Its runs", "cluster": "In a cluster"}
_CLUSTER = "kubernetes"
_WIDTH, _LABEL_WIDTH = "380px", "140px"


class Options:
    """A button, and behind it a field for each option that has no other place in the widget."""

    def __init__(self, session: Session) -> None:
        self.session = session
        self.toggle = button("More options", self._turn, icon="sliders")
        self.form = w.VBox([], layout=hidden())
        self.box = w.VBox([w.HBox([self.toggle]), self.form], layout=w.Layout(margin="0 0 0 6px"))
        self._parts: dict[str, w.VBox] = {}
        self._command = ""
        self._open = False

    def draw(self) -> None:
        """Show the fields that fit what is to be made."""
        given = len(forms.words(self.session.builds, self.session.given))
        self.toggle.description = f"More options ({given} given)" if given else "More options"
        only(self.form, self._open)
        if self._open and self._command != self.session.builds:
            self._fill()
        if self._parts:
            only(self._parts["cluster"], self.session.answers.get("--runtime") == _CLUSTER)

    def _turn(self) -> None:
        self._open = not self._open
        self.session.tell()

    def _fill(self) -> None:
        old, self._command = self.form.children, self.session.builds
        self._parts = {
            part: w.VBox([text(html.heading(title)), *self._fields(part)])
            for part, title in _TITLES.items()
        }
        self.form.children = list(self._parts.values())
        close_all(old)

    def _fields(self, part: str) -> list[w.Widget]:
        return [self._field(one) for one in self.session.options if one.part == part]

    def _field(self, one: forms.Field) -> w.Widget:
        """Return a field with its help beside it, that tells the session what is put in."""
        answer: Any = self.session.answers.get(one.option)
        if one.kind == "flag":
            made = flag(one.label, bool(answer))
        elif one.kind == "choice":
            made = listed(one.label, ("", *one.choices), answer or "")
        elif one.kind == "many":
            made = lines(one.label, "\n".join(answer or ()), placeholder=one.value)
        else:
            made = field(one.label, answer or "", placeholder=one.value)

        def tell(change: Any) -> None:
            new = change["new"]
            self.session.answer(one.option, new.split("\n") if one.kind == "many" else new)

        made.observe(tell, "value")
        made.style.description_width = _LABEL_WIDTH
        made.layout.width = _WIDTH
        told = text(html.inline(one.help), margin="0 0 0 8px")
        return w.HBox([made, told], layout=w.Layout(flex_flow="row wrap"))
