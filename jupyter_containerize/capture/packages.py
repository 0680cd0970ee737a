"""Which dpkg or rpm package owns a file of the system."""

from __future__ import annotations

from collections.abc import Iterable

from ..model.snapshot import SystemPackage


class Owners:
    """Who owns what; reads the package manager's records once, at the first question.

    `cache` is a folder (in the store) that keeps what was read between captures, or None.
    """

    def __init__(self, *, cache: str | None = None) -> None:
        self._cache = cache

    def owner(self, path: str) -> str:
        """Return the name of the package that owns absolute `path`, "" if none does."""
        del path
        return ""

    def packages(self, names: Iterable[str]) -> tuple[SystemPackage, ...]:
        """Return the packages of these names, sorted; unknown names and "" are left out."""
        del names
        return ()
