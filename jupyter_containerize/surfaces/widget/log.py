"""The output of a run as a terminal would show it, in pieces that are drawn once."""

from __future__ import annotations

import re
from collections import deque

_CONTROL = re.compile(
    r"\x1b(?:\[[0-?]*[ -/]*[@-~]|\][^\x07\x1b]*(?:\x07|\x1b\\)?|.)|[\x00-\x08\x0b-\x1f\x7f]"
)
PIECE_LINES = 100
MOST_PIECES = 20


class Log:
    """The last lines of a log: whole pieces, oldest first, and the one that still grows.

    A carriage return overwrites its line, as progress bars do; colours and other control
    sequences are left out.
    """

    def __init__(self) -> None:
        self._pieces: deque[str] = deque(maxlen=MOST_PIECES)
        self._lines: list[str] = []
        self._open = ""
        self.first = 0  # number of the oldest piece that is kept
        self.lines = 0  # of the whole log

    def write(self, text: str) -> None:
        """Append text, which may end within a line."""
        *whole, self._open = (self._open + text).replace("\r\n", "\n").split("\n")
        for line in whole:
            self._lines.append(_shown(line))
            self.lines += 1
            if len(self._lines) == PIECE_LINES:
                self._close_piece()
        if self._open.count("\r") > 1:  # only what follows the last return can still be seen
            self._open = self._open[self._open[:-1].rfind("\r") + 1 :]

    def pieces(self) -> tuple[int, list[str]]:
        """Return the number of the first piece kept, and all pieces; the last one may change."""
        rest = [*self._lines, *([_shown(self._open)] if self._open else [])]
        return self.first, [*self._pieces, *(["\n".join(rest)] if rest else [])]

    def _close_piece(self) -> None:
        if len(self._pieces) == MOST_PIECES:
            self.first += 1
        self._pieces.append("\n".join(self._lines))
        self._lines = []


def _shown(line: str) -> str:
    """Return what a terminal would leave of a line."""
    kept = line.rstrip("\r").rpartition("\r")[2]
    return _CONTROL.sub("", kept)
