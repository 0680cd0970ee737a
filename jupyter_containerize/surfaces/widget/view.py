"""The session drawn with ipywidgets, by one thread, a few times a second at most."""

from __future__ import annotations

import threading
import time
from collections.abc import Callable, Mapping, Sequence
from typing import Any

import ipywidgets as w
from IPython.display import display

from ...model.reasons import Severity
from ..render import html, units
from ..render.blocks import Block, error_notices, finding_notice
from ..render.verdicts import cell_blocks, differing
from . import summary
from .cards import Cards
from .controls import Controls
from .logview import LogView
from .options import Options
from .outputs import outputs_page
from .parts import close_all, field, only, put, text
from .saved import Saved
from .session import Session
from .tryit import TryIt

_REDRAW_S = 0.15
_CLOCK_S = 1.0


class View:
    """Widgets on a session. `close` it when another takes its place."""

    def __init__(self, session: Session, saved: Saved) -> None:
        self.session, self.saved = session, saved
        self._changed = threading.Event()
        self.head = text()
        self.controls = Controls(session)
        self.options = Options(session)
        self.steps, self.layers = text(), text(max_height="220px", overflow="auto")
        self.problems, self.cells = Cards(session.mend), Cards(session.mend)
        self.form = TryIt(self._changed.set)
        self.outputs = text()
        self.log = LogView()
        self.wanted = field("Find", placeholder="package, file, reason …")
        self.wanted.layout.margin = "2px 0 0 8px"
        self.wanted.observe(lambda _: self._changed.set(), "value")
        self.contents = text(max_height="420px", overflow="auto")
        self.root = w.VBox(
            [
                text(saved.hiding, display="none"),
                self.head,
                self.controls.box,
                self.options.box,
                self.steps,
                self.layers,
                self.problems.box,
                self.cells.box,
                self.form.box,
                self.outputs,
                self.log.box,
                self.wanted,
                self.contents,
            ],
            layout=w.Layout(padding="4px 0", max_width="1100px", overflow="hidden"),
        )
        self._keys: dict[str, object] = {}
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
                self._save()
            except Exception as error:  # noqa: BLE001 - a view that stands still tells nothing
                self.head.value = html.heading(f"The widget met a mistake of its own: {error!r}")
            time.sleep(_REDRAW_S)

    def _save(self) -> None:
        """Bring what stays in the file up to date when something has come to its end."""
        resting = not self.session.busy
        if resting and not self._resting:
            self.saved.update()
        self._resting = resting

    def draw(self) -> None:
        """Bring every part up to date."""
        session = self.session
        with session.lock:
            busy, run = session.busy, session.run
            put(self.head, self._head())
            self.controls.draw()
            self.options.draw()
            shown = (busy or session.error) and session.standing.steps
            put(self.steps, html.progress(session.standing, layers=False) if shown else "")
            building = busy in ("build", "serve") and session.bars.rows
            put(self.layers, html.bars(session.bars) if building else "")
            self.problems.show(self._problems())
            bad = differing(session.verdict) if session.verdict else []
            self.cells.show([(cell, cell_blocks(cell)) for cell in bad])
            asked = run and session.ready and session.running and not session.opened
            self.form.show(session.artifact, run["endpoint"] if run and asked else "")
            left = run if session.opened and not session.serves else None
            self._once(
                self.outputs, left and left["id"], lambda: outputs_page(left) if left else ""
            )
            self.log.show(session.log, run)
            self._draw_contents()

    def _head(self) -> str:
        session = self.session
        running = session.standing.running()
        since = ""
        if session.busy and running is not None:
            since = f" {units.seconds(time.monotonic() - session.step_since)}"
        options = f"<br><code>{html.inline(session.command)}</code>" if session.words else ""
        said, tone = summary.sentence(session)
        return html.heading(said, f"{since}{options}", tone=tone)

    def _problems(self) -> list[tuple[Mapping[str, Any], Sequence[Block]]]:
        """Return errors first, then what else should be known."""
        session = self.session
        found: list[tuple[Mapping[str, Any], Sequence[Block]]] = []
        codes = set()
        if session.error and session.error["code"] != "interrupted":
            for one in (session.error, *session.error.get("also", ())):
                codes.add(one["code"])
                found.append((one, error_notices({**one, "also": []})))
        others = (self._plan() or {}).get("findings", ())
        found += [
            (one, [finding_notice(one)])
            for one in others
            if one["severity"] != Severity.INFO.value and one["code"] not in codes
        ]
        return found

    def _plan(self) -> Mapping[str, Any] | None:
        """Return the plan of what is to be made: a look is one at the notebook, no service."""
        session = self.session
        return None if session.serves and session.image is None else session.plan

    def _draw_contents(self) -> None:
        plan, wanted = self._plan(), self.wanted.value.strip()
        only(self.wanted, plan)
        self._once(
            self.contents,
            (plan, wanted),
            lambda: html.page(summary.contents(plan, wanted), open_rows=None) if plan else "",
        )

    def _once(self, widget: w.HTML, key: object, page: Callable[[], str]) -> None:
        """Draw what costs time only when `key` says that it is another: cells run beside us."""
        if self._keys.get(widget.model_id) != key:
            self._keys[widget.model_id] = key
            put(widget, page())
