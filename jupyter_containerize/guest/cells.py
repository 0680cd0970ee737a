"""Running one cell exactly as ipykernel does, and stopping it on a signal."""

from __future__ import annotations

import asyncio
import builtins
import getpass
import os
import signal
import sys
import traceback
from collections.abc import Iterator
from contextlib import contextmanager
from types import FrameType
from typing import Any, NamedTuple

from IPython.core.error import StdinNotImplementedError
from IPython.core.interactiveshell import InteractiveShell

from .shell import ZMQInteractiveShell

NO_INPUT = "{} was called, but this frontend does not support input requests."


class Outcome(NamedTuple):
    """How a cell ended: `error` is None when it ended well; `line` is 0 when unknown."""

    error: BaseException | None = None
    line: int = 0


class CellRunner:
    """Runs cells in the shell, within the running event loop.

    SIGTERM and SIGINT interrupt the running cell; `signal` is then their number, for good.
    """

    def __init__(self, shell: ZMQInteractiveShell) -> None:
        self.signal = 0
        self._shell = shell
        self._task: asyncio.Future[Any] | None = None
        self._code = InteractiveShell.run_code.__code__
        for number in (signal.SIGTERM, signal.SIGINT):
            signal.signal(number, self._interrupt)
        os.register_at_fork(after_in_child=self._forget_signals)

    async def run(self, source: str) -> Outcome:
        """Run a cell's source. Source: ipykernel's `IPythonKernel.do_execute`."""
        with _no_input():
            try:
                result = await self._run(source)
            except asyncio.CancelledError as cancelled:
                return Outcome(cancelled)
        error = result.error_before_exec or result.error_in_exec or self._shell.display_error
        return Outcome(error, self._line_of(error, source) if error else 0)

    async def _run(self, source: str) -> Any:
        shell = self._shell
        shell.display_error = None
        problem = None
        try:
            transformed = shell.transform_cell(source)
        except Exception:
            transformed, problem = source, sys.exc_info()
        prepared = {"transformed_cell": transformed, "preprocessing_exc_tuple": problem}
        if not shell.should_run_async(source, **prepared):
            return shell.run_cell(source, store_history=True)
        coroutine = shell.run_cell_async(source, store_history=True, **prepared)
        self._task = asyncio.ensure_future(coroutine)
        result = None
        try:
            result = await self._task
        finally:
            self._task = None
            shell.events.trigger("post_execute")
            shell.events.trigger("post_run_cell", result)
        return result

    def _interrupt(self, number: int, frame: FrameType | None) -> None:
        """Raise KeyboardInterrupt if the cell's own code runs just now; else cancel its task."""
        self.signal = number
        while frame is not None:
            if frame.f_code is self._code:
                raise KeyboardInterrupt
            frame = frame.f_back
        if self._task is not None:
            self._task.get_loop().call_soon_threadsafe(self._task.cancel)

    def _forget_signals(self) -> None:
        """In a forked child: die of SIGTERM, as pools end their workers."""
        if signal.getsignal(signal.SIGTERM) == self._interrupt:
            signal.signal(signal.SIGTERM, signal.SIG_DFL)
        if signal.getsignal(signal.SIGINT) == self._interrupt:
            signal.signal(signal.SIGINT, signal.default_int_handler)

    def _line_of(self, error: BaseException, source: str) -> int:
        name = self._shell.compile.get_code_name(source, source, 0)
        if isinstance(error, SyntaxError) and not error.__traceback__:
            return error.lineno or 0
        frames = traceback.extract_tb(error.__traceback__)
        lines = [frame.lineno for frame in frames if frame.filename == name]
        if not lines and isinstance(error, SyntaxError):
            return error.lineno or 0
        return (lines[-1] or 0) if lines else 0


@contextmanager
def _no_input() -> Iterator[None]:
    """Answer `input()` and `getpass()` as a kernel does whose front end cannot ask."""

    def refuse(name: str) -> Any:
        def ask(*_: Any, **__: Any) -> str:
            raise StdinNotImplementedError(NO_INPUT.format(name))

        return ask

    saved = builtins.input, getpass.getpass
    builtins.input, getpass.getpass = refuse("raw_input"), refuse("getpass")
    try:
        yield
    finally:
        builtins.input, getpass.getpass = saved
