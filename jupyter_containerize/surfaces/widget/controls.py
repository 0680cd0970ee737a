"""What can be pressed and chosen: one primary button, and those that make sense beside it."""

from __future__ import annotations

import ipywidgets as w

from .parts import button, choice, close_all, field, hidden, only
from .session import Session
from .state import Action

_LABELS = {Action.BUILD: "Build", Action.RUN: "Run and verify", Action.OPEN: "Open outputs"}
_SERVICE = {Action.BUILD: "Build", Action.RUN: "Start the service", Action.OPEN: "Hide the form"}
_ICONS = {Action.BUILD: "cube", Action.RUN: "play", Action.OPEN: "folder-open"}
_BUSY = {
    "plan": "Looking …",
    "build": "Building …",
    "serve": "Building …",
    "run": "Running …",
    "verify": "Running …",
    "stop": "Stopping …",
}
#: So many names stand in the empty field; all of them are in its list.
_NAMED = 3


class Controls:
    """The buttons and choices of a session; `draw` shows those that fit its state."""

    def __init__(self, session: Session) -> None:
        self.session = session
        self.primary = button("Build", self._act, icon="cube", primary=True)
        self.cancel = button("Cancel", session.cancel, icon="stop")
        self.stop = button("Stop", session.stop, icon="stop")
        self.rerun = button("Run again", self._run, icon="play")
        self.rebuild = button("Build again", session.build, icon="cube")
        self.look = button("Look again", session.look, icon="refresh")
        self.undo = button("Undo fixes", session.undo, icon="undo")
        self.serve = choice("Serve")
        self.example = field("Example of its input", placeholder="X_test.head()")
        self.parameters = w.HBox([], layout=hidden(flex_flow="row wrap"))
        self.serve.value, self.example.value = session.target, session.example
        for one in (self.serve, self.example):
            one.observe(self._chosen, "value")
        others = (self.look, self.undo)
        self.box = w.VBox(
            [
                w.HBox([self.serve, self.example], layout=_row()),
                self.parameters,
                w.HBox(
                    [self.primary, self.cancel, self.stop, self.rerun, self.rebuild, *others],
                    layout=_row(),
                ),
            ],
            layout=w.Layout(margin="0 0 0 6px"),
        )
        self._named: tuple[tuple[str, str], ...] = ()

    def draw(self) -> None:
        """Show what can be done now."""
        self._chosen(None)  # what was written while something was in work counts now
        session, busy, action = self.session, self.session.busy, self.session.next
        self.primary.description = _BUSY.get(busy) or self._label(action)
        self.primary.icon = "" if busy else _ICONS[action]
        only(self.cancel, busy)
        only(self.stop, not busy and session.running)
        only(self.rerun, not busy and action is Action.OPEN and not session.serves)
        only(self.rebuild, not busy and action is not Action.BUILD)
        only(self.look, not busy and action is Action.BUILD and not session.serves)
        only(self.undo, not busy and session.words)
        self._draw_choice()
        self._draw_parameters()

    def _draw_choice(self) -> None:
        session, known = self.session, tuple(self.session.servable)
        if known != self.serve.options:
            self.serve.options = known
            named = ", ".join(known[:_NAMED])
            self.serve.placeholder = f"{named}; nothing: the image runs the notebook"
        only(self.serve, known or session.serves)
        only(self.example, session.serves)

    def _draw_parameters(self) -> None:
        session = self.session
        told = (session.plan or {}).get("parameters", ())
        named = tuple((one["name"], one["default"]) for one in told)
        if named != self._named:
            self._named = named
            old = self.parameters.children
            self.parameters.children = [field(name, value) for name, value in named]
            close_all(old)
        only(self.parameters, named and session.image and not session.serves)

    def _label(self, action: Action) -> str:
        if not self.session.serves:
            return (
                "Hide outputs" if action is Action.OPEN and self.session.opened else _LABELS[action]
            )
        return "Try it" if action is Action.OPEN and self.session.opened else _SERVICE[action]

    def _act(self) -> None:
        match None if self.session.busy else self.session.next:
            case Action.BUILD:
                self.session.build()
            case Action.RUN:
                self._run()
            case Action.OPEN:
                self.session.open()

    def _run(self) -> None:
        self.session.start_run({one.description: one.value for one in self.parameters.children})

    def _chosen(self, _: object) -> None:
        self.session.choose(self.serve.value.strip(), self.example.value.strip())


def _row() -> w.Layout:
    return w.Layout(flex_flow="row wrap")
