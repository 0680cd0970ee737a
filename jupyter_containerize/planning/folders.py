"""Owners of the folders that runs may write to."""

from __future__ import annotations

from collections.abc import Callable, Iterable, Sequence
from dataclasses import replace

from ..model.plan import Entry, FolderContent, LayerKind, LayerPlan, LinkContent
from .placement import under

_OURS_TO_GIVE = ("/tmp", "/dev/shm")  # noqa: S108 - image paths, of everyone or of the runtime


def parents(targets: Iterable[str]) -> set[str]:
    """Return all folders above `targets`, without the root."""
    found: set[str] = set()
    for folder in {target.rpartition("/")[0] for target in targets}:
        above = folder
        while above and above not in found:
            found.add(above)
            above = above.rpartition("/")[0]
    return found


def with_own_folders(
    layers: Iterable[tuple[LayerPlan, set[str]]],
    *,
    roots: Sequence[str],
    kept_prefixes: Sequence[str],
) -> tuple[LayerPlan, ...]:
    """Return `layers` with every folder at or under `roots` (but /tmp) owned by the image's user.

    Each layer comes with its `parents`. A layer that has anything under such a folder names
    the folder itself, else unpacking it would give the folder back to root. Local code and
    data there belong to the user too: cells may change them. The links layer has all of
    `roots`. What lies in one of `kept_prefixes` (conda's, often below HOME) stays root's.
    """
    own = [root for root in roots if root not in _OURS_TO_GIVE]

    def is_own(path: str) -> bool:
        return path in own or (
            any(under(path, root) for root in own)
            and not any(under(path, prefix) for prefix in kept_prefixes)
        )

    return tuple([_completed(layer, folders, own, is_own) for layer, folders in layers])


def _completed(
    layer: LayerPlan, folders: set[str], roots: Sequence[str], is_own: Callable[[str], bool]
) -> LayerPlan:
    if layer.kind is LayerKind.LINKS:
        folders = folders.union(roots)
    missing = {folder for folder in folders if is_own(folder)}
    of_user = layer.kind in (LayerKind.LOCAL_CODE, LayerKind.DATA)
    if not missing and not of_user:
        return layer
    entries = {entry.target: entry for entry in layer.entries}
    if of_user:
        for target, entry in entries.items():
            if is_own(target) and not isinstance(entry.content, LinkContent):
                entries[target] = replace(entry, group_writable=True)
    for folder in missing - entries.keys():
        entries[folder] = Entry(folder, FolderContent(), 0o755, group_writable=True)
    return replace(layer, entries=tuple([entries[target] for target in sorted(entries)]))
