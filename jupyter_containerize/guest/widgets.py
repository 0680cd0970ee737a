"""Widgets without a front end: their state is kept for the executed notebook, as nbclient keeps it.

`comm` is there when ipywidgets is; a widget's every change comes by it. What is put out inside
an `Output` widget goes to that widget's state and not to the cell.
"""

from __future__ import annotations

import base64
import importlib
from collections.abc import Callable
from typing import Any

from .kernel_marks import SilentComm, offer_comm

MIME = "application/vnd.jupyter.widget-state+json"


class Widgets:
    """The states of all widgets by model id; `redirect` is told where outputs go (None: the cell)."""

    def __init__(self, redirect: Callable[[dict[str, Any] | None], None]) -> None:
        self._redirect = redirect
        self._states: dict[str, dict[str, Any]] = {}
        self._buffers: dict[str, dict[str, dict[str, Any]]] = {}
        self._entered: list[str] = []

    def listen(self) -> None:
        """Take the place of the kernel's side of `comm`, if it is installed."""
        try:
            comm: Any = importlib.import_module("comm")
        except ImportError:
            offer_comm(SilentComm)
            return
        widgets = self

        class WidgetComm(comm.base_comm.BaseComm):  # type: ignore[misc] # optional
            """Hands every message to the states."""

            def publish_msg(self, msg_type: str, data: Any = None, **more: Any) -> None:
                """Take a widget's message instead of sending it."""
                if msg_type != "comm_close":
                    widgets.update(self.comm_id, data or {}, more.get("buffers") or [])

        comm.create_comm = WidgetComm
        offer_comm(WidgetComm)

    def update(self, model: str, data: dict[str, Any], buffers: list[bytes]) -> None:
        """Take a changed state; entering and leaving an `Output` moves where outputs go."""
        changed = data.get("state", {})
        self._states.setdefault(model, {}).update(changed)
        for path, buffer in zip(data.get("buffer_paths", []), buffers, strict=False):
            encoded = base64.b64encode(buffer).decode("ascii")
            entry = {"path": path, "encoding": "base64", "data": encoded}
            self._buffers.setdefault(model, {})[repr(path)] = entry
        if changed.get("msg_id"):
            self._entered.append(model)
        elif "msg_id" in changed and model in self._entered:
            self._entered.remove(model)
        if "msg_id" in changed:
            state = self._states[self._entered[-1]] if self._entered else None
            if state is not None:
                state["outputs"] = list(state.get("outputs", ()))
            self._redirect(state)

    def metadata(self) -> dict[str, Any]:
        """Return the notebook's `widgets` metadata; empty without widgets."""
        models = {}
        for model, state in list(self._states.items()):
            if "_model_name" in state:
                models[model] = {
                    "model_name": state["_model_name"],
                    "model_module": state.get("_model_module"),
                    "model_module_version": state.get("_model_module_version"),
                    "state": state,
                }
                if model in self._buffers:
                    models[model]["buffers"] = list(self._buffers[model].values())
        return {MIME: {"state": models, "version_major": 2, "version_minor": 0}} if models else {}
