"""What `doctor` tells about one builder or runtime on this machine."""

from __future__ import annotations

from dataclasses import dataclass


@dataclass(frozen=True, slots=True)
class Check:
    """Whether `name` works here; if not, why, and what to do about it."""

    name: str
    works: bool
    what: str
    why: str = ""
    fix: str = ""
