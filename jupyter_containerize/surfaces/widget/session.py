"""What the widget knows and can do, without anything that draws it.

One session a kernel. Each action starts at most one worker and returns at once; a thread
follows the worker's events, and whoever draws is told that something has changed. All
methods may be called from any thread.
"""

from __future__ import annotations

import contextlib
import shlex
import shutil
import tempfile
import threading
import time
from collections.abc import Callable, Mapping, Sequence
from enum import Enum
from typing import Any, Protocol

from ... import worker
from ...errors import ContainerizeError, interrupted
from ...model.event import Event, Failed, LogLine, Result, StepStarted
from ...model.plan import SERVICE_PORT
from ...model.request import Request
from ..render.bars import Bars
from ..render.fixes import Fix
from ..render.progress import Standing
from . import service
from .log import Log

Data = Mapping[str, Any]
#: Options of a build that its runs take too.
_FOR_RUNS = frozenset({"--mount"})
_BUILDS = ("build", "serve")
_FAILED = ("failed", "lost")
_ENDED = ("succeeded", "stopped", *_FAILED)
_POLL_S = 0.2


class Action(Enum):
    """What the primary button does next."""

    BUILD = "build"
    RUN = "run"
    OPEN = "open"


class Kernel(Protocol):
    """What only the kernel knows, read between two of its cells."""

    def complete(self, request: Request, folder: str, cancelled: threading.Event) -> Request:
        """Return `request` with the kernel's record, and what it serves, written into `folder`.

        It may wait for a cell to end, until `cancelled` is set. Errors: `interrupted`.
        """

    def servable(self) -> Mapping[str, str]:
        """Return the names of objects that can be served, as of the last record, with their kind."""


