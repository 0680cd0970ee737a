"""What must happen in the kernel's main thread: reading the record, between two cells."""

from __future__ import annotations

import concurrent.futures
import threading
from collections.abc import Callable
from typing import Any, TypeVar

from ...errors import interrupted

T = TypeVar("T")
_LOOK_S = 0.2


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
