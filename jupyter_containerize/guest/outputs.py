"""What cells put out, collected as nbformat 4 output objects, and shown on the log."""

from __future__ import annotations

import base64
import contextlib
import contextvars
import datetime as dt
import math
import numbers
import os
import threading
from typing import Any

from .log import Log
from .widgets import Widgets


class Recorder:
    """Collects the outputs of the running cell as a front end does.

    An asyncio task writes to the cell that created it, everything else (threads, child
    processes) to the cell that runs, as with ipykernel 7.
    """

    def __init__(self, log: Log) -> None:
        self._log = log
        self._lock = threading.RLock()
        self._cell: dict[str, Any] | None = None
        self._own: contextvars.ContextVar[dict[str, Any] | None] = contextvars.ContextVar("cell")
        self._displays: dict[str, list[dict[str, Any]]] = {}
        self._clear_next: set[int] = set()
        self._widget: dict[str, Any] | None = None
        self.widgets = Widgets(self._redirect)
        os.register_at_fork(after_in_child=self._renew_lock)  # another thread may have held it

    def open(self, cell: dict[str, Any]) -> None:
        """Send outputs to this notebook cell from now on."""
        cell["outputs"] = []
        self._cell = cell
        self._widget = None
        self._own.set(cell)

    def close(self) -> None:
        """Let what threads still write go to the log only."""
        self._cell = None
        self._own.set(None)

    def _renew_lock(self) -> None:
        self._lock = threading.RLock()

    def flush(self) -> None:
        """Let the log show what it holds."""
        self._log.flush()

    def stream(self, name: str, text: str) -> None:
        """Add text of `stdout` or `stderr`."""
        if not text:
            return
        with self._lock:
            outputs = self._outputs()
            if outputs and outputs[-1]["output_type"] == "stream" and outputs[-1]["name"] == name:
                outputs[-1]["text"].append(text)
            else:
                outputs.append({"output_type": "stream", "name": name, "text": [text]})
            self._log.pass_on(name, text)  # last: a signal may interrupt it

    def result(self, count: int, data: dict[str, Any], metadata: dict[str, Any]) -> None:
        """Add the value of a cell's last expression."""
        self._add(
            {"output_type": "execute_result", "execution_count": count}
            | {"data": plain_json(data), "metadata": plain_json(metadata)}
        )

    def display(
        self, data: dict[str, Any], metadata: dict[str, Any], *, display_id: str, update: bool
    ) -> None:
        """Add a display, or replace the earlier ones of the same `display_id`."""
        content = {"data": plain_json(data), "metadata": plain_json(metadata)}
        with self._lock:
            for earlier in self._displays.get(display_id, ()) if display_id else ():
                earlier.update(content)
            if update:
                self._log.show(content["data"])
                return
            output = {"output_type": "display_data", **content}
            if display_id:
                self._displays.setdefault(display_id, []).append(output)
            self._add(output)

    def error(self, name: str, value: str, traceback: list[str]) -> None:
        """Add an exception."""
        output = {"output_type": "error", "ename": name, "evalue": value, "traceback": traceback}
        with self._lock:
            self._outputs().append(output)
            self._log.pass_on("stderr", "\n".join(traceback) + "\n")

    def clear(self, *, wait: bool) -> None:
        """Drop the cell's outputs; with `wait`, when the next one comes."""
        with self._lock:
            cell = self._here()
            if wait:
                self._clear_next.add(id(cell))
            elif cell is not None:
                cell["outputs"].clear()

    def _add(self, output: dict[str, Any]) -> None:
        with self._lock:
            self._outputs().append(output)
            self._log.show(output["data"])

    def _redirect(self, widget: dict[str, Any] | None) -> None:
        self._widget = widget

    def _here(self) -> dict[str, Any] | None:
        return self._widget or self._own.get(self._cell)

    def _outputs(self) -> list[dict[str, Any]]:
        cell = self._here()
        if cell is None:
            return []
        outputs: list[dict[str, Any]] = cell["outputs"]
        if id(cell) in self._clear_next:
            self._clear_next.discard(id(cell))
            outputs.clear()
        return outputs


def plain_json(value: Any) -> Any:  # noqa: PLR0911 - one return per kind of value
    """Return `value` as JSON data, converted as Jupyter's messages convert it."""
    if value is None or isinstance(value, (str, bool)):
        return value
    if isinstance(value, numbers.Integral):
        return int(value)
    if isinstance(value, numbers.Real):
        number = float(value)
        return number if math.isfinite(number) else repr(number)
    if isinstance(value, bytes):
        return base64.b64encode(value).decode("ascii")
    if isinstance(value, dict):
        return {str(key): plain_json(item) for key, item in value.items()}
    if isinstance(value, (dt.datetime, dt.date)):
        return value.isoformat()
    with contextlib.suppress(TypeError):
        return [plain_json(item) for item in value]
    return repr(value)
