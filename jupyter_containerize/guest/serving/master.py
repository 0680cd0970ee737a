"""The master: accepts connections, hands each to a worker, and answers for workers that die.

It keeps a copy of every connection's socket. What a connection is doing stands on the board: when
a worker dies, those that waited for an answer get one from here, and idle ones go to another
worker, as if nothing had happened. A worker that dies while it answers has sent all or nothing
of a small answer, and the kernel knows which (`progress`). Requests and answers never pass
through the master.
"""

from __future__ import annotations

import contextlib
import os
import signal
import socket
import sys
import time

from . import channel as to
from .artifact import Artifact
from .board import ANSWERING, BUSY, FREE, IDLE, LAYOUT, OVERLAPPING, Board
from .channel import Channel, Message
from .listeners import Listener
from .log import Log
from .loop import Loop
from .nursery import start_nursery
from .place import Place
from .porter import Porter
from .progress import Progress, progress
from .settings import Settings
from .signals import watch_signals

_ACCEPTS_A_ROUND = 64
_SOON_SECONDS = 5.0  # a worker that dies sooner than this is not replaced at once
_LONGEST_PAUSE_SECONDS = 30.0
_OVERTIME_SECONDS = 1.0


class Worker:
    """What the master knows of one worker."""

    def __init__(self, number: int, channel: Channel) -> None:
        self.number = number
        self.channel = channel
        self.pid = 0
        self.ready = False
        self.draining = False
        self.overtime = False  # killed, for a call of the model took too long
        self.failure = ""
        self.connections: dict[int, tuple[socket.socket, str]] = {}
        self.started = time.monotonic()

    def kill(self) -> None:
        """End it; before its pid is known the end of its channel does that."""
        if self.pid:
            with contextlib.suppress(ProcessLookupError):
                os.kill(self.pid, signal.SIGKILL)


