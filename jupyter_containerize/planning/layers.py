"""Which files go into which layer.

Layers are ordered from what changes least to what changes most. Distributions are grouped
by facts about themselves alone (their size, their name), never by their neighbours: so an
added package rewrites the one small group it falls into, and no other layer.
"""

from __future__ import annotations

import hashlib
from collections.abc import Iterable, Mapping, Sequence
from dataclasses import dataclass

from ..model.plan import Entry, LayerKind, LayerPlan
from ..model.snapshot import Distribution

#: A distribution from this size on has a layer of its own ...
LARGE_BYTES = 10_000_000
#: ... the others go into this many groups: those that are compiled, and above them, as they are
#: more and so change sooner, those that are the same on every platform, so that their layers are.
COMPILED_GROUPS, PURE_GROUPS = 2, 4
GROUPS = COMPILED_GROUPS + PURE_GROUPS
#: Layers that are not distributions': base, libraries, programs, local code, data, guest,
#: links, notebook; and the group of what changes seldom.
_OTHER_LAYERS = 9

#: IPython and what it requires: in every image, and they change less than what cells import.
_SELDOM_CHANGED = frozenset(
    [
        "asttokens", "attrs", "backcall", "colorama", "decorator", "exceptiongroup",
        "executing", "fastjsonschema", "ipython", "ipython-pygments-lexers", "jedi",
        "jsonschema", "jsonschema-specifications", "jupyter-core", "matplotlib-inline",
        "nbformat", "parso", "pexpect", "pickleshare", "platformdirs", "prompt-toolkit",
        "ptyprocess", "pure-eval", "pygments", "referencing", "rpds-py", "six",
        "stack-data", "traitlets", "typing-extensions", "wcwidth",
    ]
)  # fmt: skip


@dataclass(frozen=True, slots=True)
class Group:
    """Distributions that share a layer."""

    kind: LayerKind
    title: str
    distributions: tuple[Distribution, ...]


def group(distributions: Iterable[Distribution], max_layers: int) -> tuple[Group, ...]:
    """Return the layers' groups of distributions, lowest layer first.

    `max_layers` bounds the whole image; the largest distributions get a layer of their own
    as far as it reaches.
    """
    room = max(max_layers - _OTHER_LAYERS - GROUPS, 0)
    by_size = sorted(distributions, key=lambda d: (-d.size_bytes, d.key))
    seldom = [d for d in by_size if d.key in _SELDOM_CHANGED and d.pure]
    others = [d for d in by_size if d.key not in _SELDOM_CHANGED or not d.pure]
    large = [d for d in others if d.size_bytes >= LARGE_BYTES][:room]
    own = {id(d) for d in large}
    groups = [_group("IPython and what it requires", seldom)] if seldom else []
    groups += [Group(LayerKind.DISTRIBUTION, f"{d.name} {d.version}", (d,)) for d in large]
    buckets: dict[int, list[Distribution]] = {}
    for distribution in others:
        if id(distribution) not in own:
            buckets.setdefault(_bucket(distribution), []).append(distribution)
    groups += [_group(_title(n), buckets[n]) for n in sorted(buckets)]
    return tuple(groups)


def _group(title: str, members: Iterable[Distribution]) -> Group:
    ordered = tuple(sorted(members, key=lambda d: d.key))
    return Group(LayerKind.DISTRIBUTIONS, title, ordered)


def _bucket(distribution: Distribution) -> int:
    """Return the group of a distribution: by facts of its own alone, evenly spread."""
    spread = hashlib.sha256(distribution.key.encode()).digest()[0]
    if distribution.pure:
        return COMPILED_GROUPS + spread % PURE_GROUPS + 1
    return spread % COMPILED_GROUPS + 1


def _title(number: int) -> str:
    if number <= COMPILED_GROUPS:
        return f"compiled packages, group {number}"
    return f"packages, group {number - COMPILED_GROUPS}"


def layer(
    kind: LayerKind, title: str, entries: Mapping[str, Entry], contains: Sequence[str] = ()
) -> LayerPlan:
    """Return a layer plan with its entries in order."""
    ordered = tuple([entries[target] for target in sorted(entries)])
    return LayerPlan(kind, title, ordered, tuple(contains))
