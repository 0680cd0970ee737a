"""What a function gives at last: coroutines are awaited, generators run to their end."""

from __future__ import annotations

import inspect
import threading
from typing import Any

_loops: list[Any] = []  # one, made when it is first needed; what the function opened lives in it


def finished(value: Any) -> Any:
    """Return what a coroutine returns or a generator yields (as a list), other values as they are."""
    if inspect.isawaitable(value):
        return _in_loop(_awaited(value))
    if inspect.isasyncgen(value):
        return _in_loop(_gathered(value))
    return list(value) if inspect.isgenerator(value) else value


async def _awaited(value: Any) -> Any:
    return await value


async def _gathered(value: Any) -> list[Any]:
    return [one async for one in value]


def _in_loop(coroutine: Any) -> Any:
    import asyncio

    if not _loops:
        _loops.append(asyncio.new_event_loop())
    (loop,) = _loops
    if asyncio._get_running_loop() is None:
        return loop.run_until_complete(coroutine)
    # A kernel's own loop runs in this thread: another has to turn ours.
    told: dict[str, Any] = {}

    def work() -> None:
        try:
            told["value"] = loop.run_until_complete(coroutine)
        except BaseException as error:
            told["error"] = error

    thread = threading.Thread(target=work, name="containerize-awaiting")
    thread.start()
    thread.join()
    if "error" in told:
        raise told["error"]
    return told["value"]
