"""A port of this machine that leads to a service in a cluster, as `kubectl port-forward` does."""

from __future__ import annotations

import contextlib
import socket
import threading
import time
from collections.abc import Callable, Iterator

from ...errors import ContainerizeError
from . import paths
from .connection import Connection

#: How long a pod is looked for: while a rollout goes on there is always one that is ready.
_PATIENCE_S = 5.0
_PAUSE_S = 0.2


@contextlib.contextmanager
def opened(
    connection: Connection, pods: Callable[[], list[str]], port: int, *, local: int = 0
) -> Iterator[int]:
    """Listen on a loopback port (`local`, 0 for a free one) while the context lasts; yield it.

    Each connection goes to one of the pods that are ready when it comes, by turns. Errors: `port-in-use`.
    """
    try:
        listener = socket.create_server(("127.0.0.1", local))
    except OSError as error:
        raise ContainerizeError(
            "port-in-use",
            what=f"Port {local} of this machine is in use.",
            why=str(error),
            fix="Choose another with --port, or leave it out: a free one is taken.",
        ) from error
    count = [0]

    def serve() -> None:
        with contextlib.suppress(OSError):  # the listener is closed when the context ends
            while True:
                client, _ = listener.accept()
                count[0] += 1
                threading.Thread(
                    target=_forward, args=(connection, pods, port, client, count[0]), daemon=True
                ).start()

    threading.Thread(target=serve, daemon=True).start()
    try:
        yield int(listener.getsockname()[1])
    finally:
        with contextlib.suppress(OSError):
            listener.shutdown(socket.SHUT_RDWR)
        listener.close()


def _forward(
    connection: Connection,
    pods: Callable[[], list[str]],
    port: int,
    client: socket.socket,
    turn: int,
) -> None:
    with client:
        inside = _reached(connection, pods, port, turn)
        if inside is None:
            return  # who asked sees a closed connection, as when a service is away
        back = threading.Thread(target=_copy, args=(inside, client), daemon=True)
        back.start()
        _copy(client, inside)
        back.join()
        inside.close()


def _reached(
    connection: Connection, pods: Callable[[], list[str]], port: int, turn: int
) -> socket.socket | None:
    """Return a way to a pod that is ready; None if none is for a while. A pod may go as it is asked for."""
    until = time.monotonic() + _PATIENCE_S
    while time.monotonic() < until:
        with contextlib.suppress(ContainerizeError, ConnectionError):
            ready = pods()
            if ready:
                path = paths.pod(ready[turn % len(ready)], connection.namespace, "portforward")
                return connection.tunnel(path, port)
        turn += 1
        time.sleep(_PAUSE_S)
    return None


def _copy(source: socket.socket, target: socket.socket) -> None:
    with contextlib.suppress(OSError, ValueError):
        while data := source.recv(1 << 16):
            target.sendall(data)
    with contextlib.suppress(OSError, ValueError):
        target.shutdown(socket.SHUT_WR)
