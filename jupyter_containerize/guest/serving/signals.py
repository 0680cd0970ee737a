"""Signals as events of a loop."""

from __future__ import annotations

import contextlib
import os
import signal
from collections.abc import Callable, Mapping

from .loop import Loop


class Signals:
    """The pipe by which signals arrive."""

    def __init__(self, loop: Loop, actions: Mapping[int, Callable[[], None]]) -> None:
        self._actions = actions
        self._reader, self._writer = os.pipe()
        os.set_blocking(self._reader, False)
        os.set_blocking(self._writer, False)
        loop.add(self._reader, lambda _: self._arrived())
        for number in actions:
            signal.signal(number, _noted)
        signal.set_wakeup_fd(self._writer, warn_on_full_buffer=False)

    def _arrived(self) -> None:
        with contextlib.suppress(BlockingIOError):
            for number in set(os.read(self._reader, 4096)):
                action = self._actions.get(number)
                if action is not None:
                    action()

    def close(self) -> None:
        """Stop watching; signals do what they do by default again."""
        signal.set_wakeup_fd(-1)
        for number in self._actions:
            signal.signal(number, signal.SIG_DFL)
        os.close(self._reader)
        os.close(self._writer)


def watch_signals(loop: Loop, actions: Mapping[int, Callable[[], None]]) -> Signals:
    """Call an action, within the loop, when its signal has arrived."""
    return Signals(loop, actions)


def ignore_signals(*numbers: int) -> None:
    """Let signals pass without effect here; programs that are started get them as ever."""
    for number in numbers:
        signal.signal(number, _noted)


def _noted(*_: object) -> None:
    """Do nothing: the wake-up pipe tells the loop."""
