"""What runs left: lists of files, and their bytes; never a path outside the run's outputs."""

from __future__ import annotations

import os
import shutil
from typing import Any

from ...errors import ContainerizeError
from .paths import Root

_MOST_FILES = 5000
EXECUTED = "executed.ipynb"


def listing(folder: str) -> list[dict[str, Any]]:
    """Return the files below a run's outputs, by path; our own bookkeeping is left out."""
    found: list[dict[str, Any]] = []
    for inside, folders, names in os.walk(folder):
        folders[:] = sorted(name for name in folders if name != ".containerize")
        for name in sorted(names):
            path = os.path.join(inside, name)
            if os.path.islink(path) or not os.path.isfile(path):
                continue
            size = os.stat(path).st_size
            found.append({"path": os.path.relpath(path, folder), "size_bytes": size})
            if len(found) == _MOST_FILES:
                return found
    return found


def file_in(folder: str, path: str) -> str:
    """Return the file at `path` below `folder`. Errors: `no-such-output`."""
    found = os.path.realpath(os.path.join(folder, path))
    root = os.path.realpath(folder)
    if not found.startswith(root + "/") or not os.path.isfile(found):
        raise ContainerizeError(
            "no-such-output",
            what=f"The run has no output {path!r}.",
            fix="List its outputs again: the run may have been deleted.",
        )
    return found


def open_copy(folder: str, *, title: str, beside: str, root: Root) -> str:
    """Copy the executed notebook into the server's folder and return its path as the server has it.

    It lies beside the notebook, as `<title>-executed-<n>.ipynb`. Errors: `no-such-output`,
    `outside-root`, `write-failed`.
    """
    source = file_in(folder, EXECUTED)
    place = root.absolute(os.path.dirname(beside) if beside else "")
    if not os.path.isdir(place):
        place = root.folder
    for number in range(1, 1000):
        suffix = "" if number == 1 else f"-{number}"
        target = os.path.join(place, f"{title}-executed{suffix}.ipynb")
        try:
            with open(target, "xb") as to, open(source, "rb") as file:
                shutil.copyfileobj(file, to)
        except FileExistsError:
            continue
        except OSError as error:
            raise ContainerizeError(
                "write-failed",
                what=f"The executed notebook cannot be put into {place}.",
                why=str(error.strerror),
                fix="Download it instead.",
            ) from error
        return root.relative(target)
    raise ContainerizeError(
        "write-failed",
        what=f"{place} has too many executed notebooks of this name.",
        fix="Delete some of them.",
    )
