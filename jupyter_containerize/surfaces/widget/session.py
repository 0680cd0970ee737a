"""What can be done with one notebook, without anything that draws it.

One session a kernel. Each action starts at most one worker and returns at once; whoever draws
is told that something has changed. All methods may be called from any thread.
"""

from __future__ import annotations

import contextlib
import shlex
import shutil
import tempfile
import threading
from collections.abc import Callable, Mapping, Sequence
from typing import Protocol

from ... import worker
from ...model.event import Event, Result
from ...model.request import Request
from ..forms import Answer
from ..render.fixes import Fix
from . import service
from .attendant import Attendant
from .errand import Errand, Start
from .state import BUILDS, State
from .wording import build_words, plan_words, run_words


class Kernel(Protocol):
    """What only the kernel knows, read between two of its cells."""

    def complete(self, request: Request, folder: str, cancelled: threading.Event) -> Request:
        """Return `request` with the kernel's record, and what it serves, written into `folder`.

        It may wait for a cell to end, until `cancelled` is set. Errors: `interrupted`.
        """

    def servable(self) -> Mapping[str, str]:
        """Return the names of objects that can be served, as of the last record, with their kind."""


class Session(State):
    """One notebook's way into a container: its state, and what the buttons do.

    `ask(words)` gives the request that the words of a command line mean, `kernel` completes it
    with what only the kernel knows, `start` starts a worker on it.
    """

    def __init__(
        self,
        *,
        ask: Callable[[Sequence[str]], Request],
        kernel: Kernel,
        start: Start = worker.start,
    ) -> None:
        super().__init__()
        self._ask, self._kernel = ask, kernel
        self._errand = Errand(self, start)
        self._attendant = Attendant(self, lambda run: start("logs", ask(["logs", "-f", run])))

    @property
    def servable(self) -> Mapping[str, str]:
        """The names of objects in the kernel that can be served, with their kind."""
        return self._kernel.servable()

    @property
    def command(self) -> str:
        """The command that does the same as the next build."""
        return shlex.join(["%containerize", *build_words(self)])

    def look(self) -> None:
        """Capture and plan, so that there is something to see before a build."""
        words = plan_words(self)
        self._errand.begin("plan", lambda stack: self._captured(words, stack))

    def build(self, *, prove: bool = False) -> None:
        """Build the image of the kernel as it is now; with `prove` also run and verify it."""
        words = build_words(self, prove=prove)
        self._errand.begin(words[0], lambda stack: self._captured(words, stack), self._describe)

    def choose(self, target: str, example: str = "") -> None:
        """Make an image that serves `target` (a name, asked with `example`), "" for the cells."""
        with self.lock:
            if self.busy or (target, example) == (self.target, self.example):
                return
            if target != self.target:
                self.image = self.run = self.verdict = self.error = self.artifact = None
            self.target, self.example = target, example
        self.tell()

    def answer(self, option: str, answer: Answer) -> None:
        """Take an answer to one of the further options; the next command heeds it."""
        with self.lock:
            self.answers[option] = answer
        self.tell()

    def start_run(self, parameters: Mapping[str, str] | None = None) -> None:
        """Run the image: a proof too, unless `parameters` differ from the notebook's own."""
        if self.image is not None:
            words = run_words(self, self.image, parameters or {})
            self._errand.begin(words[0], lambda _: self._ask(words))

    def mend(self, fix: Fix) -> None:
        """Add a fix to the options, and do again what failed or should be seen again."""
        with self.lock:
            if self.busy:
                return
            proven = self.verdict is not None
            self.words = (*self.words, *fix.words)
        if proven:
            self.build(prove=True)
        elif self.failed in BUILDS or self.image is not None:
            self.build()
        else:
            self.look()

    def undo(self) -> None:
        """Take all options out again."""
        with self.lock:
            if self.busy:
                return
            self.words = ()
        self.look()

    def open(self) -> None:
        """Show what the run left, or stop showing it."""
        with self.lock:
            self.opened = not self.opened
        self.tell()

    def stop(self) -> None:
        """Stop the service that runs."""
        if self.running and self.run is not None:
            words = ["stop", self.run["id"]]
            self._errand.begin("stop", lambda _: self._ask(words))

    def cancel(self) -> None:
        """Stop what is in work; asked again, end it at once."""
        self._errand.cancel()

    def wait(self, timeout_s: float | None = None) -> bool:
        """Wait until nothing is in work; tell whether that is so."""
        return self._errand.wait(timeout_s)

    def close(self) -> None:
        """Stop what is in work and stop following; a service goes on."""
        self.cancel()
        self._attendant.leave()

    # -- inside ---------------------------------------------------------------------------

    def _captured(self, words: Sequence[str], stack: contextlib.ExitStack) -> Request:
        """Return the request that `words` mean, completed by the kernel."""
        request = self._ask(words)
        folder = tempfile.mkdtemp(prefix="containerize-")
        stack.callback(shutil.rmtree, folder, ignore_errors=True)
        with self.lock:
            self.waiting = True
        self.tell()
        request = self._kernel.complete(request, folder, self._errand.cancelled)
        with self.lock:
            self.waiting = False
            if self.serves:
                self.artifact = service.saved_artifact(folder)
        return request

    def _describe(self, built: Event) -> None:
        """Show what is in the image: the kernel may have gone on since the last look."""
        if not isinstance(built, Result):
            return
        request = self._ask(["inspect", built.data["image"]["digest"]])
        described = self._errand.follow("inspect", request)
        if isinstance(described, Result):
            with self.lock:
                self.plan = described.data
