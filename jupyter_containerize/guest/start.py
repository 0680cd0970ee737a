"""From the container's arguments to a session, and out again with its exit code."""

from __future__ import annotations

import os
import sys
import threading

from .changed_files import listing
from .log import Log
from .notebook import RunningNotebook
from .parameters import read_parameters, source_of
from .problem import CannotStart
from .session import Session
from .settings import Settings, check_mounts, prepare_outputs, read_settings
from .workers import run_all, wanted

INLINE_BACKEND = "module://matplotlib_inline.backend_inline"
EXIT_SECONDS = 5.0


def run(arguments: list[str]) -> int:
    """Run the notebook with the container's arguments; return the exit code (see `train`)."""
    try:
        settings = read_settings()
        if count := wanted():
            return run_all(count, arguments, outputs=settings.outputs)
        values = read_parameters(arguments, settings.parameters)
        notebook = RunningNotebook(settings.notebook)
        check_mounts(settings.large_files)
        trail = os.path.join(prepare_outputs(settings.outputs), "cells.jsonl")
        before = listing(settings.folder, besides=settings.outputs)
        enter_notebook(settings)
    except CannotStart as problem:
        print(problem, file=sys.stderr)
        return 2
    if values:
        notebook.inject(source_of(values))
    code = Session(settings, notebook, Log(trail)).run(before)
    watchdog = threading.Timer(EXIT_SECONDS, os._exit, (code,))
    watchdog.daemon = True  # a cell's thread or exit handler may never end; the run has
    watchdog.start()
    return code


def enter_notebook(settings: Settings) -> None:
    """Make the process look as the kernel did: folder, paths, arguments, variables."""
    os.environ.setdefault("MPLBACKEND", settings.matplotlib_backend or INLINE_BACKEND)
    if settings.cwd:
        try:
            os.chdir(settings.cwd)
        except OSError as error:
            raise CannotStart(f"The notebook's folder cannot be entered: {error}.") from error
    # IPython first, the notebook's folder later: a token.py there must not shadow Python's.
    sys.path.extend(path for path in settings.sys_path if path and path not in sys.path)
    try:
        import IPython  # noqa: F401, PLC0415 - only now can it be found
    except ImportError as error:
        raise CannotStart(f"IPython is not in the image: {error}. Build it again.") from error
    if settings.sys_path:
        sys.path[:] = settings.sys_path
    elif "" not in sys.path:
        sys.path.insert(0, "")
    sys.argv = ["ipykernel_launcher.py", "-f", "kernel.json"]
