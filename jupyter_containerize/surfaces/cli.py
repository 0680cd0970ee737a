"""`jupyter containerize …`: parse, do it here (the command line is its own worker), show it.

Progress and findings go to standard error; results and the output of runs to standard
output. Exit codes: 0, 1 for a failure, 2 for a command line that cannot be understood, 130
when interrupted; `run` gives the exit code of what ran.
"""

from __future__ import annotations

import argparse
import json
import os
import signal
import sys
import threading
from collections.abc import Sequence
from types import FrameType
from typing import Any

from ..errors import ContainerizeError
from ..model.codec import to_json
from ..model.event import Event, Failed, Result
from ..model.request import Request
from .arguments import parser
from .config import settings
from .render.blocks import error_notices
from .render.live import Live, standard_streams, style_for
from .render.results import blocks
from .render.text import render
from .requests import request_of

FAILURE = 1
USAGE = 2
INTERRUPTED = 130
_RUNS = ("run", "build", "serve")


def main(arguments: Sequence[str] | None = None) -> int:
    """Run one command line and return its exit code."""
    words = list(sys.argv[1:] if arguments is None else arguments)
    standard_streams()
    signal.signal(signal.SIGTERM, _interrupt)
    try:
        args, request = _understand(words)
        return _perform(args, request)
    except ContainerizeError as error:
        _show_error(error.to_json(), as_json="--json" in words)
        return USAGE
    except SystemExit as done:  # --help and --version have said what they had to say
        return int(done.code or 0)
    except BrokenPipeError:
        os.dup2(os.open(os.devnull, os.O_WRONLY), sys.stdout.fileno())
        return FAILURE
    except KeyboardInterrupt:
        return INTERRUPTED


def _understand(words: list[str]) -> tuple[argparse.Namespace, Request]:
    top = parser()
    args = top.parse(words or ["--help"])
    if args.command is None:
        top.error("a command is missing")
    return args, request_of(args, settings())


def _perform(args: argparse.Namespace, request: Request) -> int:
    from ..workflow import conclude  # noqa: PLC0415 - `--help` and usage errors need none of it

    if args.json:
        last = conclude(args.command, request, emit=_print_event)
        _print_event(last)
    else:
        with Live(sys.stderr, logs=sys.stdout) as live:
            last = conclude(args.command, request, emit=live.emit)
        _show_last(args.command, last)
    return exit_code(args.command, last)


def _show_last(command: str, last: Event) -> None:
    if isinstance(last, Failed):
        _show_error(last.error, as_json=False)
    elif isinstance(last, Result):
        text = render(blocks(command, last.data), style_for(sys.stdout))
        if text:
            print(text, flush=True)


def exit_code(command: str, last: Event) -> int:
    """Return the exit code for a command's last event."""
    if isinstance(last, Failed):
        return INTERRUPTED if last.error["code"] == "interrupted" else FAILURE
    data: Any = last.data if isinstance(last, Result) else {}
    run = data.get("run") or {}
    verdict = data.get("verdict") or {}
    if command in _RUNS:
        code = _code_of(run)
        if code:
            return code
    return FAILURE if verdict.get("state") == "failed" else 0


def _code_of(run: dict[str, Any]) -> int:
    """Return a run's exit code; a run that ended badly without one is a failure."""
    if run.get("exit_code"):
        return int(run["exit_code"]) & 0xFF or FAILURE
    return FAILURE if run.get("state") in ("failed", "lost") else 0


_PRINTING = threading.Lock()


def _print_event(event: Event) -> None:
    """Print one event as one whole line: builders emit from several threads."""
    line = json.dumps(to_json(event)) + "\n"
    with _PRINTING:
        sys.stdout.write(line)  # in one call: an interrupt comes before it or after it
        sys.stdout.flush()


def _show_error(error: dict[str, Any], *, as_json: bool) -> None:
    if as_json:
        _print_event(Failed(error))
        return
    print(render(error_notices(error), style_for(sys.stderr)), file=sys.stderr, flush=True)


def _interrupt(number: int, frame: FrameType | None) -> None:
    """SIGTERM stops as cleanly as Ctrl-C."""
    del number, frame
    raise KeyboardInterrupt
