"""The master's own answers: before any worker is ready, and for workers that died."""

from __future__ import annotations

import contextlib
import os
import socket
import time
from typing import TYPE_CHECKING

from .board import ENDPOINTS, FREE, Board
from .connection import Connection, Request
from .http1 import HeadParser, answer_head
from .log import Log
from .loop import Loop
from .problems import Problem
from .settings import Settings
from .wire import dumps

if TYPE_CHECKING:
    from .master import Worker

_OTHER = ENDPOINTS.index("other")
_HEALTH = ENDPOINTS.index("health")
_RETRY = ("Retry-After: 1",)


class Porter:
    """Answers without a model; the server of connections that no worker can take."""

    def __init__(
        self, settings: Settings, board: Board, loop: Loop, log: Log, free: list[int]
    ) -> None:
        self.loop = loop
        self.parser = HeadParser()
        self.settings = settings
        self.slots, self.spans = board.slots, board.spans
        self.draining = True  # each connection ends with its answer: the next one finds a worker
        self.stopping = False
        self.connections: dict[Connection, int] = {}
        self._counts = board.row(0)
        self._log = log
        self._free = free
        self._was_ready = False
        self._number = 0

    # -- connections without a worker --------------------------------------------------------

    def serve(self, sock: socket.socket, slot: int, peer: str, *, was_ready: bool) -> None:
        """Answer a connection's first request here."""
        self._was_ready = was_ready
        self._adopt(sock, slot, peer)

    def _adopt(self, sock: socket.socket, slot: int, peer: str) -> Connection | None:
        try:
            connection = Connection(sock, slot, self)
        except OSError:
            self.let_go(sock, slot)
            return None
        connection.peer = peer
        self.connections[connection] = slot
        return connection

    def reserve(self, size_bytes: int) -> None:
        """Refuse bodies that did not come with their head."""
        if size_bytes > 0:
            raise self._not_ready()

    def allocate(self, size_bytes: int) -> memoryview:
        """Return memory for a body."""
        return memoryview(bytearray(size_bytes))

    def handle(self, request: Request) -> None:
        """Answer: alive, and nothing else yet."""
        if request.head.path == "/v2/health/live":
            self._counts.request(_HEALTH, 200, 0.0)
            request.connection.answer(request.head, 200, b'{"live":true}')
            return
        endpoint = _HEALTH if request.head.path.endswith("/ready") else _OTHER
        self._refuse(request.connection, request, self._not_ready(), endpoint)

    def refused(self, connection: Connection, problem: Problem) -> None:
        """Answer a request that cannot be read to its end."""
        self._refuse(connection, None, problem, _OTHER)

    def _refuse(
        self, connection: Connection, request: Request | None, problem: Problem, endpoint: int
    ) -> None:
        self._counts.request(endpoint, problem.status, 0.0)
        head = request.head if request else None
        connection.answer(head, problem.status, dumps(problem.facts), headers=problem.headers)

    def _not_ready(self) -> Problem:
        if self.stopping:
            text = "The service is stopping."
        elif self._was_ready:
            text = "No worker is ready; one is being started."
        else:
            text = "The model is still being loaded."
        return Problem(503, text, headers=_RETRY, ready=False)

    def closed(self, connection: Connection) -> None:
        """Forget a connection."""
        slot = self.connections.pop(connection, None)
        if slot is not None:
            self._release(slot)

    def sweep(self, now: float) -> None:
        """End connections whose time is up."""
        for connection in list(self.connections):
            if connection.deadline and connection.deadline < now:
                connection.expire()

    # -- connections whose worker died -------------------------------------------------------

    def answer_for(self, sock: socket.socket, slot: int, peer: str, worker: Worker) -> None:
        """Tell a client that its request died with its worker."""
        if worker.overtime:
            status = 504
            seconds = self.settings.timeout_seconds
            text = f"The model did not answer within {seconds:g} seconds."
        elif self.stopping:
            status, text = 503, "The service was stopped before the model answered."
        else:
            status, text = 500, "The worker that held this request died."
        request_id = self._lost(worker, status)
        connection = self._adopt(sock, slot, peer)
        if connection is not None:
            header = f"X-Request-Id: {request_id}"
            connection.apologise(Problem(status, text, headers=(header,), id=request_id))

    def cut(self, sock: socket.socket, slot: int, worker: Worker) -> None:
        """Close a connection in the midst of a long answer: the client sees that it is incomplete."""
        self._lost(worker, 500)
        self.let_go(sock, slot)

    def _lost(self, worker: Worker, status: int) -> str:
        """Count and log a request that died with its worker; return its id."""
        self._number += 1
        request_id = f"lost-{os.getpid():x}-{int(time.time()):x}-{self._number:x}"
        self._counts.error("timeout" if worker.overtime else "worker")
        self._log.event("request-lost", id=request_id, status=status, worker=worker.number,
                        pid=worker.pid)  # fmt: skip
        return request_id

    def turn_away(self, sock: socket.socket) -> None:
        """Refuse a connection for which there is no room."""
        body = dumps({"error": "Too many connections; CONTAINERIZE_MAX_CONNECTIONS allows more."})
        self._counts.request(_OTHER, 503, 0.0)
        self._counts.error("limit")
        self._part(sock, answer_head(503, len(body), headers=_RETRY, close=True) + body)
        sock.close()

    def let_go(self, sock: socket.socket, slot: int) -> None:
        """Close a connection."""
        with contextlib.suppress(OSError):
            sock.shutdown(socket.SHUT_RDWR)
        sock.close()
        self._release(slot)

    def _part(self, sock: socket.socket, data: bytes) -> None:
        """Send a last answer; read what lies there, or closing would take the answer back."""
        with contextlib.suppress(OSError):
            sock.send(data)
            sock.shutdown(socket.SHUT_WR)
            for _ in range(64):
                if not sock.recv(1 << 16):
                    break

    def _release(self, slot: int) -> None:
        self.slots[slot] = FREE
        self._free.append(slot)
