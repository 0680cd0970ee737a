"""How far a dead worker came with an answer: the kernel has counted what went into the socket.

A worker writes on the board, before it sends, where the answer begins and ends in all that ever
goes to this client. The master asks its own copy of the socket how much that is by now.
"""

from __future__ import annotations

import fcntl
import socket
import struct
import termios
from enum import Enum

#: `struct tcp_info`: `tcpi_bytes_acked` (Linux 4.1 and newer).
_ACKED_AT = 120
_INFO_BYTES = 256
#: Where there is room, so much is sent by one call, which sends all or nothing.
_SMALL_BYTES = 64 << 10


class Progress(Enum):
    """What the client got of an answer."""

    NOTHING = "nothing"
    PART = "part"
    ALL = "all"
    UNKNOWN = "nothing or all"


def progress(sock: socket.socket, start: int, end: int) -> Progress:
    """Return how far the answer came that goes from `start` to `end` of all bytes to this client."""
    try:
        if sock.family == socket.AF_UNIX:  # it counts nothing
            whole = end - start <= _SMALL_BYTES and 2 * _unread(sock) <= _room(sock)
            return Progress.UNKNOWN if whole else Progress.PART
        written = _written(sock)
    except OSError:  # broken: nobody is there to be told
        return Progress.PART
    if written <= start:
        return Progress.NOTHING
    return Progress.ALL if written >= end else Progress.PART


def _written(sock: socket.socket) -> int:
    """Return how many bytes were ever written to a TCP connection."""
    while True:
        acked = _acked(sock)
        unacked = _unread(sock)
        if _acked(sock) == acked:  # else some were counted nowhere
            return acked + unacked


def _acked(sock: socket.socket) -> int:
    info = sock.getsockopt(socket.IPPROTO_TCP, socket.TCP_INFO, _INFO_BYTES)
    if len(info) < _ACKED_AT + 8:
        raise OSError("this system does not count what was sent")
    (count,) = struct.unpack_from("Q", info, _ACKED_AT)
    return int(count)


def _unread(sock: socket.socket) -> int:
    """Return how many bytes the other side has not taken yet (of a UNIX socket: with their frames)."""
    (count,) = struct.unpack("i", fcntl.ioctl(sock, termios.TIOCOUTQ, bytes(4)))
    return int(count)


def _room(sock: socket.socket) -> int:
    """Return how many bytes may wait for the other side."""
    return sock.getsockopt(socket.SOL_SOCKET, socket.SO_SNDBUF)
