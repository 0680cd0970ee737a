"""The form that asks a running service: a field for each input, or the request as JSON."""

from __future__ import annotations

import threading
from collections.abc import Callable, Mapping
from typing import Any

import ipywidgets as w

from ..render import html
from . import service
from .parts import area, button, close_all, field, hidden, put, text

Data = Mapping[str, Any]


class TryIt:
    """A form for one artifact; `changed` is called when an answer has come."""

    def __init__(self, changed: Callable[[], None]) -> None:
        self._changed = changed
        self._head = text(margin="0 0 0 -6px")
        self._shown = text(max_height="300px", overflow="auto", margin="0 0 0 -6px")
        self._fields = w.HBox([], layout=w.Layout(flex_flow="row wrap"))
        self._json = area("Request")
        self.send = button("Send", self._send, icon="paper-plane")
        self.as_json = button("As JSON", self._switch)
        self.box = w.VBox(
            [self._head, self._fields, self._json, w.HBox([self.send, self.as_json]), self._shown],
            layout=hidden(margin="0 0 0 6px"),
        )
        self._artifact: Data | None = None
        self._endpoint = ""
        self._asking = False
        self._by_json = False
        self.answer: service.Answer | None = None

    def show(self, artifact: Data | None, endpoint: str) -> None:
        """Show the form for a service at `endpoint`, "" for none."""
        self.box.layout.display = "" if artifact and endpoint else "none"
        if artifact is not self._artifact:
            self._artifact, self.answer = artifact, None
            self._fill(artifact or {})
        if endpoint != self._endpoint:
            self._endpoint, self.answer = endpoint, None
        link = f'<a href="{html.inline(endpoint)}" target="_blank" rel="noopener">{html.inline(endpoint)}</a>'
        put(self._head, html.heading("Try it: POST /predict", f" at {link}") if endpoint else "")
        put(self._shown, self._answer())

    def _fill(self, artifact: Data) -> None:
        old = self._fields.children
        given = service.fields(artifact) if artifact else {}
        self._fields.children = [field(name, value, width="260px") for name, value in given.items()]
        close_all(old)
        self._json.value = service.example(artifact) if artifact else ""
        self._by_json = not given
        self.as_json.layout.display = "" if given else "none"
        self._arrange()

    def _switch(self) -> None:
        if not self._by_json and self._artifact:
            self._json.value = service.body(self._artifact, self._texts())
        self._by_json = not self._by_json
        self._arrange()

    def _arrange(self) -> None:
        self._json.layout.display = "" if self._by_json else "none"
        self._fields.layout.display = "none" if self._by_json else ""
        self.as_json.description = "As a form" if self._by_json else "As JSON"

    def _texts(self) -> dict[str, str]:
        return {one.description: one.value for one in self._fields.children}

    def _send(self) -> None:
        if self._asking or not self._artifact:
            return
        self._asking = True
        request = self._json.value if self._by_json else service.body(self._artifact, self._texts())
        threading.Thread(
            target=self._ask, args=(self._endpoint, request), name="containerize-ask", daemon=True
        ).start()

    def _ask(self, endpoint: str, request: str) -> None:
        try:
            self.answer = service.ask(endpoint, request)
        finally:
            self._asking = False
            self._changed()

    def _answer(self) -> str:
        answer = self.answer
        if answer is None:
            return ""
        said = f"Answer {answer.status}" if answer.status else "No answer"
        return html.heading(f"{said} after {answer.seconds * 1000:.0f} ms") + html.terminal(
            answer.text
        )
