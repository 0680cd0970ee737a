"""Where the service listens: a TCP port, or a UNIX socket in a sandbox without network."""

from __future__ import annotations

import contextlib
import errno
import os
import socket

from ..problem import CannotStart
from .settings import Settings

#: The folder that the sandbox provides when it relays a port to a UNIX socket in it.
SOCKETS = "/run/containerize"
_BACKLOG = 1024


class Listener:
    """An open listening socket, which never blocks."""

    def __init__(self, sock: socket.socket, url: str, path: str = "") -> None:
        self.url = url
        self._sock = sock
        self._path = path
        sock.settimeout(0)

    def fileno(self) -> int:
        """Return the descriptor."""
        return self._sock.fileno()

    def accept(self) -> tuple[socket.socket, str] | None:
        """Return a connection and its client's name; None when there is none just now."""
        try:
            sock, address = self._sock.accept()
        except OSError:
            return None
        sock.settimeout(0)
        if not isinstance(address, tuple):
            return sock, "unix"
        with contextlib.suppress(OSError):
            sock.setsockopt(socket.IPPROTO_TCP, socket.TCP_NODELAY, 1)
        return sock, f"{address[0].removeprefix('::ffff:')}:{address[1]}"

    def close(self) -> None:
        """Stop listening."""
        self._sock.close()
        if self._path:
            with contextlib.suppress(OSError):
                os.unlink(self._path)


def open_listener(settings: Settings) -> Listener:
    """Listen where the settings say. Errors: `CannotStart`."""
    folder = os.environ.get("CONTAINERIZE_SOCKETS", SOCKETS)
    if os.path.isdir(folder):
        return _unix(os.path.join(folder, str(settings.port)))
    return _tcp(settings.host, settings.port)


def _unix(path: str) -> Listener:
    sock = socket.socket(socket.AF_UNIX, socket.SOCK_STREAM)
    try:
        with contextlib.suppress(FileNotFoundError):
            os.unlink(path)  # of a run before this one
        sock.bind(path)
        sock.listen(_BACKLOG)
    except OSError as error:
        raise CannotStart(f"The UNIX socket {path} cannot be opened: {error.strerror}.") from error
    return Listener(sock, f"unix:{path}", path)


def _tcp(host: str, port: int) -> Listener:
    try:
        if host:
            family = socket.AF_INET6 if ":" in host else socket.AF_INET
            sock = socket.create_server((host, port), family=family, backlog=_BACKLOG)
        else:
            sock = _every_address(port)
    except OSError as error:
        why = {
            errno.EADDRINUSE: "another program listens there",
            errno.EACCES: "ports below 1024 need root",
        }.get(error.errno or 0, error.strerror or str(error))
        raise CannotStart(
            f"Port {port} cannot be opened: {why}. Set CONTAINERIZE_PORT to another one."
        ) from error
    number = sock.getsockname()[1]
    shown = f"[{host}]" if ":" in host else host or "0.0.0.0"  # noqa: S104 - told, not bound
    return Listener(sock, f"http://{shown}:{number}")


def _every_address(port: int) -> socket.socket:
    """Listen on IPv6 and IPv4 at once where this container has both."""
    if socket.has_dualstack_ipv6():
        with contextlib.suppress(OSError):
            return socket.create_server(
                ("::", port), family=socket.AF_INET6, backlog=_BACKLOG, dualstack_ipv6=True
            )
    return socket.create_server(("0.0.0.0", port), backlog=_BACKLOG)  # noqa: S104 - a service's port
