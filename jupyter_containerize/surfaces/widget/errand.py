"""One command at a time, done by a worker that a thread follows."""

from __future__ import annotations

import contextlib
import threading
from collections.abc import Callable

from ... import worker
from ...errors import ContainerizeError, interrupted
from ...model.event import Event, Failed
from ...model.request import Request
from .state import State

Start = Callable[[str, Request], worker.Worker]
#: Makes a command's request; what the request needs until its end is on the stack.
Make = Callable[[contextlib.ExitStack], Request]


class Errand:
    """Does commands for a state, which takes their events."""

    def __init__(self, state: State, start: Start) -> None:
        self._state, self._start = state, start
        self._worker: worker.Worker | None = None
        self._thread: threading.Thread | None = None
        self.cancelled = threading.Event()

    def begin(
        self, command: str, make: Make, then: Callable[[Event], None] = lambda _: None
    ) -> None:
        """Begin a command and return at once; while another is in work, do nothing.

        `then` is called with the command's last event, before the state takes it.
        """
        state = self._state
        with state.lock:
            if state.busy:
                return
            state.begin(command)
            self.cancelled = threading.Event()
            self._thread = threading.Thread(
                target=self._work, args=(command, make, then), name="containerize-work", daemon=True
            )
        self._thread.start()
        state.tell()

    def cancel(self) -> None:
        """Stop what is in work; asked again, end it at once."""
        state = self._state
        with state.lock:
            if not state.busy:
                return
            state.cancels += 1
            self.cancelled.set()
            if self._worker is not None:
                self._worker.cancel() if state.cancels == 1 else self._worker.kill()
        state.tell()

    def wait(self, timeout_s: float | None = None) -> bool:
        """Wait until nothing is in work; tell whether that is so."""
        thread = self._thread
        if thread is not None:
            thread.join(timeout_s)
        return not self._state.busy

    def follow(self, command: str, request: Request) -> Event:
        """Let a worker do a command, let the state take its events, and return the last one.

        Only for what belongs to the command in work. Errors: `interrupted`.
        """
        state = self._state
        with state.lock:
            if self.cancelled.is_set():
                raise interrupted(command)
            started = self._worker = self._start(command, request)
        last: Event = Failed({})
        for event in started.events():
            with state.lock:
                state.take(event)
            state.tell()
            last = event
        return last

    def _work(self, command: str, make: Make, then: Callable[[Event], None]) -> None:
        last: Event
        try:
            with contextlib.ExitStack() as stack:
                last = self.follow(command, make(stack))
                then(last)
        except ContainerizeError as error:
            last = Failed(error.to_json())
        except Exception as error:  # noqa: BLE001 - a thread that dies silently shows an endless spinner
            last = Failed(_mistake(command, error).to_json())
        with self._state.lock:
            self._worker = None
            self._state.end(last)
        self._state.tell()


def _mistake(command: str, error: Exception) -> ContainerizeError:
    return ContainerizeError(
        "internal-error",
        what=f"`{command}` met a mistake of jupyter-containerize itself.",
        why=f"{type(error).__name__}: {error}",
        fix="Please report it, with what led here.",
    )
