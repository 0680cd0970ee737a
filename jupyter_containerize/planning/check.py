"""No plan leaves here that a builder could not carry out."""

from __future__ import annotations

import posixpath
from collections.abc import Iterable

from ..errors import ContainerizeError
from ..model.plan import FolderContent, LayerPlan
from .placement import under

#: Runtimes put their own there; whatever an image has is hidden or harmful.
_OF_RUNTIMES = ("/proc", "/sys", "/dev")


def check_paths(layers: Iterable[LayerPlan]) -> None:
    """Raise `path-not-allowed` or `path-conflict`, all of them together."""
    folders: dict[str, str] = {}  # each folder, and one path that needs it
    leaves: set[str] = set()
    problems = []
    for layer in layers:
        for entry in layer.entries:
            target = entry.target
            parent, _, name = target.rpartition("/")
            if parent not in folders:
                folders[parent] = target
            if type(entry.content) is FolderContent:
                folders.setdefault(target, target)
            else:
                leaves.add(target)
            if name in ("", ".", ".."):
                problems.append(_not_allowed(target))
    needed: dict[str, str] = {}
    for folder, example in folders.items():
        if not _allowed(folder, example):
            problems.append(_not_allowed(example))
        above = folder
        while above and above != "/" and above not in needed:
            needed[above] = example
            above = posixpath.dirname(above)
    problems += [_conflict(path, needed[path]) for path in sorted(leaves & needed.keys())]
    if problems:
        raise ContainerizeError.together(problems)


def _allowed(folder: str, example: str) -> bool:
    if folder == "":
        return True
    if not folder.startswith("/") or "\0" in folder or posixpath.normpath(folder) != folder:
        return False
    return folder == example or not any(under(folder, own) for own in _OF_RUNTIMES)


def _not_allowed(target: str) -> ContainerizeError:
    return ContainerizeError(
        "path-not-allowed",
        what=f"{target!r} cannot be a path of an image.",
        why="It must be absolute and normalised, and outside /proc, /sys and /dev.",
        fix="Copy the file into the notebook's folder and read it from there.",
    )


def _conflict(path: str, other: str) -> ContainerizeError:
    return ContainerizeError(
        "path-conflict",
        what=f"{path!r} would be a file and a folder at once in the image.",
        why=f"{other!r} lies below it. The files changed while they were captured.",
        fix="Build again once nothing is being installed or moved.",
    )
