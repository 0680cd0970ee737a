"""Blocks and progress as HTML for a notebook: inline styles only, no script, light and dark.

Front ends drop `<style>` and `<script>` from notebooks that are not trusted; colours are
therefore the page's own with half-transparent accents. All text is escaped.
"""

from __future__ import annotations

from collections.abc import Iterable
from difflib import SequenceMatcher
from html import escape

from . import units
from .bars import Bar, Bars, BarState
from .blocks import Block, Comparison, Excerpt, Facts, Notice, Raw, Tone
from .progress import Standing, amount, layer_line, mark, share, step_line
from .table import Table, plain

_FONT = (
    "font-family:var(--jp-ui-font-family,system-ui,sans-serif);font-size:13px;line-height:1.5;"
    "padding:0 8px"  # where the front end's own text begins
)
#: Without a doctype, tables do not inherit.
_TABLE = "border:0;border-collapse:collapse;margin:4px 0;color:inherit;font-size:inherit"
_LINE = "1px solid rgba(128,128,128,.35)"
_DIM = "opacity:.7"
_MONO = "font-family:var(--jp-code-font-family,monospace);font-size:12px"
_COLOURS = {
    Tone.GOOD: "#2e9e5b",
    Tone.INFO: "#3b82c4",
    Tone.WARNING: "#c98a1b",
    Tone.BAD: "#d6453d",
}
_MARKS = {"✓": Tone.GOOD, "●": Tone.INFO, "✗": Tone.BAD}
_OPEN_ROWS = 12
_BAR_COLOURS = {
    BarState.WAITING: "none",
    BarState.WORKING: _COLOURS[Tone.INFO],
    BarState.WRITTEN: _COLOURS[Tone.INFO],
    BarState.THERE: _COLOURS[Tone.GOOD],
}


def page(blocks: Iterable[Block], *, open_rows: int | None = _OPEN_ROWS) -> str:
    """Return blocks as one HTML fragment; tables with more than `open_rows` are folded."""
    return f'<div style="{_FONT}">{"".join(_block(block, open_rows) for block in blocks)}</div>'


def _block(block: Block, open_rows: int | None) -> str:
    match block:
        case Facts(rows):
            return _facts(rows)
        case Table():
            return _table(block, open_rows)
        case Notice():
            return _notice(block)
        case Raw(text):
            return f'<pre style="{_MONO}">{escape(text)}</pre>'
        case Comparison():
            return _comparison(block)
        case Excerpt(title, text):
            shown = escape("\n".join(plain(line) for line in text.splitlines()))
            return (
                f'<div style="margin-top:6px"><b>{escape(title)}</b>'
                f'<pre style="{_MONO};margin:2px 0;padding:6px;border:{_LINE};max-height:20em;'
                f'overflow:auto;background:none;color:inherit">{shown}</pre></div>'
            )


def _comparison(block: Comparison) -> str:
    """Return both sides line beside line; lines that differ are marked, also without colour."""
    left, right = block.notebook.splitlines(), block.image.splitlines()
    rows = []
    for kind, a, b, c, d in SequenceMatcher(None, left, right, autojunk=False).get_opcodes():
        for place in range(max(b - a, d - c)):
            sides = (left[a + place] if a + place < b else None,
                     right[c + place] if c + place < d else None)  # fmt: skip
            rows.append(_sides(*sides, same=kind == "equal"))
    head = "".join(
        f'<th scope="col" style="text-align:left;font-weight:600;padding:2px 6px;width:50%">{name}</th>'
        for name in ("In the notebook", "In the image")
    )
    return (
        f'<div style="max-height:20em;overflow:auto;border:{_LINE};margin:2px 0 6px 14px">'
        f'<table aria-label="{_text(block.title)}, side by side" style="{_TABLE};margin:0;width:100%;'
        f'table-layout:fixed"><thead><tr style="background:none">{head}</tr></thead>'
        f"<tbody>{''.join(rows)}</tbody></table></div>"
    )


def _sides(left: str | None, right: str | None, *, same: bool) -> str:
    cells = []
    for text, sign, colour in ((left, "-", Tone.BAD), (right, "+", Tone.GOOD)):
        tint = "" if same or text is None else f"background:{_COLOURS[colour]}33;"
        shown = "" if text is None else _text(text) if same else f"{sign} {_text(text)}"
        cells.append(
            f'<td style="{_MONO};{tint}text-align:left;vertical-align:top;padding:1px 6px;'
            f'white-space:pre-wrap;overflow-wrap:anywhere">{shown}</td>'
        )
    return f'<tr style="background:none">{"".join(cells)}</tr>'


