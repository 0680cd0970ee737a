"""All that is known of one notebook's way into a container, and what each event makes of it."""

from __future__ import annotations

import contextlib
import threading
import time
from collections.abc import Callable, Mapping
from enum import Enum
from typing import Any

from ...model.event import Event, Failed, LogLine, Result, StepStarted
from ..forms import Answer, Field, fields
from ..render.bars import Bars
from ..render.progress import Standing
from .log import Log

Data = Mapping[str, Any]
BUILDS = ("build", "serve")
_RUNS = ("run", "verify")
_FAILED = ("failed", "lost")
#: What is asked for elsewhere in the widget, or makes no sense beside a living kernel.
_SHOWN = frozenset({"--example", "--parameter", "--kernel", "--no-execute", "--port"})
_ENDED = ("succeeded", "stopped", *_FAILED)


class Action(Enum):
    """What the primary button does next."""

    BUILD = "build"
    RUN = "run"
    OPEN = "open"


class State:
    """What there is to draw. `lock` guards it; `tell` says that it has changed."""

    def __init__(self) -> None:
        self.lock = threading.RLock()
        self._listeners: list[Callable[[], None]] = []
        #: Options that fixes have added to the next build.
        self.words: tuple[str, ...] = ()
        #: What was put into the form of further options, by the option's name.
        self.answers: dict[str, Answer] = {}
        #: The command in work, "" for none; whether it waits for a cell; how often it was cancelled.
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
        #: The last error, and the command that ended with it.
        self.error: Data | None = None
        self.failed = ""
        self.opened = False
        #: What an image is to serve and how it is asked, "" for one that runs the cells.
        self.target = self.example = ""
        self.artifact: Data | None = None
        self.ready = False

    # -- what follows from it -------------------------------------------------------------

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
    def builds(self) -> str:
        """The command that makes the image."""
        return "serve" if self.serves else "build"

    @property
    def options(self) -> tuple[Field, ...]:
        """The options of that command that have no place of their own in the widget."""
        return tuple(one for one in fields(self.builds) if one.option not in _SHOWN)

    @property
    def given(self) -> dict[str, Answer]:
        """The answers to those options."""
        known = {one.option for one in self.options}
        return {option: answer for option, answer in self.answers.items() if option in known}

    @property
    def running(self) -> bool:
        """True while a service runs."""
        return self.run is not None and self.run["state"] not in _ENDED

    # -- who wants to know ----------------------------------------------------------------

    def listen(self, listener: Callable[[], None]) -> None:
        """Call `listener` (quick, from any thread) whenever something has changed."""
        self._listeners.append(listener)

    def forget(self, listener: Callable[[], None]) -> None:
        """Stop calling `listener`."""
        with contextlib.suppress(ValueError):
            self._listeners.remove(listener)

    def tell(self) -> None:
        """Say that something has changed."""
        for listener in tuple(self._listeners):
            listener()

    # -- what happens ---------------------------------------------------------------------

    def begin(self, command: str) -> None:
        """Note that a command is in work: what it will make anew is not known any more."""
        self.busy, self.cancels, self.error, self.failed = command, 0, None, ""
        self.standing, self.opened = Standing(), False
        if command in BUILDS:
            self.bars.expect(self.plan["layers"] if self.plan and not self.serves else ())
            self.image = self.run = self.verdict = None
        if command in (*BUILDS, *_RUNS):
            self.run, self.log, self.ready = None, Log(), False
        if command in _RUNS and not self.serves:
            self.verdict = None

    def take(self, event: Event) -> None:
        """Take one event of the command in work."""
        if isinstance(event, StepStarted):
            self.step_since = time.monotonic()
        self.standing.take(event)
        self.bars.take(event)
        if isinstance(event, LogLine):
            self.log.write(event.text)

    def end(self, last: Event) -> None:
        """Note how the command in work ended."""
        command = self.busy
        self.standing.stop()
        self.busy, self.waiting = "", False
        if isinstance(last, Failed):
            self.error, self.failed = last.error, command
        elif isinstance(last, Result):
            self._take_result(command, last.data)

    def _take_result(self, command: str, data: Any) -> None:
        if command == "plan":
            self.plan = data
            return
        if data.get("image"):
            self.image = data["image"]
        self.run = data.get("run") or self.run
        self.verdict = data.get("verdict")