class Master:
    """Runs the whole service; `run` returns the exit code."""

    def __init__(
        self,
        settings: Settings,
        artifact: Artifact,
        place: Place,
        listener: Listener,
        *,
        workers: int,
    ) -> None:
        self._settings = settings
        self._artifact = artifact
        self._place = place
        self._listener = listener
        self._board = Board(connections=settings.max_connections, rows=workers + 1)
        self._counts = self._board.row(0)
        self._log = Log("master", requests=settings.access_log)
        self._wanted = workers
        self._workers: dict[int, Worker] = {}
        self._free = list(range(settings.max_connections - 1, -1, -1))
        self._loop = Loop()
        self._porter = Porter(settings, self._board, self._loop, self._log, self._free)
        self._hatch_at: dict[int, float] = {}  # number of a worker to the time it is made again
        self._pauses: dict[int, float] = {}
        self._statuses: dict[int, int] = {}
        self._was_ready = False
        self._stopping = 0.0  # when to stop waiting; 0: not stopping
        self._code = 0
        self._started = time.monotonic()
        self._nursery = Channel.pair()[0]
        self._nursery_pid = 0

    def run(self) -> int:
        """Serve until stopped."""
        self._start_nursery()
        watch_signals(
            self._loop,
            {signal.SIGTERM: self._stop, signal.SIGINT: self._stop, signal.SIGCHLD: self._reap},
        )
        self._loop.add(self._listener.fileno(), lambda _: self._accept())
        self._loop.on_round = self._round
        self._loop.on_sweep = self._sweep
        self._loop.wait_s = self._wait
        self._log.event("start", model=self._artifact.name, url=self._listener.url,
                        workers=self._wanted)  # fmt: skip
        self._loop.run()
        self._end_workers()
        self._listener.close()
        self._log.event("stop", exit_code=self._code)
        return self._code

    # -- workers ---------------------------------------------------------------------------

    def _start_nursery(self) -> None:
        others = [self._listener.fileno()]
        for worker in self._workers.values():
            others += [
                worker.channel.fileno(),
                *(sock.fileno() for sock, _ in worker.connections.values()),
            ]
        self._nursery_pid, self._nursery = start_nursery(
            self._settings, self._artifact, self._place, self._board, others
        )
        self._loop.add(self._nursery.fileno(), lambda _: self._hear_nursery())

    def _hear_nursery(self) -> None:
        message = self._nursery.receive()
        if message is None:
            self._nursery_died()
        elif message.kind == to.READY:
            for number in range(1, self._wanted + 1):
                if number not in self._workers:
                    self._hatch(number)
        elif message.kind == to.FAILED:
            self._give_up(message.facts)
        elif message.kind == to.HATCHED:
            number, pid = message.facts
            if number in self._workers:
                self._workers[number].pid = pid
        elif message.kind == to.ENDED:
            pid, status = message.facts
            self._statuses[pid] = status
            self._bury()

    def _nursery_died(self) -> None:
        self._loop.remove(self._nursery.fileno())
        self._nursery.close()
        if self._stopping:
            return
        self._log.event("nursery-died")
        if not self._was_ready:
            self._give_up("The process that loads the model died (out of memory?).")
            return
        self._start_nursery()

    def _hatch(self, number: int) -> None:
        ours, theirs = Channel.pair()
        ours.set_blocking(flag=False)
        worker = Worker(number, ours)
        self._workers[number] = worker
        self._loop.add(ours.fileno(), lambda _: self._hear(worker))
        self._nursery.send(to.HATCH, number, (theirs.fileno(),))
        theirs.close()

    def _hear(self, worker: Worker) -> None:
        try:
            message: Message | None = worker.channel.receive()
        except BlockingIOError:
            return
        if message is None:
            self._lost(worker)
        elif message.kind == to.READY:
            worker.pid = message.facts
            self._became_ready(worker)
        elif message.kind == to.FAILED:
            worker.failure = message.facts
        elif message.kind == to.CLOSED:
            for slot in message.facts:
                found = worker.connections.pop(slot, None)
                if found is not None:
                    found[0].close()
                    self._board.slots[slot] = FREE
                    self._free.append(slot)

    def _became_ready(self, worker: Worker) -> None:
        worker.ready = True
        self._count_ready()
        seconds = time.monotonic() - (self._started if not self._was_ready else worker.started)
        self._log.event("worker-ready", worker=worker.number, pid=worker.pid,
                        seconds=round(seconds, 3))  # fmt: skip
        if not self._was_ready:
            self._was_ready = True
            self._log.event("ready", url=self._listener.url, seconds=round(seconds, 3))
        if self._stopping:
            self._drain(worker)

    def _count_ready(self) -> None:
        ready = sum(worker.ready for worker in self._workers.values())
        self._counts.cells[LAYOUT.workers] = ready

    def _lost(self, worker: Worker) -> None:
        """Take what a worker left: answer, hand over or close its connections; have it replaced."""
        self._loop.remove(worker.channel.fileno())
        worker.channel.close()
        del self._workers[worker.number]
        self._count_ready()
        if not (worker.draining or self._stopping):
            self._replace(worker)
        for slot, (sock, peer) in worker.connections.items():
            self._settle(sock, slot, peer, worker)
        worker.connections = {}

    def _settle(self, sock: socket.socket, slot: int, peer: str, worker: Worker) -> None:
        """See to a connection of a worker that is dead."""
        state = self._board.slots[slot]
        if state in (ANSWERING, OVERLAPPING):
            found = progress(sock, *self._board.spans[2 * slot : 2 * slot + 2])
            if found is Progress.PART:  # nothing can be said in the midst of an answer
                self._porter.cut(sock, slot, worker)
                return
            # Where nobody knows whether all was sent, the client has it and passes over what
            # comes unasked, or takes it for the answer to what this connection will not answer.
            state = IDLE if found is Progress.ALL and state == ANSWERING else BUSY
        if state == BUSY:
            self._porter.answer_for(sock, slot, peer, worker)
        elif state == IDLE and not self._stopping:
            self._hand_over(sock, slot, peer)
        else:
            self._porter.let_go(sock, slot)

    def _replace(self, worker: Worker) -> None:
        if not self._was_ready:
            self._give_up(worker.failure or f"Worker {worker.number} died while loading the model.")
            return
        self._counts.cells[LAYOUT.restarts] += 1
        row = self._board.row(worker.number).cells
        for place in (LAYOUT.queue, LAYOUT.flight, LAYOUT.call_started):
            row[place] = 0
        number = worker.number
        lived = time.monotonic() - worker.started
        pause = 0.0
        if lived < _SOON_SECONDS or not worker.ready:
            pause = min(max(2 * self._pauses.get(number, 0.0), 0.1), _LONGEST_PAUSE_SECONDS)
        self._pauses[number] = pause
        self._hatch_at[number] = time.monotonic() + pause
        self._log.event(
            "worker-died", worker=number, pid=worker.pid, replaced_in_s=pause,
            overtime=worker.overtime, why=worker.failure or None,
        )  # fmt: skip

    def _bury(self) -> None:
        for pid, status in self._statuses.items():
            code = os.waitstatus_to_exitcode(status)
            self._log.event("worker-exit", pid=pid, exit_code=code)
        self._statuses.clear()

    def _give_up(self, why: str) -> None:
        print(why, file=sys.stderr, flush=True)
        self._code = 2
        self._loop.stop()

    # -- connections -----------------------------------------------------------------------

    def _accept(self) -> None:
        for _ in range(_ACCEPTS_A_ROUND):
            accepted = self._listener.accept()
            if accepted is None:
                return
            sock, peer = accepted
            if not self._free:
                self._porter.turn_away(sock)
                continue
            slot = self._free.pop()
            self._board.slots[slot] = IDLE
            self._board.spans[2 * slot] = self._board.spans[2 * slot + 1] = 0
            self._hand_over(sock, slot, peer)

    def _hand_over(self, sock: socket.socket, slot: int, peer: str) -> None:
        """Give a connection to the worker with the fewest; without one, and at the end, answer here."""
        every = self._workers.values()
        ready = [] if self._stopping else [worker for worker in every if worker.ready]
        for worker in sorted(ready, key=lambda one: len(one.connections)):
            try:
                worker.channel.send(to.CONNECTION, [slot, peer], (sock.fileno(),))
            except OSError:  # no room, or dying
                continue
            worker.connections[slot] = (sock, peer)
            return
        self._porter.serve(sock, slot, peer, was_ready=self._was_ready)

    # -- time and the end ------------------------------------------------------------------

    def _round(self) -> None:
        self._log.flush()
        if self._stopping and not self._workers:
            self._loop.stop()

    def _sweep(self) -> None:
        now = time.monotonic()
        self._porter.sweep(now)
        for number, when in list(self._hatch_at.items()):
            if when <= now and not self._stopping:
                del self._hatch_at[number]
                self._hatch(number)
        for worker in self._workers.values():
            started = self._board.row(worker.number).cells[LAYOUT.call_started]
            limit = self._settings.timeout_seconds + _OVERTIME_SECONDS
            if started and now - started > limit and not worker.overtime:
                worker.overtime = True
                worker.kill()
        if self._stopping and now > self._stopping:
            self._code = 1
            self._loop.stop()

    def _wait(self) -> float | None:
        if self._hatch_at:
            return max(0.0, min(self._hatch_at.values()) - time.monotonic())
        busy = self._stopping or self._porter.connections
        return 1.0 if busy or any(one.connections for one in self._workers.values()) else None

    def _stop(self) -> None:
        if self._stopping:  # asked twice: at once
            self._code = 1
            self._loop.stop()
            return
        self._log.event("stopping")
        self._stopping = time.monotonic() + self._settings.grace_seconds
        self._porter.stopping = True
        for worker in self._workers.values():
            self._drain(worker)

    def _drain(self, worker: Worker) -> None:
        worker.draining = True
        if not worker.ready:  # still loading: nobody waits for it
            worker.kill()
            return
        try:
            worker.channel.set_blocking(flag=True)
            worker.channel.send(to.DRAIN)
            worker.channel.set_blocking(flag=False)
        except OSError:
            pass  # dying; its channel says so soon

    def _end_workers(self) -> None:
        for worker in list(self._workers.values()):
            worker.kill()
            worker.channel.wait_for_end()  # it may be about to answer
            for slot, (sock, peer) in worker.connections.items():
                self._settle(sock, slot, peer, worker)
        self._nursery.close()

    def _reap(self) -> None:
        """Bury what has died; as a container's first process also what others left behind."""
        while True:
            try:
                pid, _ = os.waitpid(-1, os.WNOHANG)
            except ChildProcessError:
                return
            if not pid:
                return
