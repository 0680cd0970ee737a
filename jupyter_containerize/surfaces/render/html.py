"""Blocks and progress as HTML for a notebook: inline styles only, no script, light and dark.

Front ends drop `<style>` and `<script>` from notebooks that are not trusted; colours are
therefore the page's own with half-transparent accents. All text is escaped.
"""

from __future__ import annotations

from collections.abc import Iterable
from html import escape

from .blocks import Block, Excerpt, Facts, Notice, Raw, Tone
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


def page(blocks: Iterable[Block]) -> str:
    """Return blocks as one HTML fragment."""
    return f'<div style="{_FONT}">{"".join(_block(block) for block in blocks)}</div>'


def _block(block: Block) -> str:
    match block:
        case Facts(rows):
            return _facts(rows)
        case Table():
            return _table(block)
        case Notice():
            return _notice(block)
        case Raw(text):
            return f'<pre style="{_MONO}">{escape(text)}</pre>'
        case Excerpt(title, text):
            shown = escape("\n".join(plain(line) for line in text.splitlines()))
            return (
                f'<div style="margin-top:6px"><b>{escape(title)}</b>'
                f'<pre style="{_MONO};margin:2px 0;padding:6px;border:{_LINE};max-height:20em;'
                f'overflow:auto;background:none;color:inherit">{shown}</pre></div>'
            )


def _facts(rows: Iterable[tuple[str, str]]) -> str:
    cells = "".join(
        f'<tr style="background:none"><td style="text-align:left;padding:1px 14px 1px 0;{_DIM}">'
        f'{_text(name)}</td><td style="text-align:left;padding:1px 0;overflow-wrap:break-word">'
        f"{_text(value)}</td></tr>"
        for name, value in rows
        if value
    )
    return f'<table style="{_TABLE}">{cells}</table>'


def _table(table: Table) -> str:
    def row(cells: tuple[str, ...], tag: str, style: str) -> str:
        inner = "".join(
            f'<{tag} style="text-align:{"right" if index in table.right else "left"};'
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
    shown = " open" if len(table.rows) <= _OPEN_ROWS else ""
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


def progress(standing: Standing) -> str:
    """Return where a workflow stands: steps with a mark, the bar of what is in work."""
    rows = []
    for step in standing.steps:
        rows.append(_step(mark(step), _COLOURS[_MARKS[mark(step)]], step_line(step)))
        if step.name == "build" and standing.layers:
            rows.append(_layers(standing))
    if standing.item is not None:
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
