"""How long a server may be silent before we give up on it."""

from __future__ import annotations

import time

from .connection import PATIENCE_S, Connection
from .problems import unreachable


class Away:
    """The silence of a server, as one stream hears it.

    Only silence counts: balancers cut what is idle after 20 s to minutes, again and again, and a
    server that answers each new try is not away, however long there is nothing to tell.
    """

    def __init__(self, connection: Connection) -> None:
        self._host = connection.host
        self._since: float | None = None

    def answered(self) -> None:
        """Note that the server has answered."""
        self._since = None

    def failed(self) -> bool:
        """Note that it has not; return True when that has lasted too long."""
        self._since = self._since or time.monotonic()
        return time.monotonic() - self._since > PATIENCE_S

    def endure(self, error: BaseException) -> None:
        """Note a failed try. Errors: `cluster-unreachable` when they have lasted too long."""
        if self.failed():
            raise unreachable(self._host, error) from error
