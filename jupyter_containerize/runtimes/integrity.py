"""Modes, times and owners of an unpacked image, put back after a run that could change them.

Under PRoot a run's files are hard links to the unpacked image where Landlock keeps their
content safe. Landlock does not cover `chmod`, `utime`, `chown` and extended attributes, so
these are recorded once, and put right before every run and after it. For the supervisor:
only the standard library.
"""

from __future__ import annotations

import contextlib
import json
import os
import stat
from collections.abc import Iterator

_SUFFIX = ".facts"


def record(folder: str) -> None:
    """Write down the facts about the files in `folder`, unless they are known. Errors: `OSError`."""
    path = folder + _SUFFIX
    if os.path.exists(path):
        return
    facts = {os.path.relpath(file, folder): _facts(os.lstat(file)) for file in _files(folder)}
    half = f"{path}.{os.getpid()}"
    with open(half, "w", encoding="ascii") as file:
        json.dump(facts, file)
    os.replace(half, path)


def restore(folder: str) -> int:
    """Put back what differs from the recorded facts; return how many files did."""
    with open(folder + _SUFFIX, encoding="ascii") as file:
        facts = json.load(file)
    changed = 0
    for name, (mode, mtime_ns, uid, gid) in facts.items():
        path = os.path.join(folder, name)
        try:
            state = os.stat(path, follow_symlinks=False)
            # An extended attribute changes only the change time, which links change too.
            attributes = _attributes(path)
        except FileNotFoundError:
            continue
        if attributes or _facts(state) != [mode, mtime_ns, uid, gid]:
            changed += 1
            with contextlib.suppress(OSError):
                os.chmod(path, mode | stat.S_IWUSR)
                for attribute in attributes:
                    os.removexattr(path, attribute, follow_symlinks=False)
                os.chown(path, uid, gid, follow_symlinks=False)
            with contextlib.suppress(OSError):
                os.chmod(path, mode)
                os.utime(path, ns=(state.st_atime_ns, mtime_ns))
    return changed


def _files(folder: str) -> Iterator[str]:
    for place, _, names in os.walk(folder):
        for name in names:
            path = os.path.join(place, name)
            if not os.path.islink(path):
                yield path


def _facts(state: os.stat_result) -> list[int]:
    return [stat.S_IMODE(state.st_mode), state.st_mtime_ns, state.st_uid, state.st_gid]


def _attributes(path: str) -> list[str]:
    try:
        names = os.listxattr(path, follow_symlinks=False)
    except FileNotFoundError:
        raise
    except OSError:
        # This file system has none.
        return []
    return [name for name in names if name.startswith("user.")]
