"""The session drawn with ipywidgets, by one thread, a few times a second at most."""

from __future__ import annotations

import threading
import time

import ipywidgets as w
from IPython.display import display

from ...model.reasons import Severity
from ..render import html, units
from ..render.blocks import error_notices, finding_notice
from ..render.verdicts import cell_blocks, differing, verdict_notice
from . import summary
from .cards import Cards
from .logview import LogView
from .outputs import outputs_page
from .parts import button, close_all, field, hidden, put, text
from .saved import Saved
from .session import Action, Session

_REDRAW_S = 0.15
_CLOCK_S = 1.0
_LABELS = {Action.BUILD: "Build", Action.RUN: "Run and verify", Action.OPEN: "Open outputs"}
_ICONS = {Action.BUILD: "cube", Action.RUN: "play", Action.OPEN: "folder-open"}
_BUSY = {"plan": "Looking …", "build": "Building …", "run": "Running …", "verify": "Running …"}


class View:
    """Widgets on a session. `close` it when another takes its place."""

    def __init__(self, session: Session, saved: Saved) -> None:
        self.session, self.saved = session, saved
        self._changed = threading.Event()
        self._named: tuple[tuple[str, str], ...] = ()
        self.head = text()
        self.primary = button("Build", self._act, icon="cube", primary=True)
        self.cancel = button("Cancel", session.cancel, icon="stop")
        self.rebuild = button("Build again", session.build, icon="cube")
        self.rerun = button("Run again", self._run, icon="play")
        self.look = button("Look again", session.look, icon="refresh")
        self.undo = button("Undo fixes", session.undo, icon="undo")
        self.parameters = w.HBox([], layout=hidden())
        self.problems = Cards(session.mend)
        self.steps, self.layers = text(), text(max_height="220px", overflow="auto")
        self.verdict, self.cells = text(), Cards(session.mend)
        self.outputs = text()
        self.log = LogView()
        self.wanted = field("Find", placeholder="package, file, reason …")
        self.wanted.observe(lambda _: self._changed.set(), "value")
        self.contents = text(max_height="420px", overflow="auto")
        bar = w.HBox(
            [self.primary, self.cancel, self.rerun, self.rebuild, self.look, self.undo],
            layout=w.Layout(flex_flow="row wrap"),
        )
        self.root = w.VBox(
            [
                text(saved.hiding, display="none"),
                self.head,
                bar,
                self.parameters,
                self.steps,
                self.layers,
                self.problems.box,
                self.verdict,
                self.cells.box,
                self.outputs,
                self.log.box,
                self.wanted,
                self.contents,
            ],
            layout=w.Layout(padding="4px 8px", max_width="1100px", overflow="hidden"),
        )
        self._closed = False
        self._resting = True
        self.draw()
        session.listen(self._changed.set)
        self._thread = threading.Thread(target=self._draw_on, name="containerize-view", daemon=True)
        self._thread.start()

    def display(self) -> None:
        """Display the widget under the current cell, and what stays of it in the file."""
        view = {"version_major": 2, "version_minor": 0, "model_id": self.root.model_id}
        display(
            {"application/vnd.jupyter.widget-view+json": view, "text/plain": "", "text/html": ""},
            raw=True,
        )
        self.saved.display()

    def close(self) -> None:
        """Take the widget away; what stays in the file takes its place."""
        self.session.forget(self._changed.set)
        self._closed = True
        self._changed.set()
        self._thread.join(_CLOCK_S)
        self.saved.update()
        close_all([self.root])

    # -- drawing --------------------------------------------------------------------------

    def _draw_on(self) -> None:
        while True:
            self._changed.wait(_CLOCK_S if self.session.busy else None)
            self._changed.clear()
            if self._closed:
                return
            try:
                self.draw()
                resting = not self.session.busy
                if resting and not self._resting:
                    self.saved.update()
                self._resting = resting
            except Exception as error:  # noqa: BLE001 - a view that stands still tells nothing
                self.head.value = f"The widget met a mistake of its own: {error!r}"
            time.sleep(_REDRAW_S)

    def draw(self) -> None:
        """Bring every part up to date."""
        session = self.session
        with session.lock:
            busy, action = session.busy, session.next
            put(self.head, self._head())
            self.primary.description = _BUSY.get(busy) or self._label(action)
            self.primary.icon = "" if busy else _ICONS[action]
            self._only(self.cancel, busy)
            self._only(self.look, not busy and action is Action.BUILD)
            self._only(self.rebuild, not busy and action is not Action.BUILD)
            self._only(self.rerun, not busy and action is Action.OPEN)
            self._only(self.undo, not busy and session.words)
            steps, shown = session.standing, busy or session.error
            put(self.steps, html.progress(steps, layers=False) if shown and steps.steps else "")
            put(
                self.layers,
                html.bars(session.bars) if busy == "build" and session.bars.rows else "",
            )
            self._draw_problems()
            self._draw_verdict()
            self.log.show(session.log, session.run)
            put(self.outputs, outputs_page(session.run) if session.opened and session.run else "")
            self._draw_contents()

    def _head(self) -> str:
        session = self.session
        running = session.standing.running()
        since = ""
        if session.busy and running is not None:
            since = f" {units.seconds(time.monotonic() - session.step_since)}"
        options = f"<br><code>{html.inline(session.command)}</code>" if session.words else ""
        return html.heading(summary.sentence(session) + since, options)

    def _draw_problems(self) -> None:
        session = self.session
        problems = [
            (finding, [finding_notice(finding)])
            for finding in (session.plan or {}).get("findings", ())
            if finding["severity"] != Severity.INFO.value
        ]
        if session.error and session.error["code"] != "interrupted":
            alone = [session.error, *session.error.get("also", ())]
            told = [(one, error_notices({**one, "also": []})) for one in alone]
            codes = {one["code"] for one in alone}
            problems = told + [one for one in problems if one[0]["code"] not in codes]
        self.problems.show(problems)

    def _draw_verdict(self) -> None:
        session = self.session
        put(self.verdict, html.page([verdict_notice(session.verdict)]) if session.verdict else "")
        bad = differing(session.verdict) if session.verdict else []
        self.cells.show([(cell, cell_blocks(cell)) for cell in bad])

    def _draw_contents(self) -> None:
        plan, wanted = self.session.plan, self.wanted.value.strip()
        self.wanted.layout.display = "" if plan else "none"
        put(self.contents, html.page(summary.contents(plan, wanted)) if plan else "")
        named = tuple((one["name"], one["default"]) for one in (plan or {}).get("parameters", ()))
        if named != self._named:
            self._named = named
            old = self.parameters.children
            self.parameters.children = [field(name, value) for name, value in named]
            self.parameters.layout.flex_flow = "row wrap"
            close_all(old)
        self.parameters.layout.display = "" if named and self.session.image else "none"

    def _label(self, action: Action) -> str:
        if action is Action.OPEN and self.session.opened:
            return "Hide outputs"
        return _LABELS[action]

    @staticmethod
    def _only(widget: w.Widget, shown: object) -> None:
        widget.layout.display = "" if shown else "none"

    # -- acting ---------------------------------------------------------------------------

    def _act(self) -> None:
        if self.session.busy:
            return
        match self.session.next:
            case Action.BUILD:
                self.session.build()
            case Action.RUN:
                self._run()
            case Action.OPEN:
                self.session.open()

    def _run(self) -> None:
        given = {one.description: one.value for one in self.parameters.children}
        self.session.start_run(given)
