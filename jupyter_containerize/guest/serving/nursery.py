"""The process that forks workers. A model that bears it is loaded here once, for all of them.

Forked workers share its memory until they write to it. Models that do not bear a fork
(their frameworks have started threads) are loaded by each worker for itself.
"""

from __future__ import annotations

import gc
import os
import signal
from typing import NoReturn

from ..problem import CannotStart
from .artifact import Artifact
from .board import Board
from .channel import ENDED, FAILED, HATCHED, READY, Channel
from .loop import Loop
from .model import Model
from .place import Place
from .settings import Settings
from .signals import ignore_signals, watch_signals
from .worker import work


def start_nursery(
    settings: Settings, artifact: Artifact, place: Place, board: Board, others: list[int]
) -> tuple[int, Channel]:
    """Fork the nursery; return its pid and the master's end of its channel.

    `others` are descriptors of the master's that the nursery must not keep.
    """
    ours, theirs = Channel.pair()
    pid = os.fork()
    if pid:
        theirs.close()
        return pid, ours
    code = 1
    try:
        ours.close()
        for fd in others:
            os.close(fd)
        _Nursery(settings, artifact, place, board, theirs).run()
        code = 0
    finally:
        os._exit(code)


class _Nursery:
    def __init__(
        self, settings: Settings, artifact: Artifact, place: Place, board: Board, master: Channel
    ) -> None:
        self._settings = settings
        self._artifact = artifact
        self._place = place
        self._board = board
        self._master = master
        self._model: Model | None = None
        self._loop = Loop()
        ignore_signals(signal.SIGTERM, signal.SIGINT)  # the master's to act on
        self._signals = watch_signals(self._loop, {signal.SIGCHLD: self._reap})

    def run(self) -> None:
        """Fork workers until the master is gone."""
        try:
            if self._artifact.fork_safe:
                self._place.enter()
                self._model = Model(self._artifact)
                gc.collect()
                gc.freeze()  # what is here now will not be written to by the collector
        except CannotStart as problem:
            self._master.send(FAILED, str(problem))
            return
        self._master.send(READY)
        self._loop.add(self._master.fileno(), lambda _: self._hear())
        self._loop.run()

    def _hear(self) -> None:
        message = self._master.receive()
        if message is None:
            self._loop.stop()
            return
        number = message.facts
        pid = os.fork()
        if pid == 0:
            self._become_worker(number, message.fds[0])
        os.close(message.fds[0])
        self._master.send(HATCHED, [number, pid])

    def _become_worker(self, number: int, fd: int) -> NoReturn:
        code = 1
        try:
            self._loop.close()
            self._signals.close()
            self._master.close()
            channel = Channel.from_fd(fd)
            if self._model is None:
                self._place.enter()
            code = work(
                number, channel, self._settings, self._artifact, self._board, model=self._model
            )
        finally:
            os._exit(code)

    def _reap(self) -> None:
        while True:
            try:
                pid, status = os.waitpid(-1, os.WNOHANG)
            except ChildProcessError:
                return
            if not pid:
                return
            self._master.send(ENDED, [pid, status])
