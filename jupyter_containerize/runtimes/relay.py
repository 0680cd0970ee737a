"""Loopback ports of this machine into a container that has no network of its own.

For each published port the caller opened a listening socket on 127.0.0.1. A child of the
supervisor joins the container's network namespace and passes bytes between the two. Under
PRoot there is no such namespace and no internet socket; there, and wherever it likes to, a
service listens on the UNIX socket `/run/containerize/<port>` instead.
"""

from __future__ import annotations

import asyncio
import contextlib
import ctypes
import fcntl
import functools
import os
import signal
import socket
from typing import Any, NoReturn

from .containment import die_with_parent

_NS_GET_USERNS = 0xB701
_NEW_USER, _NEW_NET = 0x10000000, 0x40000000
_CHUNK_BYTES = 1 << 16


def start(ports: list[dict[str, Any]], *, sockets: str, inside: int | None) -> int:
    """Fork the relay for `ports` (`{listener, container}`); return its process.

    `inside` is a process of the container whose network namespace to join, None for the
    machine's own.
    """
    pid = os.fork()
    if pid == 0:
        _relay(ports, sockets=sockets, inside=inside)
    return pid


def _relay(ports: list[dict[str, Any]], *, sockets: str, inside: int | None) -> NoReturn:
    try:
        die_with_parent()
        signal.set_wakeup_fd(-1)
        signal.signal(signal.SIGTERM, signal.SIG_DFL)
        # Sockets keep the namespace they were made in, so the listeners stay outside.
        listeners = [socket.socket(fileno=port["listener"]) for port in ports]
        folder = os.open(sockets, os.O_RDONLY | os.O_DIRECTORY)
        if inside is not None:
            _join(inside)
        targets = [port["container"] for port in ports]
        asyncio.run(_serve(list(zip(listeners, targets, strict=True)), folder))
    except BaseException as error:  # noqa: BLE001 - a forked child must never return
        os.write(2, f"relay: {type(error).__name__}: {error}\n".encode())
    finally:
        os._exit(1)


def _join(pid: int) -> None:
    """Enter the network namespace of `pid`, by way of the user namespace that owns it."""
    libc = ctypes.CDLL(None, use_errno=True)
    network = os.open(f"/proc/{pid}/ns/net", os.O_RDONLY)
    owner = fcntl.ioctl(network, _NS_GET_USERNS)
    for descriptor, kind in ((owner, _NEW_USER), (network, _NEW_NET)):
        if libc.setns(descriptor, kind) < 0:
            number = ctypes.get_errno()
            raise OSError(number, os.strerror(number), "setns")
        os.close(descriptor)


async def _serve(listeners: list[tuple[socket.socket, int]], folder: int) -> None:
    async def connected(
        port: int, reader: asyncio.StreamReader, writer: asyncio.StreamWriter
    ) -> None:
        with contextlib.closing(writer), contextlib.suppress(OSError):
            far_reader, far_writer = await _connect(port, folder)
            with contextlib.closing(far_writer):
                await asyncio.gather(_pump(reader, far_writer), _pump(far_reader, writer))

    servers = [
        await asyncio.start_server(functools.partial(connected, port), sock=listener)
        for listener, port in listeners
    ]
    await asyncio.gather(*(server.serve_forever() for server in servers))


async def _connect(port: int, folder: int) -> tuple[asyncio.StreamReader, asyncio.StreamWriter]:
    # By way of the descriptor: a socket's path may only have 107 bytes.
    path = f"/proc/self/fd/{folder}/{port}"
    if os.access(path, os.F_OK):
        return await asyncio.open_unix_connection(path)
    return await asyncio.open_connection("127.0.0.1", port)


async def _pump(reader: asyncio.StreamReader, writer: asyncio.StreamWriter) -> None:
    with contextlib.suppress(ConnectionError):
        while data := await reader.read(_CHUNK_BYTES):
            writer.write(data)
            await writer.drain()
        if writer.can_write_eof():
            writer.write_eof()
