"""Two texts compared piece by piece: words exactly, numbers within rtol, times by kind.

- Integers must be equal; other numbers lie within `rtol` of the larger one; nan equals nan.
- Durations, clock times and speeds (`1.2 s`, `0:00:05`, `12ms/step`, `310it/s`) equal any other.
- Dates and timestamps must be equal, unless the executed one lies within the time of the run.
"""

from __future__ import annotations

import contextlib
import datetime as dt
import math
import re
from dataclasses import dataclass
from itertools import pairwise

_NUM = r"\d+(?:[.,]\d+)*(?:e[-+]?\d+)?"
_UNIT = (
    r"(?:ns|µs|μs|us|ms|secs?|seconds?|milliseconds?|microseconds?|mins?|minutes?|hours?|hrs?"
    r"|s|m(?=[ ]?\d+[ ]?s)|h)"
)
_SPAN = rf"{_NUM}[ ]?{_UNIT}(?:/[a-zA-Z]+)?(?![\w])"
_TOKEN = re.compile(
    rf"""
    (?P<stamp>\b\d{{4}}[-/]\d\d[-/]\d\d(?:[T ]\d\d:\d\d(?::\d\d(?:[.,]\d+)?)?)?(?:Z|[+-]\d\d:?\d\d\b)?(?!\d)
      |\b(?:Mon|Tue|Wed|Thu|Fri|Sat|Sun),?[ ](?:\d\d?[ ])?(?:Jan|Feb|Mar|Apr|May|Jun|Jul|Aug|Sep|Oct|Nov|Dec)
       [ ](?:[ ]?\d\d?[ ]\d\d:\d\d:\d\d[ ](?:[A-Z]{{3,4}}[ ])?)?\d{{4}}\b)
    |(?P<epoch>(?<![\w.])1[5-9]\d{{8}}(?:\.\d+)?(?![\w.]))
    |(?P<speed>(?<![\w.])(?:{_NUM}|\?)[ ]?[a-zA-Z]*/s(?:ec)?\b|(?<![\w.])(?:{_NUM}|\?)[ ]?s/[a-z]+\b)
    |(?P<clock>(?<![\w:.])(?<!days[ ])\d{{1,3}}:\d\d:\d\d(?:[.,]\d+)?(?![\w:])
      |(?<=\[)\d+:\d\d(?=<)|(?<=<)(?:\d+:)?\d+:\d\d(?=[,\]])|(?<=<)\?(?=[,\]]))
    |(?P<span>(?<![\w.]){_SPAN}(?:,?[ ]{_SPAN})*
      |(?<=took[ ]){_NUM}|(?<=took:[ ]){_NUM}|(?<=elapsed[ ]){_NUM}|(?<=elapsed:[ ]){_NUM}
      |(?<=[Tt]ime:[ ]){_NUM}|(?<=[Tt]ime[ ]taken[ ]){_NUM})
    |(?P<loops>\b[\d,]+[ ]loops?[ ]each\b)
    |(?P<number>(?<![\w.])(?:(?<![)\]])[-+])?
      (?:(?:\d{{1,3}}(?:,\d{{3}})+|\d+)\.?\d*(?:[eE][-+]?\d+)?|\.\d+(?:[eE][-+]?\d+)?|nan|inf)
      (?=j\b|[^\w.]|\.(?!\d)|$))
    """,
    re.VERBOSE,
)
_BLANKS = re.compile(r"[ \t]+")
_NEAR_VALUE = re.compile(r" ?# ?")
_FORMATS = (
    "%a %b %d %H:%M:%S %Y", "%a %b %d %Y", "%a %d %b %Y", "%a, %d %b %Y",
)  # fmt: skip


@dataclass(frozen=True, slots=True)
class Tolerance:
    """How far numbers may lie apart, and when the run was (UTC; None when unknown)."""

    rtol: float = 1e-6
    started: dt.datetime | None = None
    ended: dt.datetime | None = None

    def in_run(self, moment: dt.datetime) -> bool:
        """Return whether `moment`, in whatever time zone, can be one of the run."""
        if self.started is None or self.ended is None:
            return False
        zones = dt.timedelta(hours=14)
        return self.started - zones <= moment <= self.ended + zones


def same_text(recorded: str, executed: str, tolerance: Tolerance) -> bool:
    """Return whether two readable texts are the same within the tolerance."""
    if recorded == executed:
        return True
    words, values = _split(recorded)
    other_words, other_values = _split(executed)
    if [kind for kind, _ in values] != [kind for kind, _ in other_values]:
        return False
    if words != other_words:
        if all(a == b for (_, a), (_, b) in zip(values, other_values, strict=True)):
            return False
        squeezed = [[_BLANKS.sub(" ", word) for word in side] for side in (words, other_words)]
        if not all(a.strip(" ") == b.strip(" ") for a, b in zip(*squeezed, strict=True)):
            return False  # blanks may differ only because numbers have other widths
    return all(
        same_value(kind, a, b, tolerance)
        for (kind, a), (_, b) in zip(values, other_values, strict=True)
    )


def same_value(kind: str, recorded: str, executed: str, tolerance: Tolerance) -> bool:
    """Return whether two values of one kind count as the same."""
    if recorded == executed or kind in ("speed", "clock", "span", "loops"):
        return True
    if kind == "stamp":
        moment = _moment(executed)
        return moment is not None and tolerance.in_run(moment)
    if kind == "epoch":
        moment = dt.datetime.fromtimestamp(float(executed), dt.timezone.utc).replace(tzinfo=None)
        return tolerance.in_run(moment)
    if recorded.lstrip("+-").isdigit() and executed.lstrip("+-").isdigit():
        return int(recorded) == int(executed)
    return same_number(
        float(recorded.replace(",", "")), float(executed.replace(",", "")), tolerance.rtol
    )


def same_number(recorded: float, executed: float, rtol: float) -> bool:
    """Return whether two numbers lie within `rtol` of the larger; nan equals nan."""
    if math.isnan(recorded) or math.isnan(executed):
        return math.isnan(recorded) and math.isnan(executed)
    return math.isclose(recorded, executed, rel_tol=rtol, abs_tol=0.0)


def without_values(text: str) -> str:
    """Return the text with every number and time replaced by `#`, and no blanks that follow their widths."""
    return _NEAR_VALUE.sub("#", " ".join(_TOKEN.sub("#", text).split()))


def values_of(text: str) -> list[str]:
    """Return the numbers and times of a text."""
    return [match[0] for match in _TOKEN.finditer(text)]


def _split(text: str) -> tuple[list[str], list[tuple[str, str]]]:
    """Return the words between values, and the values with their kinds."""
    matches = list(_TOKEN.finditer(text))
    edges = [0, *(edge for match in matches for edge in match.span()), len(text)]
    words = [text[a:b] for place, (a, b) in enumerate(pairwise(edges)) if place % 2 == 0]
    return words, [(match.lastgroup or "", match[0]) for match in matches]


def _moment(text: str) -> dt.datetime | None:
    squeezed = " ".join(re.sub(r"\b[A-Z]{3,4}\b(?= \d{4})", "", text).split())
    with contextlib.suppress(ValueError):
        moment = dt.datetime.fromisoformat(squeezed.replace("Z", "+00:00").replace("/", "-"))
        return moment.replace(tzinfo=None)
    for form in _FORMATS:
        with contextlib.suppress(ValueError):
            return dt.datetime.strptime(squeezed, form)  # noqa: DTZ007 - `in_run` allows for zones
    return None
