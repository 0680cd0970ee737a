"""`%containerize`: the same commands as `jupyter containerize`, from inside the kernel.

Little is imported here, and nothing heavy runs: the probe records, a worker process does
the rest, this module draws what the worker tells.
"""

from __future__ import annotations

import contextlib
import dataclasses
import json
import os
import shlex
import shutil
import sys
import tempfile
from typing import Any, Protocol

from traitlets.config import Config

from .. import worker
from ..capture import injection, probe
from ..errors import ContainerizeError, interrupted
from ..model.codec import to_json
from ..model.event import Event, Failed, Result
from ..model.request import (
    BuildRequest,
    ImageRequest,
    Request,
    RunRequest,
    ServeRequest,
    VerifyRequest,
)
from .arguments import MAGIC, parser
from .config import Containerize, load_file_config, settings
from .render.blocks import error_notices
from .render.live import Live, style_for
from .render.results import blocks
from .render.text import Style, render
from .requests import request_of

NAME = "containerize"
_PLACE = "_containerize_magic"


class ContainerizeFailed(Exception):  # noqa: N818 - the name is what the cell shows
    """Ends a cell as failed, so that "Run all" and nbclient stop, without our traceback."""

    def __init__(self, error: dict[str, Any], *, shown: bool) -> None:
        super().__init__(f"{error['what']} [{error['code']}]")
        self._error = error
        self._shown = shown

    def _render_traceback_(self) -> list[str]:
        """Return what IPython shows in place of a traceback."""
        if self._shown:
            return [str(self)]
        return [render(error_notices(self._error), Style())]


class Clickable(Protocol):
    """What the magic shows when no command is given, where the front end can (`surfaces.widget`)."""

    def can_show(self, shell: Any) -> bool:
        """Tell whether it can be shown."""

    def show(self, shell: Any, settings: Containerize) -> None:
        """Show it under the current cell."""

    def forget(self, shell: Any) -> None:
        """Take it away."""


class ContainerizeMagic:
    """The magic of one shell."""

    def __init__(
        self, shell: Any, defaults: Containerize, clickable: Clickable | None = None
    ) -> None:
        self.shell = shell
        self.defaults = defaults
        self.clickable = clickable
        self._last_image = ""

    def __call__(self, line: str) -> Any:
        """Run one `%containerize …` line; a sweep returns its table. Errors: `ContainerizeFailed`."""
        try:
            return self._run(line)
        except ContainerizeError as error:
            failure = self._failed(error.to_json())
        except KeyboardInterrupt:
            failure = self._failed(interrupted(f"{MAGIC} {line}".strip()).to_json())
        except SystemExit:  # --help and --version have said what they had to say
            return None
        raise failure

    def _run(self, line: str) -> Any:
        words = split(line)
        if not words and self._clicks():
            return None
        if not words or (
            words[0].startswith("-") and words[0] not in ("-h", "--help", "--version")
        ):
            words.insert(0, "build")
        args = parser(magic=True).parse(words)
        with contextlib.ExitStack() as stack:
            asked = request_of(args, self.defaults)
            prepared = stack.enter_context(worker.prepare(args.command))
            request = self._completed(asked, stack)
            last = self._work(prepared, request, as_json=bool(args.json))
        if isinstance(last, Failed):
            raise ContainerizeError.from_json(last.error)
        if isinstance(last, Result):
            self._finish(args.command, last.data, as_json=bool(args.json))
            return _frame(last.data.get("sweep"))
        return None

    def _clicks(self) -> bool:
        """Show what can be clicked on, if that is possible here and wanted."""
        clickable = self.clickable
        if clickable is None or not self.defaults.widget or not clickable.can_show(self.shell):
            return False
        clickable.show(self.shell, self.defaults)
        return True

    def _completed(self, request: Request, stack: contextlib.ExitStack) -> Request:
        """Add what only the kernel knows: its own record, and the image it built last."""
        if isinstance(request, RunRequest | VerifyRequest | ImageRequest) and not request.image:
            return dataclasses.replace(request, image=self._last_image)
        if isinstance(request, ServeRequest):
            return self._with_object(request, stack)
        if not isinstance(request, BuildRequest):
            return request
        record = probe.record(self.shell)  # type: ignore[no-untyped-call] # it reads as Python 3.8
        own = record["session"]["notebook_path"]
        if request.notebook and not (own and _same_file(own, request.notebook)):
            return request  # another notebook: its own kernel is started for it
        folder = tempfile.mkdtemp(prefix="containerize-")
        stack.callback(shutil.rmtree, folder, ignore_errors=True)
        path = os.path.join(folder, "record.json")
        with open(path, "w", encoding="ascii") as file:
            file.write(json.dumps(record))
        return dataclasses.replace(request, notebook=own, record=path)

    def _with_object(self, request: ServeRequest, stack: contextlib.ExitStack) -> Request:
        """Save what the expression names, and add the kernel's record."""
        folder = tempfile.mkdtemp(prefix="containerize-")
        stack.callback(shutil.rmtree, folder, ignore_errors=True)
        settings = {"batches": request.batches}
        exec(injection.saving_code(folder, request.expression, request.example, settings), {})  # noqa: S102 - our own text
        record = probe.record(self.shell)  # type: ignore[no-untyped-call] # it reads as Python 3.8
        path = os.path.join(folder, "record.json")
        with open(path, "w", encoding="ascii") as file:
            file.write(json.dumps(record))
        notebook = record["session"]["notebook_path"]
        return dataclasses.replace(request, notebook=notebook, record=path, saved=folder)

    def _work(self, prepared: worker.Prepared, request: Request, *, as_json: bool) -> Event:
        """Let a worker do it, draw its events, and return the last one."""
        with self._display(as_json=as_json) as emit:
            started = prepared.begin(request)
            try:
                return _drain(started, emit)
            except KeyboardInterrupt:
                started.cancel()
                try:
                    return _drain(started, emit)
                except KeyboardInterrupt:
                    started.kill()
                    return _drain(started, emit)

    @contextlib.contextmanager
    def _display(self, *, as_json: bool) -> Any:
        if as_json:
            yield lambda event: print(json.dumps(to_json(event)))
        elif self._rich:
            from .render.display import NotebookDisplay  # noqa: PLC0415 - only where there is one

            drawn = NotebookDisplay()
            try:
                yield drawn.emit
            finally:
                drawn.finish()
        else:
            with Live(sys.stdout) as live:
                yield live.emit

    @property
    def _rich(self) -> bool:
        """True where a front end shows HTML."""
        return getattr(self.shell, "kernel", None) is not None

    def _finish(self, command: str, data: Any, *, as_json: bool) -> None:
        if command in ("build", "serve"):
            self._last_image = data["image"]["digest"]
        if not as_json:
            self._show(blocks(command, data))
        problem = _ended_badly(data)
        if problem is not None:
            raise ContainerizeFailed(problem, shown=True)

    def _show(self, parts: list[Any]) -> None:
        if not parts:
            return
        if self._rich:
            from .render.display import show  # noqa: PLC0415 - only where HTML is shown

            show(parts)
        else:
            print(render(parts, style_for(sys.stdout)))

    def _failed(self, error: dict[str, Any]) -> ContainerizeFailed:
        error = _as_magic(error)
        if self._rich:
            self._show(list(error_notices(error)))
        return ContainerizeFailed(error, shown=self._rich)


