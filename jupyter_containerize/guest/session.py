"""One run of the notebook: its cells in order, in one event loop, as in a kernel."""

from __future__ import annotations

import asyncio
import contextlib
import datetime as dt
import faulthandler
import gc
import io
import os
import time
from typing import Any

from .changed_files import Listing, bring_out
from .log import Log
from .notebook import RunningNotebook, source_of, tags_of
from .outputs import Recorder
from .settings import Settings

BETWEEN_CELLS_SECONDS = 0.01  # a kernel's loop turns while the next request is on its way


class Session:
    """The cells' run and what it leaves: log, trail, executed notebook, changed files."""

    def __init__(self, settings: Settings, notebook: RunningNotebook, log: Log) -> None:
        from .cells import CellRunner  # noqa: PLC0415 - imports IPython
        from .shell import make_shell  # noqa: PLC0415 - imports IPython

        self._settings = settings
        self._notebook = notebook
        self._log = log
        self._recorder = Recorder(log)
        self._executed = os.path.join(settings.outputs, "executed.ipynb")
        self._save()
        faulthandler.enable(os.dup(2))
        self._shell = make_shell(self._recorder)
        self._recorder.widgets.listen()
        self._runner = CellRunner(self._shell)

    def run(self, before: Listing) -> int:
        """Run all cells, save the notebook, bring out the files; return the exit code."""
        cells = self._notebook.cells
        self._log.trail("run-start", cells=len(cells))
        started = time.monotonic()
        times = self._notebook.data["metadata"].setdefault("jupyter_containerize", {})
        times.update(started_at=_now())
        loop = asyncio.new_event_loop()
        asyncio.set_event_loop(loop)
        try:
            code = loop.run_until_complete(self._run_cells(cells))
        except (Exception, asyncio.CancelledError, KeyboardInterrupt) as error:
            code = 1  # a cell reached under the guest: stopped the loop, took away a stream
            self._log.say(f"The run broke off: {type(error).__name__}: {error}")
        loop.set_exception_handler(lambda *_: None)  # tasks that never end are not news
        self._recorder.close()
        times.update(ended_at=_now())
        complete = self._save() and self._bring_out(before)
        if self._runner.signal:
            code = 128 + self._runner.signal
        code = code or (0 if complete else 1)
        self._log.trail("run-end", exit_code=code, seconds=round(time.monotonic() - started, 3))
        return code

    async def _run_cells(self, cells: list[dict[str, Any]]) -> int:
        for place, cell in enumerate(cells, 1):
            label = f"[{place}/{len(cells)}] {self._title(cell)}"
            if not await self._run_cell(cell, label):
                return 1
            if self._shell.leaving:
                left = len(cells) - place
                self._log.say(f"{label} called exit(): {left} more cells did not run")
                return 0
            await asyncio.sleep(BETWEEN_CELLS_SECONDS)
            if self._runner.signal:
                return 1
        return 0

    async def _run_cell(self, cell: dict[str, Any], label: str) -> bool:
        """Run one cell; return whether the next one may run."""
        source = source_of(cell)
        facts = {"number": self._notebook.number(cell), "id": cell["id"]}
        self._log.say(f"{label}: {source.strip().splitlines()[0][:70]}")
        self._log.trail("cell-start", **facts)
        self._recorder.open(cell)
        cell["execution_count"] = self._shell.execution_count
        started = time.monotonic()
        outcome = await self._runner.run(source)
        self._shell.settle()
        seconds = round(time.monotonic() - started, 3)
        error = outcome.error
        allowed = error is not None and "raises-exception" in tags_of(cell)
        failed = bool(self._runner.signal) or (error is not None and not allowed)
        state = "interrupted" if self._runner.signal else "failed" if failed else "ok"
        name = type(error).__name__ if error else ""
        self._log.trail("cell-end", **facts, state=state, seconds=seconds, error=name)
        cell["metadata"].setdefault("jupyter_containerize", {}).update(state=state, seconds=seconds)
        if state == "failed":
            line = f" at line {outcome.line}" if outcome.line else ""
            self._log.say(f"{label} failed{line} after {seconds:.1f} s: {name}: {error}")
        else:
            self._log.say(f"{label} … {seconds:.1f} s" + (", interrupted" if failed else ""))
        self._save()
        return not failed

    def _title(self, cell: dict[str, Any]) -> str:
        number = self._notebook.number(cell)
        return f"cell {number}" if number else "parameters"

    def _save(self) -> bool:
        widgets = self._recorder.widgets.metadata()
        try:
            self._notebook.write(self._executed, widgets=widgets)
        except OSError as error:
            self._log.say(f"The executed notebook cannot be written: {error}")
            return False
        return True

    def _bring_out(self, before: Listing) -> bool:
        """Bring out what cells left in the notebook's folder; say what could not be brought."""
        for thing in gc.get_objects():
            if type(thing) in (io.TextIOWrapper, io.BufferedWriter) and not thing.closed:
                with contextlib.suppress(OSError, ValueError):
                    thing.flush()  # a cell opened it and never closed it
        count, problems = bring_out(self._settings.folder, before, self._settings.outputs)
        for problem in problems:
            self._log.say(f"This file could not be brought to the outputs: {problem}")
        if count:
            self._log.say(
                f"{count} {'file is' if count == 1 else 'files are'} in {self._settings.outputs}/files"
            )
        return not problems


def _now() -> str:
    return dt.datetime.now(dt.timezone.utc).isoformat(timespec="seconds")
