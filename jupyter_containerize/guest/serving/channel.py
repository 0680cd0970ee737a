"""What master, nursery and workers say to each other: small messages over UNIX sockets.

SOCK_SEQPACKET keeps messages whole; the end of a process is the end of its channel.
"""

from __future__ import annotations

import json
import socket
import struct
from typing import Any, NamedTuple

_MESSAGE_BYTES = 64 << 10
_SLOTS_A_MESSAGE = 1024

#: Kinds of messages.
CONNECTION = b"C"  # master to worker: slot, peer; with the socket
CLOSED = b"X"  # worker to master: slots
DRAIN = b"D"  # master to worker
READY = b"R"  # worker to master, nursery to master
FAILED = b"F"  # worker or nursery to master: why it cannot start
HATCH = b"H"  # master to nursery: number of a worker; with its channel
HATCHED = b"P"  # nursery to master: number, pid
ENDED = b"E"  # nursery to master: pid, wait status


class Message(NamedTuple):
    """A kind, its facts, and descriptors that came along (owned by the receiver)."""

    kind: bytes
    facts: Any
    fds: tuple[int, ...] = ()


class Channel:
    """One end of a channel."""

    def __init__(self, sock: socket.socket) -> None:
        self._sock = sock

    @classmethod
    def pair(cls) -> tuple[Channel, Channel]:
        """Return both ends of a new channel."""
        ours, theirs = socket.socketpair(socket.AF_UNIX, socket.SOCK_SEQPACKET)
        return cls(ours), cls(theirs)

    @classmethod
    def from_fd(cls, fd: int) -> Channel:
        """Return the end that was passed as a descriptor."""
        return cls(socket.socket(fileno=fd))

    def fileno(self) -> int:
        """Return the descriptor."""
        return self._sock.fileno()

    def set_blocking(self, flag: bool) -> None:
        """Whether `send` and `receive` may wait."""
        self._sock.setblocking(flag)

    def send(self, kind: bytes, facts: Any = None, fds: tuple[int, ...] = ()) -> None:
        """Send one message. Errors: `OSError` (`BlockingIOError`: the other end has no room)."""
        data = kind + (b"" if facts is None else json.dumps(facts).encode())
        if fds:
            socket.send_fds(self._sock, [data], fds)
        else:
            self._sock.send(data)

    def send_closed(self, slots: list[int]) -> None:
        """Tell the master which connections are closed."""
        for start in range(0, len(slots), _SLOTS_A_MESSAGE):
            part = slots[start : start + _SLOTS_A_MESSAGE]
            self._sock.send(CLOSED + struct.pack(f"{len(part)}I", *part))

    def receive(self) -> Message | None:
        """Return the next message; None when the other end is gone. Errors: `BlockingIOError`."""
        try:
            data, fds, _, _ = socket.recv_fds(self._sock, _MESSAGE_BYTES, 1)
        except ConnectionError:
            return None
        if not data:
            return None
        kind, rest = data[:1], data[1:]
        if kind == CLOSED:
            return Message(kind, list(struct.unpack(f"{len(rest) // 4}I", rest)))
        return Message(kind, json.loads(rest) if rest else None, tuple(fds))

    def wait_for_end(self) -> None:
        """Return when the other end's process is gone, whatever it had still to say."""
        self.set_blocking(flag=True)
        while self.receive() is not None:
            pass

    def close(self) -> None:
        """Close this end."""
        self._sock.close()
