"""One client's connection: reads requests one after another, sends each its answer."""

from __future__ import annotations

import contextlib
import socket
from typing import Any, NamedTuple, Protocol

from .board import ANSWERING, BUSY, IDLE, OVERLAPPING
from .http1 import CONTINUE, MAX_HEAD_BYTES, Chunks, Head, HeadParser, answer_head, too_large
from .loop import READ, WRITE, Loop
from .problems import Problem
from .settings import Settings

_READ_BYTES = 64 << 10
_LINGER_SECONDS = 2.0
_VECTORS = 64  # what one sendmsg may carry, well below IOV_MAX
_READING, _WAITING, _WRITING, _LINGERING, _CLOSED = range(5)


class Request(NamedTuple):
    """A whole request; `body` may be kept, nobody else writes to it."""

    head: Head
    body: bytes | memoryview
    started: float  # monotonic, when its last byte was read
    connection: Connection


class Server(Protocol):
    """What a connection belongs to."""

    loop: Loop
    parser: HeadParser
    settings: Settings
    slots: memoryview
    spans: Any
    draining: bool

    def reserve(self, size_bytes: int) -> None:
        """Account for a body that will be read (negative: is done with). Errors: `Problem`."""

    def allocate(self, size_bytes: int) -> memoryview:
        """Return writable memory for a body."""

    def handle(self, request: Request) -> None:
        """Answer the request, now or later, by `request.connection.answer`."""

    def refused(self, connection: Connection, problem: Problem) -> None:
        """Answer a request that cannot be read to its end; the connection is closed then."""

    def closed(self, connection: Connection) -> None:
        """Forget the connection: its socket is closed."""


