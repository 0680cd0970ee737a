"""No plan leaves here that a builder could not carry out."""

from __future__ import annotations

import posixpath
from collections.abc import Collection, Iterable

from ..errors import ContainerizeError
from ..model.plan import FolderContent, LayerPlan
from .placement import under

#: Runtimes put their own there; whatever an image has is hidden or harmful.
_OF_RUNTIMES = ("/proc", "/sys", "/dev")
_BAD_ENDS = ("/", "/.", "/..", "\0")


def check_paths(
    layers: Iterable[LayerPlan], *, targets: Collection[str], folders: set[str]
) -> None:
    """Raise `path-not-allowed` or `path-conflict`, all of them together.

    `targets` are the paths of all entries, `folders` all their parents.
    """
    # Few paths are both a target and a parent; those should be folders.
    both = folders.intersection(targets)
    leaves = {
        entry.target
        for layer in layers
        for entry in layer.entries
        if entry.target in both and not isinstance(entry.content, FolderContent)
    }
    bad = [folder for folder in folders if not _allowed(folder)]
    bad += [target for target in targets if target[:1] != "/" or target.endswith(_BAD_ENDS)]
    problems = [_not_allowed(path) for path in sorted(bad)]
    problems += [_conflict(path) for path in sorted(leaves)]
    if problems:
        raise ContainerizeError.together(problems)


def _allowed(folder: str) -> bool:
    if not folder.startswith("/") or "\0" in folder or posixpath.normpath(folder) != folder:
        return False
    return not any(under(folder, own) for own in _OF_RUNTIMES)


def _not_allowed(target: str) -> ContainerizeError:
    return ContainerizeError(
        "path-not-allowed",
        what=f"{target!r} cannot be a path of an image.",
        why="It must be absolute and normalised, and outside /proc, /sys and /dev.",
        fix="Copy the file into the notebook's folder and read it from there.",
    )


def _conflict(path: str) -> ContainerizeError:
    return ContainerizeError(
        "path-conflict",
        what=f"{path!r} would be a file and a folder at once in the image.",
        why="Other files lie below it. Something changed while it was captured.",
        fix="Build again once nothing is being installed or moved.",
    )
