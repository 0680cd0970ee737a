"""What a result consists of, before it becomes text or HTML: facts, tables, notices."""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass
from enum import Enum
from typing import Any

from .table import Table


class Tone(Enum):
    """What a notice means for the reader."""

    GOOD = "good"
    INFO = "info"
    WARNING = "warning"
    BAD = "bad"


@dataclass(frozen=True, slots=True)
class Facts:
    """Names and values, one a line; empty values are not shown."""

    rows: tuple[tuple[str, str], ...]


@dataclass(frozen=True, slots=True)
class Notice:
    """A finding, an error or a verdict: what happened, why, what to do."""

    tone: Tone
    what: str
    why: str = ""
    fix: str = ""
    code: str = ""
    where: str = ""


@dataclass(frozen=True, slots=True)
class Excerpt:
    """Text shown as it is, such as a traceback or the two sides of a comparison."""

    title: str
    text: str


@dataclass(frozen=True, slots=True)
class Raw:
    """Text for another program, printed as it is."""

    text: str


@dataclass(frozen=True, slots=True)
class Comparison:
    """What a cell gave in the notebook and in the image, side by side or as `difference`."""

    title: str
    notebook: str
    image: str
    difference: str = ""


Block = Facts | Table | Notice | Excerpt | Comparison | Raw

_TONES = {"info": Tone.INFO, "warning": Tone.WARNING, "blocking": Tone.BAD}


def finding_notice(finding: Mapping[str, Any]) -> Notice:
    """Return the notice for a finding as JSON."""
    return Notice(
        _TONES[finding["severity"]],
        finding["what"],
        finding.get("why", ""),
        finding.get("fix", ""),
        finding["code"],
        where(finding),
    )


def where(finding: Mapping[str, Any]) -> str:
    """Return `cell 3, line 2` or a path with its line, "" where the sentence begins with it."""
    place = finding.get("path") or ""
    if finding.get("cell") is not None:
        place = f"cell {finding['cell']}"
    if finding["what"].lower().startswith((place.lower(), "cells ")):
        return ""  # the sentence says it
    if place and finding.get("line") is not None:
        place += f", line {finding['line']}"
    return place


def error_notices(error: Mapping[str, Any]) -> list[Notice]:
    """Return an error as JSON, and those found with it, as notices."""
    first = Notice(
        Tone.BAD, error["what"], error.get("why", ""), error.get("fix", ""), error["code"]
    )
    return [
        first,
        *(notice for other in error.get("also", ()) for notice in error_notices(other)),
    ]
