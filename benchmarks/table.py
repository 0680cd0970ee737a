"""The table that `make bench` prints: one row for each promise, as Markdown."""

from __future__ import annotations

from collections.abc import Iterable
from dataclasses import dataclass

_HEAD = ("what", "measured", "beside it, in the same run", "ratio", "target", "met")


@dataclass(frozen=True)
class Row:
    """One line. `beside` is the floor or the other side; `met` is None where nothing is promised."""

    what: str
    measured: str
    beside: str = ""
    ratio: str = ""
    target: str = ""
    met: bool | None = None


def at_most(
    what: str,
    seconds: float,
    limit_s: float | None = None,
    *,
    note: str = "",
    more: bool = True,
) -> Row:
    """Return the row of a time that may be at most `limit_s`; `more` is what else must hold."""
    measured = f"{seconds:.2f} s{note}"
    if limit_s is None:
        return Row(what, measured)
    return Row(what, measured, target=f"≤ {limit_s:g} s", met=seconds <= limit_s and more)


def ratio_of(
    what: str, seconds: float, other: tuple[str, float], limit: float | None = None
) -> Row:
    """Return the row of a time beside another one, of which it may be `limit` times as much."""
    name, other_s = other
    ratio = seconds / other_s
    return Row(
        what,
        f"{seconds:.2f} s",
        f"{name}: {other_s:.2f} s",
        f"{ratio:.2f}",
        "" if limit is None else f"≤ {limit:g} x",
        None if limit is None else ratio <= limit,
    )


def markdown(rows: Iterable[Row]) -> str:
    """Return the rows as a Markdown table."""
    lines = ["| " + " | ".join(_HEAD) + " |", "|" + " --- |" * len(_HEAD)]
    for row in rows:
        met = {None: "", True: "yes", False: "**no**"}[row.met]
        cells = (row.what, row.measured, row.beside, row.ratio, row.target, met)
        lines.append("| " + " | ".join(cells) + " |")
    return "\n".join(lines) + "\n"
