"""The ports that a run publishes on this machine's loopback."""

from __future__ import annotations

import contextlib
import errno
import socket
from collections.abc import Iterator
from dataclasses import dataclass

from ..errors import ContainerizeError
from ..model.run import Port, RunSpec
from .launch import Published

#: Where the container sees the folder in which its services may put UNIX sockets.
SOCKETS = "/run/containerize"


@dataclass(frozen=True, slots=True)
class Ports:
    """The open listeners of one run, with the container's port of each."""

    listeners: tuple[tuple[socket.socket, int], ...]
    endpoint: str

    @property
    def launched(self) -> tuple[Published, ...]:
        """What the supervisor needs to know."""
        return tuple(Published(listener.fileno(), port) for listener, port in self.listeners)

    @property
    def descriptors(self) -> tuple[int, ...]:
        """What the supervisor must inherit."""
        return tuple(listener.fileno() for listener, _ in self.listeners)


@contextlib.contextmanager
def published(spec: RunSpec) -> Iterator[Ports]:
    """Open the listeners; on leaving only the supervisor has them. Errors: `port-in-use`.

    Port 0 of this machine means any free one. With the machine's own network a port that
    keeps its number needs no listener: the container's process opens it itself.
    """
    with contextlib.ExitStack() as stack:
        opened = []
        for port in spec.ports:
            if spec.network and port.host == port.container:
                continue
            opened.append((stack.enter_context(_listen(port)), port.container))
        if opened:
            number = opened[0][0].getsockname()[1]
        else:
            number = spec.ports[0].host if spec.ports else 0
        yield Ports(tuple(opened), f"http://127.0.0.1:{number}" if number else "")


def _listen(port: Port) -> socket.socket:
    try:
        listener = socket.socket(socket.AF_INET, socket.SOCK_STREAM)
        listener.setsockopt(socket.SOL_SOCKET, socket.SO_REUSEADDR, 1)
        listener.bind(("127.0.0.1", port.host))
        listener.listen(128)
    except (OSError, OverflowError) as error:
        number = getattr(error, "errno", None)
        why = {
            errno.EADDRINUSE: "Another program listens there.",
            errno.EACCES: "Ports below 1024 need root.",
        }
        raise ContainerizeError(
            "port-in-use",
            what=f"Port {port.host} of this machine cannot be opened.",
            why=why.get(number, str(error)) if number else str(error),
            fix=f"Choose another: --port 0:{port.container} takes any free one.",
        ) from error
    return listener
