"""Tables of text that fit their width, and words that cannot harm a terminal."""

from __future__ import annotations

import unicodedata
from collections.abc import Sequence
from dataclasses import dataclass

_GAP = 2


@dataclass(frozen=True, slots=True)
class Table:
    """Rows under headings; columns in `right` are aligned right; `title` may be "".

    `folded` tables matter less: where tables can be folded, only their title shows at first.
    """

    headings: tuple[str, ...]
    rows: tuple[tuple[str, ...], ...]
    title: str = ""
    right: frozenset[int] = frozenset()
    folded: bool = False

    def lines(self, width: int | None = None) -> list[str]:
        """Return the table as lines of at most `width` columns (None: as wide as needed)."""
        rows = [tuple(plain(cell) for cell in row) for row in (self.headings, *self.rows)]
        widths = _fit([max(map(columns, column)) for column in zip(*rows, strict=True)], width)
        lines = [self.title] if self.title else []
        for row in rows:
            cells = [
                _pad(shorten(cell, room), room, right=index in self.right)
                for index, (cell, room) in enumerate(zip(row, widths, strict=True))
            ]
            lines.append((" " * _GAP).join(cells).rstrip())
        return lines


def _fit(widths: list[int], total: int | None) -> list[int]:
    """Shrink the widest columns until the row fits."""
    if total is None:
        return widths
    widths = list(widths)
    room = total - _GAP * (len(widths) - 1)
    least = 8
    while sum(widths) > room and max(widths) > least:
        widths[widths.index(max(widths))] -= 1
    return widths


def plain(text: str) -> str:
    """Return `text` on one line with control characters (also a terminal's) made visible."""
    if text.isprintable():
        return text
    return "".join(
        character
        if character.isprintable()
        else " "
        if character in "\n\t\r"
        else repr(character)[1:-1]
        for character in text
    )


def columns(text: str) -> int:
    """Return how many columns `text` takes in a terminal (East Asian wide ones count twice)."""
    if text.isascii():
        return len(text)
    return sum(
        0
        if unicodedata.combining(character)
        else 2
        if unicodedata.east_asian_width(character) in "WF"
        else 1
        for character in text
    )


def shorten(text: str, room: int) -> str:
    """Cut `text` to `room` columns, with an ellipsis for what is missing."""
    if columns(text) <= room:
        return text
    while text and columns(text) > room - 1:
        text = text[:-1]
    return text.rstrip() + "…"


def _pad(text: str, room: int, *, right: bool) -> str:
    gap = " " * max(0, room - columns(text))
    return gap + text if right else text + gap


def paragraph(rows: Sequence[tuple[str, str]]) -> list[str]:
    """Return `name: value` lines with the values in one column; empty values are left out."""
    shown = [(name, value) for name, value in rows if value]
    widest = max((len(name) for name, _ in shown), default=0)
    return [f"{name:<{widest}}  {plain(value)}" for name, value in shown]
