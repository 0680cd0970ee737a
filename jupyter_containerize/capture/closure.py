"""Everything that chosen distributions require, as their metadata says.

Source: the "Dependency specifiers" specification (PEP 508), by `packaging`; markers are
evaluated for the kernel's environment, never for this process's.
"""

from __future__ import annotations

import functools
from collections.abc import Iterable, Mapping
from dataclasses import dataclass, field

from packaging.markers import UndefinedComparison, UndefinedEnvironmentName
from packaging.requirements import InvalidRequirement, Requirement

from ..model.reasons import Finding, Severity
from . import dpkg_lists
from .installed import Environment, Installed
from .metadata import normalise


@dataclass(frozen=True)
class Closure:
    """Chosen distributions by key, with the keys that each requires, and what is missing."""

    chosen: Mapping[str, Installed]
    requires: Mapping[str, tuple[str, ...]]
    findings: tuple[Finding, ...] = ()

    def required_by(self, key: str) -> tuple[str, ...]:
        """Return the names of the chosen distributions that require `key`."""
        return self._required_by.get(key, ())

    @functools.cached_property
    def _required_by(self) -> dict[str, tuple[str, ...]]:
        found: dict[str, list[str]] = {}
        for key, needed in sorted(self.requires.items()):
            for one in needed:
                found.setdefault(one, []).append(self.chosen[key].metadata.name)
        return {key: tuple(names) for key, names in found.items()}


@dataclass
class _Walk:
    environment: Environment
    markers: Mapping[str, str]
    fallback: Environment | None
    chosen: dict[str, Installed]
    extras: dict[str, set[str]] = field(default_factory=dict)
    requires: dict[str, set[str]] = field(default_factory=dict)
    missing: dict[tuple[str, str], Finding] = field(default_factory=dict)

    def find(self, key: str) -> Installed | None:
        found = self.chosen.get(key) or self.environment.by_key.get(key)
        if found is None and self.fallback is not None:
            found = self.fallback.by_key.get(key)
        return found


def close(
    roots: Iterable[Installed],
    *,
    environment: Environment,
    markers: Mapping[str, str],
    fallback: Environment | None = None,
) -> Closure:
    """Return `roots` and all that they require, extras included, each version as installed.

    What is required but installed nowhere is a finding; requirements that belong to an
    extra nobody asked for are not looked at. `fallback` serves what `environment` lacks.
    """
    walk = _Walk(environment, markers, fallback, {one.key: one for one in roots})
    queue = [(key, "") for key in sorted(walk.chosen)]
    while queue:
        key, extra = queue.pop()
        if extra in walk.extras.setdefault(key, set()):
            continue
        walk.extras[key].add(extra)
        if not extra:
            queue.extend(_visit_packages(walk, key))
        for wanted in _wanted(walk.chosen[key], extra, walk.markers):
            queue.extend(_visit(walk, key, wanted))
    return Closure(
        chosen=walk.chosen,
        requires={key: tuple(sorted(needed)) for key, needed in walk.requires.items()},
        findings=tuple(walk.missing[at] for at in sorted(walk.missing)),
    )


def _visit(walk: _Walk, key: str, wanted: Requirement) -> list[tuple[str, str]]:
    needed = normalise(wanted.name)
    found = walk.find(needed)
    if found is None:
        name = walk.chosen[key].metadata.name
        walk.missing[key, needed] = Finding(
            "missing-requirement",
            Severity.WARNING,
            what=f"{name} requires {wanted.name}, which is not installed.",
            why="The kernel works without it so far; the image will lack it as well.",
            fix=f"pip install '{wanted.name}{wanted.specifier}' if cells need it.",
        )
        return []
    walk.chosen[needed] = found
    if needed != key:
        walk.requires.setdefault(key, set()).add(needed)
    return [(needed, ""), *((needed, extra) for extra in wanted.extras)]


def _visit_packages(walk: _Walk, key: str) -> list[tuple[str, str]]:
    """Follow what dpkg knows of a distribution that came with a Debian package."""
    dpkg = walk.chosen[key].file_list.dpkg
    needed: list[tuple[str, str]] = []
    for name in dpkg_lists.required(dpkg) if dpkg else ():
        found = walk.environment.of_dpkg(name)
        walk.chosen.setdefault(found.key, found)
        if found.key != key:
            walk.requires.setdefault(key, set()).add(found.key)
            needed.append((found.key, ""))
    return needed


def _wanted(installed: Installed, extra: str, markers: Mapping[str, str]) -> list[Requirement]:
    """Return what `installed` requires with `extra` ("" for none), markers applied."""
    environment = {**markers, "extra": normalise(extra) if extra else ""}
    wanted = []
    for text in installed.metadata.requires:
        if not extra and "extra ==" in text and " or " not in text:
            continue
        requirement = _parse(text)
        if requirement is None:
            continue
        try:
            applies = requirement.marker is None or requirement.marker.evaluate(environment)
        except (UndefinedComparison, UndefinedEnvironmentName):
            applies = False
        if applies:
            wanted.append(requirement)
    return wanted


@functools.lru_cache(maxsize=4096)
def _parse(text: str) -> Requirement | None:
    try:
        return Requirement(text)
    except InvalidRequirement:
        return None
