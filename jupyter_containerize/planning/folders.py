"""Owners of the folders that runs may write to."""

from __future__ import annotations

import posixpath
from collections.abc import Iterable, Sequence
from dataclasses import replace

from ..model.plan import Entry, FolderContent, LayerKind, LayerPlan, LinkContent
from .placement import under

_OURS_TO_GIVE = ("/tmp", "/dev/shm")  # noqa: S108 - image paths, of everyone or of the runtime


def with_own_folders(
    layers: Iterable[LayerPlan], *, roots: Sequence[str], except_under: Sequence[str]
) -> tuple[LayerPlan, ...]:
    """Return `layers` with every folder at or under `roots` (but /tmp) owned by the image's user.

    A layer that has anything under such a folder names the folder itself, else unpacking it
    would give the folder back to root. Local code and data there belong to the user too:
    cells may change them. The links layer has all of `roots`.
    """
    own = [root for root in roots if root not in _OURS_TO_GIVE]

    def is_own(path: str) -> bool:
        return any(under(path, root) for root in own) and not any(
            under(path, prefix) for prefix in except_under
        )

    result = []
    for plan in layers:
        entries = {entry.target: entry for entry in plan.entries}
        if plan.kind in (LayerKind.LOCAL_CODE, LayerKind.DATA):
            for target, entry in list(entries.items()):
                if is_own(target) and not isinstance(entry.content, LinkContent):
                    entries[target] = replace(entry, group_writable=True)
        folders = _parents(entries)
        if plan.kind is LayerKind.LINKS:
            folders.update(own)
        for folder in folders:
            if is_own(folder) and folder not in entries:
                entries[folder] = Entry(folder, FolderContent(), 0o755, group_writable=True)
        if len(entries) != len(plan.entries) or plan.kind in (
            LayerKind.LOCAL_CODE,
            LayerKind.DATA,
        ):
            ordered = tuple([entries[target] for target in sorted(entries)])
            plan = replace(plan, entries=ordered)  # noqa: PLW2901 - the same layer, completed
        result.append(plan)
    return tuple(result)


def _parents(targets: Iterable[str]) -> set[str]:
    """Return all folders above `targets`, the root left out."""
    found: set[str] = set()
    for target in targets:
        parent = posixpath.dirname(target)
        while parent != "/" and parent not in found:
            found.add(parent)
            parent = posixpath.dirname(parent)
    return found
