"""What only the kernel knows: its record and its objects, read between two of its cells."""

from __future__ import annotations

import concurrent.futures
import dataclasses
import json
import os
import threading
import types
from collections.abc import Callable, Mapping
from typing import Any, TypeVar

from ...capture import injection, probe
from ...errors import interrupted
from ...guest import adapters
from ...model.request import BuildRequest, Request, ServeRequest

T = TypeVar("T")
_LOOK_S = 0.2


class LiveKernel:
    """The kernel that this process is."""

    def __init__(self, shell: Any) -> None:
        self._shell = shell
        self._servable: Mapping[str, str] = {}

    def servable(self) -> Mapping[str, str]:
        """Return the names of objects that can be served, as of the last record, with their kind."""
        return self._servable

    def complete(self, request: Request, folder: str, cancelled: threading.Event) -> Request:
        """Return `request` with the kernel's record, and what it serves, in `folder`."""
        record = between_cells(self._shell, lambda: self._read(request, folder), cancelled)
        return with_record(request, record, folder)  # not there: the probe sees what cells open

    def _read(self, request: Request, folder: str) -> Mapping[str, Any]:
        if isinstance(request, ServeRequest):
            settings = {"batches": request.batches}
            code = injection.saving_code(folder, request.expression, request.example, settings)
            exec(code, {})  # noqa: S102 - our own text
        self._servable = servable(self._shell.user_ns)
        record: Mapping[str, Any] = probe.record(self._shell)  # type: ignore[no-untyped-call] # it reads as Python 3.8
        return record


def with_record(request: Request, record: Mapping[str, Any], folder: str) -> Request:
    """Return a `build`, `plan` or `serve` with a kernel's record, written into `folder`."""
    path = os.path.join(folder, "record.json")
    with open(path, "w", encoding="ascii") as file:
        # What cells show is theirs: a date or a key that JSON does not know must not cost the record.
        file.write(json.dumps(record, default=str, skipkeys=True))
    notebook = record["session"]["notebook_path"]
    if isinstance(request, ServeRequest):
        return dataclasses.replace(request, notebook=notebook, record=path, saved=folder)
    if isinstance(request, BuildRequest):
        return dataclasses.replace(request, notebook=notebook, record=path)
    return request


def servable(namespace: Mapping[str, Any]) -> dict[str, str]:
    """Return the names in a namespace whose objects an adapter knows, models before functions."""
    models, functions = {}, {}
    for name, value in list(namespace.items()):
        if name.startswith("_") or isinstance(value, type | types.ModuleType):
            continue
        if isinstance(value, types.FunctionType):
            if value.__module__ == "__main__" and value.__name__ != "<lambda>":
                functions[name] = "function"
        elif any(adapters.named(one).knows(value) for one in _MODELS):
            models[name] = type(value).__name__
    return {**models, **functions}


_MODELS = tuple(name for name in adapters.NAMES if name != "callable")


def between_cells(shell: Any, function: Callable[[], T], cancelled: threading.Event) -> T:
    """Return `function()`, called in the kernel's main thread once no cell is running.

    A cell that runs is in the middle of changing what `function` reads. Errors: `interrupted`
    when `cancelled` is set while waiting; those of `function`.
    """
    loop = getattr(getattr(shell, "kernel", None), "io_loop", None)
    if loop is None or threading.current_thread() is threading.main_thread():
        return function()
    future: concurrent.futures.Future[T] = concurrent.futures.Future()
    loop.add_callback(_call, future, function)
    while True:
        try:
            return future.result(timeout=_LOOK_S)
        except concurrent.futures.TimeoutError:  # noqa: PERF203 - it is a wait
            if cancelled.is_set() and future.cancel():
                raise interrupted("capture") from None


def _call(future: concurrent.futures.Future[T], function: Callable[[], T]) -> None:
    if not future.set_running_or_notify_cancel():
        return
    try:
        future.set_result(function())
    except BaseException as error:  # noqa: BLE001 - it belongs to the thread that waits for it
        future.set_exception(error)
