"""A worker: loads the model (or has it from the nursery), warms up, then answers requests."""

from __future__ import annotations

import contextlib
import gc
import os
import signal
import socket
import threading
import time

from ..problem import CannotStart
from . import predict
from .artifact import Artifact
from .batching import Batcher
from .board import Board
from .channel import CONNECTION, DRAIN, FAILED, READY, Channel
from .connection import Connection
from .exchange import Records
from .log import Log
from .loop import Loop
from .model import Model
from .service import Service
from .settings import Settings
from .signals import ignore_signals


def work(
    number: int,
    master: Channel,
    settings: Settings,
    artifact: Artifact,
    board: Board,
    *,
    model: Model | None,
) -> int:
    """Serve until the master says so or is gone; return the exit code."""
    ignore_signals(signal.SIGTERM, signal.SIGINT)  # the master's to act on
    log = Log(f"worker {number}", requests=settings.access_log)
    try:
        model = model or Model(artifact)
    except CannotStart as problem:
        master.send(FAILED, str(problem))
        return 2
    worker = _Worker(number, master, settings=settings, model=model, board=board, log=log)
    worker.warm_up()
    gc.collect()
    gc.freeze()  # the model's objects stay; looking at them again and again would be in vain
    master.send(READY, os.getpid())
    worker.serve()
    return 0


class _Worker:
    def __init__(
        self,
        number: int,
        master: Channel,
        *,
        settings: Settings,
        model: Model,
        board: Board,
        log: Log,
    ) -> None:
        self._master = master
        self._model = model
        self._log = log
        self._loop = Loop()
        records = Records(board.row(number), log)
        self._batcher = Batcher(
            model,
            self._loop,
            records.counts,
            max_batch=settings.max_batch or model.artifact.max_batch_size,
            max_queue=settings.max_queue,
            longest_wait_s=settings.batch_wait_ms / 1000 if model.artifact.batches else 0.0,
        )
        self._service = Service(
            model,
            settings,
            board=board,
            records=records,
            loop=self._loop,
            batcher=self._batcher,
        )
        self._over = False
        self._loop.add(master.fileno(), lambda _: self._hear())
        self._loop.on_round = self._round
        self._loop.on_sweep = self._sweep
        self._loop.wait_s = self._wait

    def warm_up(self) -> None:
        """Let the model answer its example, so that the first client does not wait longer."""
        model = self._model
        try:
            model.warm_up()
            if model.artifact.example is None:
                return
            asked = predict.ask(model.artifact.example, model.artifact, model.tensors)
            predict.answer(asked, model.run(asked.calls), model)
        except Exception as error:
            self._log.event(
                "warm-up-failed", error=repr(error), facts=getattr(error, "facts", None)
            )

    def serve(self) -> None:
        """Answer until told to stop, in one thread or two as the model's pace asks for."""
        while not self._over:
            if self._batcher.threaded:
                thread = threading.Thread(target=self._run_loop, name="loop", daemon=True)
                thread.start()
                self._batcher.serve_calls()
                thread.join()
            else:
                self._loop.run()
            if not self._over:
                self._batcher.change()

    def _run_loop(self) -> None:
        try:
            self._loop.run()
        except BaseException as error:
            self._log.event("loop-failed", error=repr(error))
            os._exit(1)  # without its loop the worker is of no use; the master replaces it
        self._batcher.end_calls()

    def _hear(self) -> None:
        message = self._master.receive()
        if message is None or message.kind == DRAIN:
            self._service.draining = True
            if message is None:  # the master is gone, and the clients with it
                os._exit(1)
        elif message.kind == CONNECTION:
            slot, peer = message.facts
            try:
                connection = Connection(socket.socket(fileno=message.fds[0]), slot, self._service)
            except OSError:  # reset already
                self._service.left.append(slot)
                return
            connection.peer = peer
            self._service.connections.add(connection)

    def _round(self) -> None:
        self._batcher.turn()
        service = self._service
        if service.left:
            self._master.send_closed(service.left)
            service.left = []
        self._log.flush()
        if service.draining and self._batcher.is_idle and not self._unanswered():
            self._over = True
            self._loop.stop()
        elif self._batcher.wants_change:
            self._loop.stop()

    def _unanswered(self) -> bool:
        """Whether some connection is in the midst of a request; the others are closed."""
        while self._loop.gather():
            pass  # what lies there already is answered, too
        busy = not self._batcher.is_idle
        for connection in list(self._service.connections):
            if connection.is_idle:
                connection.close()
            else:
                busy = True
        return busy

    def _sweep(self) -> None:
        now = time.monotonic()
        self._batcher.expire(now)
        for connection in list(self._service.connections):
            if connection.deadline and connection.deadline < now:
                with contextlib.suppress(OSError):
                    connection.expire()

    def _wait(self) -> float | None:
        """How long the loop may sleep: until the next batch, a second with clients, else for ever."""
        wait_s = self._batcher.wait_s(time.monotonic())
        if wait_s is not None:
            return wait_s
        return 1.0 if self._service.connections else None