def _frame(rows: list[dict[str, Any]] | None) -> Any:
    """Return a sweep's rows as a pandas frame; as they are where the kernel has no pandas."""
    if not rows:
        return None
    try:
        import pandas as pd  # noqa: PLC0415 - only for a sweep, and only if it is there
    except ImportError:
        return rows
    return pd.DataFrame(rows)


def _as_magic(error: dict[str, Any]) -> dict[str, Any]:
    """Return an error whose sentences name the magic where they name the command."""
    said = {
        key: value.replace("jupyter containerize ", f"{MAGIC} ")
        if isinstance(value, str)
        else value
        for key, value in error.items()
    }
    return {**said, "also": [_as_magic(other) for other in error.get("also", ())]}


def _drain(started: worker.Worker, emit: Any) -> Event:
    last: Event | None = None
    for event in started.events():
        last = event
        emit(event)
    if last is None:
        raise RuntimeError("a worker's events always end with a last one")
    return last


def _ended_badly(data: Any) -> dict[str, Any] | None:
    """Return an error for a run or a proof that failed: the cell must count as failed."""
    run = data.get("run") if isinstance(data, dict) else None
    verdict = data.get("verdict") if isinstance(data, dict) else None
    if run and run["state"] in ("failed", "lost"):
        return {"code": "run-failed", "what": f"Run {run['id']} {run['state']}."}
    if verdict and verdict["state"] == "failed":
        return {"code": "not-verified", "what": "The image does not do what the notebook did."}
    return None


def split(line: str) -> list[str]:
    """Split a magic's line as a shell would. Errors: `usage`."""
    try:
        return shlex.split(line)
    except ValueError as error:
        raise ContainerizeError(
            "usage", what=f"`{MAGIC} {line}` cannot be read.", why=f"{error}.".capitalize()
        ) from error


def complete(shell: Any, event: Any) -> list[str]:
    """Return what may follow on a `%containerize` line: commands, then options."""
    del shell
    words = event.line.split()[1:]
    top = parser(magic=True)
    commands = top.subcommands()
    if not words or (len(words) == 1 and not event.line.endswith(" ")):
        return [*commands, *top.options()]
    return commands[words[0]].options() if words[0] in commands else []


def _same_file(one: str, other: str) -> bool:
    try:
        return os.path.samefile(one, other)
    except OSError:
        return False


def load(shell: Any, clickable: Clickable | None = None) -> None:
    """Install probe, magic, settings and completion in a shell; once is enough."""
    if getattr(shell, _PLACE, None) is not None:
        return
    probe.install(shell)  # type: ignore[no-untyped-call] # as above
    config = Config()
    config.merge(load_file_config())
    config.merge(shell.config)
    defaults = settings(config, parent=None)
    magic = ContainerizeMagic(shell, defaults, clickable)
    shell.configurables.append(defaults)
    shell.register_magic_function(magic.__call__, "line", NAME)
    shell.set_hook("complete_command", complete, str_key=MAGIC)
    setattr(shell, _PLACE, magic)


def unload(shell: Any) -> None:
    """Take it all out again."""
    magic = getattr(shell, _PLACE, None)
    if magic is None:
        return
    setattr(shell, _PLACE, None)
    if magic.clickable is not None:
        magic.clickable.forget(shell)
    shell.configurables.remove(magic.defaults)
    shell.magics_manager.magics["line"].pop(NAME, None)
    probe.uninstall(shell)  # type: ignore[no-untyped-call] # as above
