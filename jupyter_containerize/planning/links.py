"""The links from the kernel's prefixes to the fixed ones."""

from __future__ import annotations

from collections.abc import Collection, Sequence

from ..model.plan import Entry, LinkContent
from .placement import Moved, under


def prefix_links(
    moved: Sequence[Moved], *, targets: Collection[str], occupied: Collection[str]
) -> dict[str, Entry]:
    """Return the symlinks that make everything in `moved` reachable at the kernel's paths.

    One link a prefix, unless something else (`occupied`, image paths that are not moved)
    lies at or under it: then its children are linked instead, as deep as needed.
    `targets` are the image paths of all entries.
    """
    result: dict[str, Entry] = {}
    for prefix in moved:
        start = f"{prefix.image}/"
        if not any(target.startswith(start) for target in targets):
            continue
        others = (other.kernel for other in moved if other != prefix)
        blocked = [path for path in (*occupied, *others) if under(path, prefix.kernel)]
        below = [target for target in targets if target.startswith(start)] if blocked else []
        _link(prefix, below, blocked, result)
    return result


def _link(prefix: Moved, targets: list[str], blocked: list[str], result: dict[str, Entry]) -> None:
    if not blocked:
        result[prefix.kernel] = Entry(prefix.kernel, LinkContent(prefix.image), 0o755)
        return
    children: dict[str, list[str]] = {}
    for target in targets:
        name = target[len(prefix.image) + 1 :].split("/", 1)[0]
        if name:
            children.setdefault(name, []).append(target)
    for name, below in children.items():
        child = Moved(f"{prefix.kernel}/{name}", f"{prefix.image}/{name}")
        inner = [path for path in blocked if under(path, child.kernel)]
        if inner and below == [child.image]:
            continue  # a file of both: the kernel's path already has one
        _link(child, below, inner, result)