def bars(all_bars: Bars) -> str:
    """Return a build's layers: one bar for all, then each layer with its bytes and time."""
    total = all_bars.total_bytes or 1
    percent = round(100 * all_bars.done_bytes / total)
    parts = "".join(
        f'<div title="{_text(bar.title)}" style="width:{100 * bar.total_bytes / total:.2f}%;'
        f'background:rgba(128,128,128,.25);border-right:1px solid rgba(128,128,128,.5)">'
        f'<div style="height:100%;width:{_percent(bar)}%;background:{_BAR_COLOURS[bar.state]}">'
        "</div></div>"
        for bar in all_bars.rows.values()
    )
    amount = f"{units.size(all_bars.done_bytes)} of {units.size(all_bars.total_bytes)}"
    rows = "".join(
        f'<tr style="background:none"><td style="text-align:left;padding:0 12px 0 0">{_text(bar.title)}'
        f'</td><td style="text-align:right;padding:0 12px 0 0;white-space:nowrap">{_bytes(bar)}</td>'
        f'<td style="text-align:left;padding:0;white-space:nowrap;{_DIM}">{_how(bar)}</td></tr>'
        for bar in all_bars.rows.values()
    )
    return (
        f'<div style="{_FONT}"><div role="progressbar" aria-label="Layers" aria-valuemin="0" '
        f'aria-valuemax="100" aria-valuenow="{percent}" aria-valuetext="{amount}" '
        'style="display:flex;height:12px;border-radius:3px;overflow:hidden;max-width:640px">'
        f'{parts}</div><div style="{_DIM}">{len(all_bars.rows)} layers, {amount}</div>'
        f'<table style="{_TABLE};margin:4px 0 0">{rows}</table></div>'
    )


def _percent(bar: Bar) -> int:
    if bar.state in (BarState.WRITTEN, BarState.THERE):
        return 100
    return round(100 * bar.done_bytes / bar.total_bytes) if bar.total_bytes else 0


def _bytes(bar: Bar) -> str:
    if bar.state is BarState.WORKING:
        return f"{units.size(bar.done_bytes)} of {units.size(bar.total_bytes)}"
    return units.size(bar.total_bytes)


def _how(bar: Bar) -> str:
    match bar.state:
        case BarState.WAITING:
            return "waiting"
        case BarState.WORKING:
            return f"writing, {units.seconds(bar.seconds)}"
        case BarState.WRITTEN:
            return f"written in {units.seconds(bar.seconds)}"
        case BarState.THERE:
            return "there already"


def _facts(rows: Iterable[tuple[str, str]]) -> str:
    cells = "".join(
        f'<tr style="background:none"><td style="text-align:left;padding:1px 14px 1px 0;{_DIM}">'
        f'{_text(name)}</td><td style="text-align:left;padding:1px 0;overflow-wrap:break-word">'
        f"{_text(value)}</td></tr>"
        for name, value in rows
        if value
    )
    return f'<table style="{_TABLE}">{cells}</table>'


def _table(table: Table, open_rows: int | None) -> str:
    def row(cells: tuple[str, ...], tag: str, style: str) -> str:
        inner = "".join(
            f'<{tag} style="text-align:{"right;white-space:nowrap" if index in table.right else "left"};'
            f'padding:2px 12px 2px 0;vertical-align:top;overflow-wrap:break-word;{style}">'
            f"{_text(cell)}</{tag}>"
            for index, cell in enumerate(cells)
        )
        return f'<tr style="background:none;border-top:{_LINE}">{inner}</tr>'

    head = row(tuple(name.capitalize() for name in table.headings), "th", "font-weight:600")
    body = "".join(row(cells, "td", "") for cells in table.rows)
    html = f'<table style="{_TABLE};width:auto"><thead>{head}</thead><tbody>{body}</tbody></table>'
    if not table.title:
        return html
    few = open_rows is None or len(table.rows) <= open_rows
    shown = " open" if few and not table.folded else ""
    summary = f'<summary style="cursor:pointer;font-weight:600">{_text(table.title)}</summary>'
    return f'<details{shown} style="margin:8px 0 0">{summary}{html}</details>'