class Connection:
    """Reads and answers; `slot` on the board always tells what a worker's death would leave undone."""

    __slots__ = (
        "_advancing",
        "_body",
        "_buffer",
        "_chunks",
        "_closing",
        "_events",
        "_got",
        "_head",
        "_out",
        "_reserved",
        "_server",
        "_sock",
        "_state",
        "_written",
        "deadline",
        "half_closed",
        "peer",
        "slot",
    )

    def __init__(self, sock: socket.socket, slot: int, server: Server) -> None:
        self.slot = slot
        self.deadline = 0.0  # monotonic; 0: none
        self.peer = ""
        self.half_closed = False  # the client sends nothing more
        self._sock = sock
        self._server = server
        self._state = _READING
        self._buffer: bytes | bytearray = b""
        self._head: Head | None = None
        self._body: memoryview | None = None
        self._chunks: Chunks | None = None
        self._got = 0
        self._reserved = 0
        self._out: list[memoryview] = []
        self._closing = False
        self._advancing = False
        self._events = READ
        self._written = server.spans[2 * slot + 1]  # all bytes that ever went to this client
        sock.settimeout(0)
        self._idle()
        server.loop.add(sock.fileno(), self._ready)

    @property
    def is_idle(self) -> bool:
        """Whether it waits for the first byte of a request."""
        return self._state == _READING and not self._buffer and self._head is None

    @property
    def is_closed(self) -> bool:
        """Whether nobody is there any more."""
        return self._state == _CLOSED

    # -- reading ---------------------------------------------------------------------------

    def _ready(self, events: int) -> None:
        try:
            if self._state == _WRITING:
                self._flush()
            elif self._state == _LINGERING:
                if not self._sock.recv(_READ_BYTES):
                    self.close()
            elif events & READ:
                self._read()
            else:
                self.close()
        except BlockingIOError:
            pass
        except OSError:  # reset, broken pipe: nobody is there to tell
            self.close()

    def _read(self) -> None:
        self._server.slots[self.slot] = BUSY  # before the bytes leave the socket
        if self._body is not None:
            self._read_body(self._body)
            return
        try:
            data = self._sock.recv(_READ_BYTES)
        except BlockingIOError:
            if self.is_idle:
                self._server.slots[self.slot] = IDLE
            raise
        if not data:
            self._end_of_input()
            return
        if self._buffer:
            self._buffer += data
        else:
            self._buffer = data
            self.deadline = self._server.loop.now + self._server.settings.read_seconds
        if self._state == _READING:
            self._advance()
        elif len(self._buffer) > _READ_BYTES:
            self._want(0)  # enough, until it is answered

    def _end_of_input(self) -> None:
        self.half_closed = True
        if self._state == _READING:
            self.close()
        else:  # the answer is still on its way
            self._closing = True
            self._want(0)

    def _read_body(self, body: memoryview) -> None:
        while self._got < len(body):
            count = self._sock.recv_into(body[self._got :])
            if not count:
                self.close()
                return
            self._got += count
            self.deadline = self._server.loop.now + self._server.settings.read_seconds
        self._body = None
        self._complete(body)

    def _advance(self) -> None:
        """Handle what is in the buffer, until a request is incomplete or waits for its answer."""
        if self._advancing:
            return  # answered at once, within the loop below
        self._advancing = True
        try:
            while self._state == _READING and self._buffer and self._body is None:
                if not (self._take_chunks() if self._chunks else self._take_head()):
                    break
        except Problem as problem:
            self._refuse(problem)
        finally:
            self._advancing = False

    def _take_head(self) -> bool:
        data = self._buffer
        end = data.find(b"\r\n\r\n")
        if end < 0 or end > MAX_HEAD_BYTES:
            if len(data) > MAX_HEAD_BYTES:
                text = f"The request's head is larger than {MAX_HEAD_BYTES} bytes."
                raise Problem(431, text)
            if data.startswith(b"\r\n"):
                self._buffer = data[2:]
                return True
            return False
        server = self._server
        head = server.parser.parse(bytes(data[:end]))
        self._head = head
        length, at_hand = head.length, len(data) - end - 4
        limit = server.settings.max_body_bytes
        if length > limit:
            raise too_large(limit)
        if 0 <= length <= at_hand:
            body = bytes(data[end + 4 : end + 4 + length])
            self._buffer = data[end + 4 + length :]
            self._complete(body)
            return True
        server.reserve(length if length >= 0 else limit)
        self._reserved = length if length >= 0 else limit
        if head.expects_continue and not at_hand:
            self._written += self._sock.send(CONTINUE)
        self.deadline = server.loop.now + server.settings.read_seconds
        if length < 0:
            self._chunks = Chunks(limit)
            self._buffer = data[end + 4 :]
            return True
        body_view = server.allocate(length)
        body_view[:at_hand] = data[end + 4 :]
        self._buffer, self._got, self._body = b"", at_hand, body_view
        self._read_body(body_view)  # more may have come meanwhile
        return False

    def _take_chunks(self) -> bool:
        chunks = self._chunks
        if chunks is None:
            return False
        if not isinstance(self._buffer, bytearray):
            self._buffer = bytearray(self._buffer)
        self.deadline = self._server.loop.now + self._server.settings.read_seconds
        if not chunks.feed(self._buffer):
            return False
        self._chunks = None
        self._buffer = bytes(self._buffer)
        self._complete(memoryview(chunks.body))
        return True

    def _complete(self, body: bytes | memoryview) -> None:
        head, self._head = self._head, None
        if head is None:
            return
        self._state = _WAITING
        self.deadline = 0.0
        if not head.keep_alive:
            self._closing = True
        self._server.handle(Request(head, body, self._server.loop.now, self))

    def _refuse(self, problem: Problem) -> None:
        self._state = _WAITING
        self._closing = True  # where the next request begins is not known
        self._body = self._chunks = None
        self._server.refused(self, problem)

    # -- answering -------------------------------------------------------------------------

    def answer(
        self,
        head: Head | None,
        status: int,
        *parts: Any,
        content_type: str = "application/json",
        headers: tuple[str, ...] = (),
    ) -> None:
        """Send an answer whose body is `parts` (bytes-like); `head` is its request's, if it had one."""
        if self._state != _WAITING:
            return  # closed meanwhile
        self._head = None
        self._closing = self._closing or self._server.draining
        if head is not None and not head.minor and not self._closing:
            headers = (*headers, "Connection: keep-alive")
        length = sum([_size(part) for part in parts])
        start = answer_head(
            status, length, content_type=content_type, headers=headers, close=self._closing
        )
        if head is not None and head.method == "HEAD":
            parts = ()
        self._announce(len(start) + sum([_size(part) for part in parts]))
        self._state = _WRITING
        try:
            if length <= _READ_BYTES:
                data = b"".join((start, *parts))
                sent = self._sock.send(data)
                if sent == len(data):
                    self._answered()
                    return
                self._out = [memoryview(data)[sent:]]
            else:
                self._out = [memoryview(part).cast("B") for part in (start, *parts)]
            self._flush()
        except BlockingIOError:
            self._out = self._out or [memoryview(data)]
            self.deadline = self._server.loop.now + self._server.settings.read_seconds
            self._want(WRITE)
        except OSError:
            self.close()

    def _announce(self, size_bytes: int) -> None:
        """Write on the board what is about to be sent: see `progress`."""
        server, place = self._server, 2 * self.slot
        server.spans[place] = self._written
        self._written += size_bytes
        server.spans[place + 1] = self._written
        server.slots[self.slot] = OVERLAPPING if self._buffer else ANSWERING

    def _flush(self) -> None:
        """Send what is left; raises `BlockingIOError` if it cannot all be sent now."""
        while self._out:
            sent = self._sock.sendmsg(self._out[:_VECTORS])
            self.deadline = self._server.loop.now + self._server.settings.read_seconds
            while self._out and sent >= len(self._out[0]):
                sent -= len(self._out.pop(0))
            if sent:
                self._out[0] = self._out[0][sent:]
        self._answered()

    def _answered(self) -> None:
        self._release()
        if self._closing:
            self._leave()
            return
        self._want(READ)
        self._idle()
        if self._buffer:
            self._advance()

    def _idle(self) -> None:
        self._state = _READING
        self._server.slots[self.slot] = BUSY if self._buffer else IDLE
        self.deadline = self._server.loop.now + self._server.settings.idle_seconds

    def _want(self, events: int) -> None:
        if events != self._events:
            self._events = events
            self._server.loop.change(self._sock.fileno(), events)

    def _release(self) -> None:
        if self._reserved:
            self._server.reserve(-self._reserved)
            self._reserved = 0

    # -- leaving ---------------------------------------------------------------------------

    def _leave(self) -> None:
        """Close after the answer; first let the client read it, though it still sends."""
        if self.half_closed:
            self.close()
            return
        self._state = _LINGERING
        self._buffer = b""
        self.deadline = self._server.loop.now + _LINGER_SECONDS
        with contextlib.suppress(OSError):
            self._sock.shutdown(socket.SHUT_WR)
        self._want(READ)

    def apologise(self, problem: Problem) -> None:
        """Answer for a process that has read the request and died; the connection is closed then."""
        self._refuse(problem)

    def expire(self) -> None:
        """End what has taken too long: a request that does not arrive, an answer nobody takes."""
        if self._state == _READING and not self.is_idle:
            seconds = self._server.settings.read_seconds
            text = f"The request did not arrive within {seconds:g} seconds."
            self._refuse(Problem(408, text))
        else:
            self.close()

    def close(self) -> None:
        """Close the socket and forget everything; may be called twice."""
        if self._state == _CLOSED:
            return
        self._state = _CLOSED
        self._release()
        self._out.clear()
        self._server.loop.remove(self._sock.fileno())
        with contextlib.suppress(OSError):
            self._sock.shutdown(socket.SHUT_RDWR)  # the master holds a copy: closing is not enough
        self._sock.close()
        self._server.closed(self)


def _size(part: Any) -> int:
    return part.nbytes if isinstance(part, memoryview) else len(part)
