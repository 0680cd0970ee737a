"""Blocks as plain text, and as coloured text for a terminal that wants it."""

from __future__ import annotations

import textwrap
from collections.abc import Iterable

from .blocks import Block, Comparison, Excerpt, Facts, Notice, Raw, Tone
from .table import Table, paragraph, plain

_MARKS = {Tone.GOOD: "✓", Tone.INFO: "i", Tone.WARNING: "!", Tone.BAD: "✗"}
_COLOURS = {Tone.GOOD: "32", Tone.INFO: "36", Tone.WARNING: "33", Tone.BAD: "31"}
_BOLD = "1"
_DIM = "2"
_LEAST_WIDTH = 40


class Style:
    """How plain text is put: `colour` adds SGR codes, `width` wraps and shortens."""

    def __init__(self, *, width: int | None = None, colour: bool = False) -> None:
        self.width = max(width, _LEAST_WIDTH) if width else None
        self.colour = colour

    def paint(self, text: str, code: str) -> str:
        """Return `text` in a colour, if there are colours."""
        return f"\x1b[{code}m{text}\x1b[0m" if self.colour else text


def render(blocks: Iterable[Block], style: Style) -> str:
    """Return the blocks as text without a last line end; a free line before each table."""
    parts: list[str] = []
    previous: Block | None = None
    for block in blocks:
        if previous is not None and (
            isinstance(block, Table | Excerpt | Comparison) or type(block) is not type(previous)
        ):
            parts.append("")
        parts.extend(_lines(block, style))
        previous = block
    return "\n".join(parts)


def _lines(block: Block, style: Style) -> list[str]:  # noqa: PLR0911 - one for each kind
    match block:
        case Facts(rows):
            return paragraph(rows)
        case Table():
            lines = block.lines(style.width)
            head = 1 if block.title else 0
            lines[head] = style.paint(lines[head], _DIM)
            if head:
                lines[0] = style.paint(lines[0], _BOLD)
            return lines
        case Notice():
            return notice_lines(block, style)
        case Raw(text):
            return [text]
        case Excerpt(title, text):
            return _excerpt(title, text, style)
        case Comparison(where, notebook, image, difference):
            if difference:
                return _excerpt(f"{where}: - in the notebook, + in the image", difference, style)
            if notebook == image:
                return _excerpt(f"{where} in notebook and image", notebook, style)
            return [
                *_excerpt(f"{where} in the notebook", notebook, style),
                "",
                *_excerpt(f"{where} in the image", image, style),
            ]


def _excerpt(title: str, text: str, style: Style) -> list[str]:
    shown = [f"  {plain(line)}".rstrip() for line in text.splitlines()]
    return [style.paint(title, _BOLD), *shown]


def notice_lines(notice: Notice, style: Style) -> list[str]:
    """Return `✗ what [code]` with why and fix under it, wrapped to the style's width."""
    mark = style.paint(_MARKS[notice.tone], _COLOURS[notice.tone])
    where = f"{notice.where}: " if notice.where else ""
    code = f" [{notice.code}]" if notice.code else ""
    lines = [f"{mark} {line}" if not index else f"  {line}" for index, line in enumerate(
        _wrap(f"{where}{notice.what}{code}", style, 2)
    )]  # fmt: skip
    for name, text in (("why", notice.why), ("fix", notice.fix)):
        for index, line in enumerate(_wrap(text, style, 7)):
            lines.append(f"  {name if not index else '   '}: {line}".replace("   : ", "     "))
    return lines


def _wrap(text: str, style: Style, indent: int) -> list[str]:
    lines: list[str] = []
    for line in text.splitlines():
        clean = plain(line)
        if style.width is None:
            lines.append(clean)
            continue
        lines.extend(
            textwrap.wrap(
                clean, style.width - indent, break_long_words=False, break_on_hyphens=False
            )
            or [""]
        )
    return lines
