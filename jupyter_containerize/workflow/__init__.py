"""Joins the steps and emits events; nothing else. Every surface calls it.

Each command is a function `(request, *, emit) -> JSON-able result` in the module named
below, imported when it is first asked for: `ls` must not wait for what `build` imports.
"""

from __future__ import annotations

import importlib
import tempfile
import traceback
from typing import Any

from ..errors import ContainerizeError, interrupted
from ..model.event import Emit, Event, Failed, Result
from ..model.request import Request

_MODULES = {
    "build": "building",
    "plan": "building",
    "run": "running",
    "runs": "running",
    "logs": "running",
    "stop": "running",
    "verify": "proving",
    "ls": "images",
    "rm": "images",
    "tag": "images",
    "gc": "images",
    "validate": "images",
    "inspect": "contents",
    "diff": "differences",
    "doctor": "doctor",
}


def perform(command: str, request: Request, *, emit: Emit) -> Any:
    """Do `command` and return its JSON-able result. Errors: any `ContainerizeError`."""
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
