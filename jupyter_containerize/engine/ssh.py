"""Engines behind ssh: `ssh://[USER@]HOST[:PORT][/SOCKET]`, by the `ssh` command and its settings.

The SDK's own way needs paramiko, which has settings of its own. As for the `docker` command, what
`docker system dial-stdio` reads and writes over there is the connection.
Source: docker/cli, cli/connhelper.
"""

from __future__ import annotations

import http.client
import shlex
import socket
import subprocess
import tempfile
import threading
from typing import IO, Any
from urllib.parse import unquote, urlsplit

import requests.adapters
from urllib3.connection import HTTPConnection
from urllib3.connectionpool import HTTPConnectionPool

from .problems import SshFailedError

#: Nobody sees what ssh asks, so it fails instead.
_OPTIONS = ("-T", "-o", "BatchMode=yes", "-o", "ConnectTimeout=30")
_END_S = 10.0
_SAID_BYTES = 2000


def command(url: str) -> list[str]:
    """Return the command that connects its standard input and output to the engine at `url`."""
    place = urlsplit(url)
    words = ["ssh", *_OPTIONS]
    if place.username:
        words += ["-l", unquote(place.username)]
    if place.port:
        words += ["-p", str(place.port)]
    at = ["--host", f"unix://{place.path}"] if place.path.strip("/") else []
    return [*words, "--", place.hostname or "", shlex.join(["docker", *at, "system", "dial-stdio"])]


class SshAdapter(requests.adapters.HTTPAdapter):
    """What a session of requests sends through: every connection is an `ssh` of its own."""

    def __init__(self, url: str) -> None:
        self._pool = _Pool(command(url))
        super().__init__()

    def get_connection_with_tls_context(self, *_: Any, **__: Any) -> HTTPConnectionPool:
        """Return the one pool, whatever the URL."""
        return self._pool

    get_connection = get_connection_with_tls_context  # older requests ask this one

    def request_url(self, request: Any, proxies: Any) -> str:
        """Return the path alone: there is no proxy on the way."""
        del proxies
        return str(request.path_url)

    def close(self) -> None:
        """Let go of idle connections."""
        self._pool.close()
        super().close()


class _Pool(HTTPConnectionPool):
    def __init__(self, words: list[str]) -> None:
        super().__init__("localhost", maxsize=10)
        self._words = words

    def _new_conn(self) -> HTTPConnection:
        return _Connection(self._words)


class _Connection(HTTPConnection):
    def __init__(self, words: list[str]) -> None:
        super().__init__("localhost")
        self._words = words
        self._process: subprocess.Popen[bytes] | None = None
        self._said: IO[bytes] | None = None

    def connect(self) -> None:
        """Start `ssh`; whether it gets there shows when an answer is read."""
        ours, theirs = socket.socketpair()
        said = tempfile.TemporaryFile()  # noqa: SIM115 - as long as the connection
        with theirs:
            try:
                # A session of its own: Ctrl-C is for us, and no question goes to a terminal.
                process = subprocess.Popen(
                    self._words,
                    stdin=theirs.fileno(),
                    stdout=theirs.fileno(),
                    stderr=said,
                    start_new_session=True,
                )
            except OSError as error:
                ours.close()
                raise SshFailedError(f"ssh cannot be started: {error.strerror}") from error
        # It ends with our end of the pair; the thread keeps it from staying a zombie.
        threading.Thread(target=process.wait, daemon=True).start()
        self.sock, self._process, self._said = ours, process, said

    def getresponse(self) -> Any:
        """Return the answer. Errors: `SshFailedError` where ssh has ended instead."""
        try:
            return super().getresponse()
        except (http.client.BadStatusLine, ConnectionError) as error:
            raise SshFailedError(self._why() or str(error)) from error

    def _why(self) -> str:
        if self._process is None or self._said is None:
            return ""
        try:
            self._process.wait(_END_S)
        except subprocess.TimeoutExpired:
            return ""
        self._said.seek(0)
        return self._said.read(_SAID_BYTES).decode(errors="replace").strip()