def _notice(notice: Notice) -> str:
    colour = _COLOURS[notice.tone]
    where = f"{notice.where}: " if notice.where else ""
    code = f' <span style="{_MONO};{_DIM}">{_text(notice.code)}</span>' if notice.code else ""
    parts = [f'<div style="font-weight:600">{_lines(where + notice.what)}{code}</div>']
    if notice.why:
        parts.append(f'<div style="{_DIM}">{_lines(notice.why)}</div>')
    if notice.fix:
        parts.append(f"<div>→ {_lines(notice.fix)}</div>")
    return (
        f'<div style="border-left:4px solid {colour};padding:2px 0 2px 10px;margin:6px 0">'
        f"{''.join(parts)}</div>"
    )


def heading(text: str, more: str = "", *, tone: Tone = Tone.INFO) -> str:
    """Return a sentence that a screen reader reads out when it changes; `more` is HTML."""
    shown = f'<span role="status" aria-live="polite" style="font-weight:600">{_text(text)}</span>'
    mark = {Tone.GOOD: "✓", Tone.BAD: "✗", Tone.WARNING: "!"}.get(tone, "")
    sign = f'<b aria-hidden="true" style="color:{_COLOURS[tone]}">{mark}</b> ' if mark else ""
    return framed(f"{sign}{shown}{more}")


def inline(text: str) -> str:
    """Return text for inside of HTML."""
    return _text(text)


def framed(inner: str) -> str:
    """Return HTML in our font."""
    return f'<div style="{_FONT}">{inner}</div>'


def scrolling(inner: str) -> str:
    """Return HTML in a frame that scrolls."""
    return framed(
        f'<div style="max-height:30em;overflow:auto;border:{_LINE};padding:6px">{inner}</div>'
    )


def terminal(text: str, *, dim: bool = False) -> str:
    """Return text as a terminal shows it, lines kept."""
    shown = escape("\n".join(plain(line) for line in text.split("\n")))
    return (
        f'<pre style="{_MONO};margin:0;padding:0 6px;background:none;color:inherit;'
        f'white-space:pre-wrap;overflow-wrap:anywhere;line-height:1.4{";" + _DIM if dim else ""}">'
        f"{shown}</pre>"
    )


def progress(standing: Standing, *, layers: bool = True) -> str:
    """Return where a workflow stands: steps with a mark, the bar of what is in work.

    Without `layers` a build's layers are left to `bars`.
    """
    rows = []
    for step in standing.steps:
        rows.append(_step(mark(step), _COLOURS[_MARKS[mark(step)]], step_line(step)))
        if layers and step.name == "build" and standing.layers:
            rows.append(_layers(standing))
    if standing.item is not None and (layers or standing.item.step != "build"):
        percent = round(share(standing.item) * 100)
        rows.append(
            '<div style="margin:3px 0 3px 20px">'
            '<div style="background:rgba(128,128,128,.25);border-radius:3px;height:8px;'
            f'max-width:420px"><div style="background:{_COLOURS[Tone.INFO]};border-radius:3px;'
            f'height:8px;width:{percent}%"></div></div>'
            f'<span style="{_DIM}">{_text(standing.item.item)}: '
            f"{_text(amount(standing.item))}</span></div>"
        )
    return f'<div style="{_FONT}">{"".join(rows)}</div>'


def _step(mark: str, colour: str, text: str) -> str:
    return f'<div><span style="color:{colour};display:inline-block;width:20px">{mark}</span>{_text(text)}</div>'


def _layers(standing: Standing) -> str:
    reused = sum(layer.reused for layer in standing.layers)
    lines = "".join(
        f'<div style="margin-left:20px;{_DIM}">{_text(layer_line(layer))}</div>'
        for layer in standing.layers
    )
    title = f"{len(standing.layers)} layers done, {reused} of them were there already"
    return (
        f'<details style="margin-left:20px"><summary style="cursor:pointer;{_DIM}">{title}'
        f"</summary>{lines}</details>"
    )


def _text(text: str) -> str:
    return escape(plain(text))


def _lines(text: str) -> str:
    return "<br>".join(_text(line) for line in text.splitlines())
