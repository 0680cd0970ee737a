"""The probe: what runs inside a kernel, and tells what happened there.

It needs only the standard library and reads as Python 3.8, because it is injected as text
into kernels of any age (`capture.injection`); the magic imports it. It leaves nothing in the
user's namespace, never raises into user code, and holds no lock while user code runs through
it (a forked child would wait for it forever). What it writes is the probe record of
`docs/architecture.md`.
"""

from __future__ import annotations

import importlib
import json
import os
import sys

from .recorder import RECORD_VERSION, Recorder

__all__ = ["RECORD_VERSION", "import_modules", "install", "record", "uninstall", "write"]

_PLACE = "_containerize_recorder"
_unwrapped_open = open  # what we write is none of the cells' files


def install(shell, *, notebook="", outputs=True):
    """Start recording in `shell` (an IPython `InteractiveShell`); once is enough.

    `notebook` is the notebook's absolute path where the caller knows it. `outputs` false
    leaves the collecting of outputs to the caller.
    """
    if getattr(shell, _PLACE, None) is None:
        setattr(shell, _PLACE, Recorder(shell, notebook, outputs))


def uninstall(shell):
    """Put every wrapped function back and stop recording."""
    recorder = getattr(shell, _PLACE, None)
    if recorder is not None:
        setattr(shell, _PLACE, None)
        recorder.restore()


def record(shell):
    """Return the probe record as plain data. Installs the probe first if it is not there."""
    install(shell)
    return getattr(shell, _PLACE).record()


def write(path, shell):
    """Write the probe record to `path` as JSON: whole, or not at all."""
    # What cells show is theirs: a date or a key that JSON does not know must not cost the record.
    text = json.dumps(record(shell), default=str, skipkeys=True)
    with _unwrapped_open(path + ".part", "w", encoding="ascii") as file:
        file.write(text)
    os.replace(path + ".part", path)


def import_modules(names, members, shell):
    """Import `names` for a static capture; those that cannot be imported become problems.

    `members` are names that may be submodules: they are tried, and no problem if they are not.
    """
    install(shell)
    recorder = getattr(shell, _PLACE)
    for name in names:
        problem = _import(name)
        if problem:
            recorder.journal.problem("{} cannot be imported: {}".format(name, problem))
    for name in members:
        _import(name)
    for name in list(sys.modules):
        recorder.first_seen.setdefault(name, 1)


def _import(name):
    try:
        importlib.import_module(name)
    except (Exception, SystemExit) as error:
        return "{}: {}".format(type(error).__name__, error)
    return ""
