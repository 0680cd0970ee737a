"""Joins the steps and emits events; nothing else. Every surface calls it.

Each command is a function `(request, *, emit) -> JSON-able result` in the module named
below, imported when it is first asked for: `ls` must not wait for what `build` imports.
"""

from __future__ import annotations

import contextlib
import importlib
import platform
import tempfile
import traceback
from typing import Any

from ..errors import ContainerizeError, interrupted
from ..model.event import Emit, Event, Failed, Result
from ..model.request import Request

_MODULES = {
    "build": "building",
    "plan": "building",
    "serve": "serving",
    "run": "running",
    "runs": "running",
    "logs": "running",
    "outputs": "running",
    "update": "deploying",
    "scale": "deploying",
    "history": "deploying",
    "rollback": "deploying",
    "forward": "deploying",
    "export": "deploying",
    "stop": "running",
    "verify": "proving",
    "ls": "images",
    "rm": "images",
    "tag": "images",
    "push": "pushing",
    "gc": "images",
    "validate": "images",
    "inspect": "contents",
    "diff": "differences",
    "doctor": "doctor",
}

_LINUX_ONLY = ("build", "plan", "serve", "run", "verify")


def load(command: str) -> None:
    """Import what `command` needs, ahead of its request; what cannot be imported is told then."""
    with contextlib.suppress(ImportError, KeyError):
        importlib.import_module(f".{_MODULES[command]}", __name__)


def perform(command: str, request: Request, *, emit: Emit) -> Any:
    """Do `command` and return its JSON-able result. Errors: any `ContainerizeError`."""
    _refuse_other_systems(command, request)
    module = importlib.import_module(f".{_MODULES[command]}", __name__)
    return getattr(module, command)(request, emit=emit)


def conclude(command: str, request: Request, *, emit: Emit) -> Event:
    """Do `command` and return its last event, `Result` or `Failed`; raises nothing."""
    try:
        return Result(command, perform(command, request, emit=emit))
    except ContainerizeError as error:
        return Failed(error.to_json())
    except KeyboardInterrupt:
        return Failed(interrupted(command).to_json())
    except Exception as error:  # noqa: BLE001 - a bug of ours is shown as an error, not as a traceback
        return Failed(_crash(command, error).to_json())


def _refuse_other_systems(command: str, request: Request) -> None:
    """Say before any work begins what does not work here. Errors: `system-not-supported`."""
    system = platform.system()
    if system == "Linux" or (system == "Darwin" and command not in _LINUX_ONLY):
        return
    on_image = getattr(request, "base", "host") not in ("", "host")
    if system == "Darwin" and command in ("build", "plan") and on_image:
        return
    there = "macOS" if system == "Darwin" else system
    raise ContainerizeError(
        "system-not-supported",
        what=f"`{command}` does not work on {there}.",
        why="An image of base `host` is made of this machine's own files, and they are not Linux's.",
        fix=(
            "Use it on Linux: a JupyterHub, Binder, a virtual machine, or WSL 2 on Windows. On "
            "macOS everything else works: ls, inspect, diff, tag, rm, gc, validate, runs, logs."
        ),
    )


def _crash(command: str, error: Exception) -> ContainerizeError:
    """Write the traceback to a file, so that the message can stay short."""
    try:
        with tempfile.NamedTemporaryFile(
            "w", prefix="jupyter-containerize-crash-", suffix=".txt", delete=False
        ) as report:
            traceback.print_exception(error, file=report)
        fix = f"Please report it, with {report.name}"
    except OSError:
        fix = "Please report it, with the command that led here."
    return ContainerizeError(
        "internal-error",
        what=f"`{command}` met a mistake of jupyter-containerize itself.",
        why=f"{type(error).__name__}: {error}",
        fix=fix,
    )
