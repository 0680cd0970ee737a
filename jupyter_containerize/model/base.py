"""What planning must know of a base that comes from a registry or a layout."""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass, field

from .plan import Base
from .platform import Platform


@dataclass(frozen=True, slots=True)
class BaseImage:
    """A base image's facts, read from its files without running any of them.

    `python` is its interpreter (links followed), `python_version` such as "3.11", `stdlib` the
    folder of its standard library. `glibc` is such as "2.36". `environment`, `labels` are its
    config's; `passwd` and `group` the texts of its user lists. `libraries` are the names in its
    library folders, `programs` those on its PATH.
    """

    base: Base
    platform: Platform
    python: str
    python_version: str
    stdlib: str
    glibc: str
    environment: Mapping[str, str] = field(default_factory=dict)
    labels: Mapping[str, str] = field(default_factory=dict)
    passwd: str = ""
    group: str = ""
    libraries: frozenset[str] = frozenset()
    programs: frozenset[str] = frozenset()

    @property
    def name(self) -> str:
        """What people call it."""
        return self.base.reference