class Session:
    """The state of one notebook's way into a container.

    `ask(words)` gives the request that the words of a command line mean, `kernel` completes it
    with what only the kernel knows, `start` starts a worker on it.
    """

    def __init__(
        self,
        *,
        ask: Callable[[Sequence[str]], Request],
        kernel: Kernel,
        start: Callable[[str, Request], worker.Worker] = worker.start,
    ) -> None:
        self._ask, self._kernel, self._start = ask, kernel, start
        self.lock = threading.RLock()
        self._listeners: list[Callable[[], None]] = []
        self._worker: worker.Worker | None = None
        self._cancelled = threading.Event()
        self._thread: threading.Thread | None = None
        self.words: tuple[str, ...] = ()
        self.busy = ""
        self.waiting = False
        self.cancels = 0
        self.standing = Standing()
        self.step_since = 0.0
        self.bars = Bars()
        self.log = Log()
        self.plan: Data | None = None
        self.image: Data | None = None
        self.run: Data | None = None
        self.verdict: Data | None = None
        self.error: Data | None = None
        self.failed = ""
        self.opened = False
        self.target = self.example = ""
        self.artifact: Data | None = None
        self.ready = False
        self._follower: worker.Worker | None = None

    # -- what there is to see -------------------------------------------------------------

    def listen(self, listener: Callable[[], None]) -> None:
        """Call `listener` (quick, from any thread) whenever something has changed."""
        self._listeners.append(listener)

    def forget(self, listener: Callable[[], None]) -> None:
        """Stop calling `listener`."""
        with contextlib.suppress(ValueError):
            self._listeners.remove(listener)

    @property
    def next(self) -> Action:
        """What the primary button does next."""
        if self.image is None:
            return Action.BUILD
        ended = _ENDED if self.serves else _FAILED
        if self.run is None or self.run["state"] in ended:
            return Action.RUN
        return Action.OPEN

    @property
    def serves(self) -> bool:
        """True when the image is, or is to be, one that answers until it is stopped."""
        return bool(self.target)

    @property
    def running(self) -> bool:
        """True while a service runs."""
        return self.run is not None and self.run["state"] not in _ENDED

    @property
    def servable(self) -> Mapping[str, str]:
        """The names of objects in the kernel that can be served, with their kind."""
        return self._kernel.servable()

    @property
    def command(self) -> str:
        """The command that does the same as the next build."""
        return shlex.join(["%containerize", *self._build_words()])

    # -- what can be done -----------------------------------------------------------------

    def look(self) -> None:
        """Capture and plan, so that there is something to see before a build."""
        self._begin("plan", lambda stack: self._captured(["plan", *self.words], stack))

    def build(self, *, prove: bool = False) -> None:
        """Build the image of the kernel as it is now; with `prove` also run and verify it.

        An image that serves is always proven.
        """
        words = self._build_words()
        if prove and not self.serves:
            words += ["--run", "--verify"]
        self._begin(words[0], lambda stack: self._captured(words, stack))

    def choose(self, target: str, example: str = "") -> None:
        """Make an image that serves `target` (a name, asked with `example`), "" for the cells."""
        with self.lock:
            if self.busy or (target, example) == (self.target, self.example):
                return
            if target != self.target:
                self.image = self.run = self.verdict = self.error = self.artifact = None
            self.target, self.example = target, example
        self._tell()

    def start_run(self, parameters: Mapping[str, str] | None = None) -> None:
        """Run the image: a proof too, unless `parameters` differ from the notebook's own."""
        image = self.image
        if image is None:
            return
        if self.serves:
            words = [
                image["digest"],
                "-d",
                "--port",
                f"0:{SERVICE_PORT}",
                *_pairs(self.words, _FOR_RUNS),
            ]
            self._begin("run", lambda _: self._ask(["run", *words]))
            return
        changed = self._changed_parameters(parameters or {})
        words = [image["digest"], *_pairs(self.words, _FOR_RUNS)]
        for name, value in changed.items():
            words += ["-p", f"{name}={value}"]
        command = "run" if changed else "verify"
        self._begin(command, lambda _: self._ask([command, *words]))

    def mend(self, fix: Fix) -> None:
        """Add a fix to the options, and do again what failed or should be seen again."""
        with self.lock:
            if self.busy:
                return
            proven = self.verdict is not None
            self.words = (*self.words, *fix.words)
        if proven:
            self.build(prove=True)
        elif self.failed in ("build", "serve") or self.image is not None:
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
        self._tell()

    def stop(self) -> None:
        """Stop the service that runs."""
        if self.running and self.run is not None:
            words = ["stop", self.run["id"]]
            self._begin("stop", lambda _: self._ask(words))

    def close(self) -> None:
        """Stop what is in work and stop following; a service goes on."""
        self.cancel()
        with self.lock:
            if self._follower is not None:
                self._follower.cancel()

    def cancel(self) -> None:
        """Stop what is in work; asked again, end it at once."""
        with self.lock:
            if not self.busy:
                return
            self.cancels += 1
            self._cancelled.set()
            if self._worker is not None:
                self._worker.cancel() if self.cancels == 1 else self._worker.kill()
        self._tell()

    def wait(self, timeout_s: float | None = None) -> bool:
        """Wait until nothing is in work; tell whether that is so."""
        thread = self._thread
        if thread is not None:
            thread.join(timeout_s)
        return not self.busy

    # -- how it is done -------------------------------------------------------------------

    def _begin(self, command: str, make: Callable[[contextlib.ExitStack], Request]) -> None:
        with self.lock:
            if self.busy:
                return
            self.busy, self.cancels, self.error, self.failed = command, 0, None, ""
            self.standing, self.opened = Standing(), False
            self._cancelled = threading.Event()
            if command in _BUILDS:
                self.bars.expect(self.plan["layers"] if self.plan and not self.serves else ())
                self.image = self.run = self.verdict = None
            if command in (*_BUILDS, "run", "verify"):
                self.run, self.log, self.ready = None, Log(), False
            if command in ("run", "verify") and not self.serves:
                self.verdict = None
            self._thread = threading.Thread(
                target=self._work, args=(command, make), name="containerize-work", daemon=True
            )
        self._thread.start()
        self._tell()

    def _work(self, command: str, make: Callable[[contextlib.ExitStack], Request]) -> None:
        last: Event
        try:
            with contextlib.ExitStack() as stack:
                last = self._followed(command, make(stack))
                if isinstance(last, Result) and command in _BUILDS:
                    self._describe(last.data["image"]["digest"])
        except ContainerizeError as error:
            last = Failed(error.to_json())
        except Exception as error:  # noqa: BLE001 - a thread that dies silently shows an endless spinner
            problem = ContainerizeError(
                "internal-error",
                what=f"`{command}` met a mistake of jupyter-containerize itself.",
                why=f"{type(error).__name__}: {error}",
                fix="Please report it, with what led here.",
            )
            last = Failed(problem.to_json())
        with self.lock:
            self.standing.stop()
            self._worker = None
            self.busy, self.waiting = "", False
            if isinstance(last, Result):
                self._take_result(command, last.data)
            elif isinstance(last, Failed):
                self.error, self.failed = last.error, command
        self._tell()
        if command == "run" and self.running:
            for work in (self._follow, self._wait_until_ready):
                threading.Thread(
                    target=work, args=(self.run,), name="containerize-follow", daemon=True
                ).start()

    def _followed(self, command: str, request: Request) -> Event:
        """Let a worker do it, take its events, and return the last one."""
        with self.lock:
            if self._cancelled.is_set():
                raise interrupted(command)
            started = self._worker = self._start(command, request)
        last: Event = Failed({})
        for event in started.events():
            with self.lock:
                if isinstance(event, StepStarted):
                    self.step_since = time.monotonic()
                self.standing.take(event)
                self.bars.take(event)
                if isinstance(event, LogLine):
                    self.log.write(event.text)
            self._tell()
            last = event
        return last

    def _describe(self, digest: str) -> None:
        """Show what is in the image: the kernel may have gone on since the last look."""
        described = self._followed("inspect", self._ask(["inspect", digest]))
        if isinstance(described, Result):
            with self.lock:
                self.plan = described.data

    def _take_result(self, command: str, data: Any) -> None:
        if command == "plan":
            self.plan = data
            return
        if data.get("image"):
            self.image = data["image"]
        self.run = data.get("run") or self.run
        self.verdict = data.get("verdict")

    def _build_words(self) -> list[str]:
        if not self.serves:
            return ["build", *self.words]
        example = ["--example", self.example] if self.example else []
        return ["serve", self.target, *example, *self.words]

    def _captured(self, words: Sequence[str], stack: contextlib.ExitStack) -> Request:
        """Return the request that `words` mean, completed by the kernel."""
        request = self._ask(words)
        folder = tempfile.mkdtemp(prefix="containerize-")
        stack.callback(shutil.rmtree, folder, ignore_errors=True)
        with self.lock:
            self.waiting = True
        self._tell()
        request = self._kernel.complete(request, folder, self._cancelled)
        with self.lock:
            self.waiting = False
            if self.serves:
                self.artifact = service.saved_artifact(folder)
        return request

    def _wait_until_ready(self, run: Data) -> None:
        """Note when the service answers, unless it ends before."""
        while self.running and self.run is not None and self.run["id"] == run["id"]:
            if service.is_ready(run["endpoint"]):
                with self.lock:
                    self.ready = True
                self._tell()
                return
            time.sleep(_POLL_S)

    def _follow(self, run: Data) -> None:
        """Take the log of the service that runs, and note its end."""
        with contextlib.suppress(ContainerizeError):
            with self.lock:
                log = self.log
                follower = self._follower = self._start(
                    "logs", self._ask(["logs", "-f", run["id"]])
                )
            for event in follower.events():
                with self.lock:
                    if isinstance(event, LogLine):
                        log.write(event.text)
                    elif isinstance(event, Result) and self.run and self.run["id"] == run["id"]:
                        self.run = event.data["run"]
                self._tell()

    def _changed_parameters(self, given: Mapping[str, str]) -> dict[str, str]:
        own = {one["name"]: one["default"] for one in (self.plan or {}).get("parameters", ())}
        return {name: value for name, value in given.items() if own.get(name) != value}

    def _tell(self) -> None:
        for listener in tuple(self._listeners):
            listener()


def _pairs(words: Sequence[str], wanted: frozenset[str]) -> list[str]:
    """Return the options in `wanted` with their values."""
    found: list[str] = []
    for place, word in enumerate(words[:-1]):
        if word in wanted:
            found += [word, words[place + 1]]
    return found
