"""Text as a reader sees it: terminal controls resolved, and names that no run repeats replaced.

What is replaced: memory addresses, UUIDs, temporary names, the places of cells' code and of
installed packages, process and thread numbers, the order of sets. Times and numbers stay:
`tokens` compares those.
"""

from __future__ import annotations

import re

from .sets import in_order

_COLOUR = re.compile(
    r"\x1b(?:\[[0-9;:?]*[ -/]*[@-JL-~]|\][^\x07\x1b]*(?:\x07|\x1b\\)|[()][A-Z0-9])"
)
_UP = re.compile(r"\x1b\[([0-9]{0,9})A")
_ERASE = re.compile(r"\x1b\[[0-9]{0,9}K")
_CONTROL = re.compile(r"(\n|\r|\x08+|\x1b\[[0-9]{0,9}[AK])")

_NAMES = (
    (re.compile(r"\b0x[0-9a-fA-F]{9,16}\b|(?<=\bat )0x[0-9a-fA-F]+\b"), "0x…"),
    (re.compile(r"\b[0-9a-f]{8}-[0-9a-f]{4}-[0-9a-f]{4}-[0-9a-f]{4}-[0-9a-f]{12}\b"), "<uuid>"),
    (
        re.compile(
            r"[\w/.-]*/ipykernel_\d+/\d+\.py|<ipython-input-\d+-\w+>|\b\d{4,}\.py(?=, line )"
        ),
        "<cell>",
    ),
    (re.compile(r"(?:/[^\s:'\"<>]*)?/(?:site|dist)-packages/"), "<packages>/"),
    (re.compile(r"\btmp[a-z0-9_]{8}\b"), "<temporary>"),
    (re.compile(r"\b((?:pid|process(?: id)?)\b\W{0,3})\d+", re.IGNORECASE), r"\1<number>"),
    (re.compile(r"(<_?\w*Thread\([^>]*started (?:daemon )?)\d+"), r"\1<number>"),
    (re.compile(r"\b([IWEF])\d{4} \d\d:\d\d:\d+\.\d+ +\d+ "), r"\1<time> "),
)


def readable(text: str) -> str:
    """Return `text` as compared and shown: rendered, with unrepeatable names replaced."""
    text = rendered(text)
    for pattern, name in _NAMES:
        text = pattern.sub(name, text)
    return in_order(text)


def rendered(text: str) -> str:
    """Return what a terminal would show in the end; blanks at the ends of lines are dropped."""
    text = _COLOUR.sub(_keep_up, text.replace("\r\n", "\n"))
    if "\r" in text or "\x08" in text or "\x1b" in text:
        text = _overwritten(text)
    return "\n".join(line.rstrip() for line in text.split("\n")).rstrip()


def _keep_up(match: re.Match[str]) -> str:
    return match[0] if _UP.fullmatch(match[0]) else ""


def _overwritten(text: str) -> str:
    """Carry out carriage returns, backspaces, cursor up and erase-to-end, as progress bars use."""
    rows, row, column = [""], 0, 0
    for piece in _CONTROL.split(text):
        if piece == "\n":
            row, column = row + 1, 0
            rows.extend([""] * (row + 1 - len(rows)))
        elif piece == "\r":
            column = 0
        elif piece.startswith("\x08"):
            column = max(0, column - len(piece))
        elif _UP.fullmatch(piece):
            row = max(0, row - int(piece[2:-1] or 1))
        elif _ERASE.fullmatch(piece):
            rows[row] = rows[row][:column]
        elif piece:
            old = rows[row].ljust(column)
            rows[row] = old[:column] + piece + old[column + len(piece) :]
            column += len(piece)
    return "\n".join(rows)
