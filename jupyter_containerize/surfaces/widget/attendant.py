"""Attends to a service that runs: when it answers, what it writes, when it ends."""

from __future__ import annotations

import contextlib
import threading
import time
from collections.abc import Callable, Mapping
from typing import Any

from ... import worker
from ...errors import ContainerizeError
from ...model.event import LogLine, Result
from . import service
from .state import State

_POLL_S = 0.2


class Attendant:
    """Keeps a state up to date with each service that comes, in threads of its own.

    `follow(run id)` starts a worker on the run's log.
    """

    def __init__(self, state: State, follow: Callable[[str], worker.Worker]) -> None:
        self._state, self._start = state, follow
        self._follower: worker.Worker | None = None
        self._attended = ""
        state.listen(self._look)

    def _look(self) -> None:
        with self._state.lock:
            run = self._state.run
            if run is None or not self._state.running or run["id"] == self._attended:
                return
            self._attended = run["id"]
        for work in (self._follow, self._wait_until_ready):
            threading.Thread(
                target=work, args=(run,), name="containerize-follow", daemon=True
            ).start()

    def leave(self) -> None:
        """Stop following; the service goes on."""
        with self._state.lock:
            if self._follower is not None:
                self._follower.cancel()

    def _is(self, run: Mapping[str, Any]) -> bool:
        """Tell whether the state is still about this run."""
        return self._state.run is not None and self._state.run["id"] == run["id"]

    def _wait_until_ready(self, run: Mapping[str, Any]) -> None:
        while self._state.running and self._is(run):
            if service.is_ready(run["endpoint"]):
                with self._state.lock:
                    self._state.ready = True
                self._state.tell()
                return
            time.sleep(_POLL_S)

    def _follow(self, run: Mapping[str, Any]) -> None:
        with contextlib.suppress(ContainerizeError):
            with self._state.lock:
                log = self._state.log
                follower = self._follower = self._start(run["id"])
            for event in follower.events():
                with self._state.lock:
                    if isinstance(event, LogLine):
                        log.write(event.text)
                    elif isinstance(event, Result) and self._is(run):
                        self._state.run = event.data["run"]
                self._state.tell()
