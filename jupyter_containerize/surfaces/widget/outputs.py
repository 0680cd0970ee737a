"""What a run left: the executed notebook's outputs and the files, to look at and to save."""

from __future__ import annotations

import base64
import json
import mimetypes
import os
from collections.abc import Iterator, Mapping
from html import escape
from typing import Any

from ..render import html, units
from ..render.blocks import Block, Facts, Notice, Tone

MOST_FILES = 100
#: Larger files are named, not offered: a link would hold all their bytes.
MOST_LINK_BYTES = 5_000_000
MOST_TEXT = 4000


def outputs_page(run: Mapping[str, Any]) -> str:
    """Return the outputs of a finished run as HTML."""
    folder = run.get("outputs") or ""
    parts: list[Block] = [Facts((("folder", folder),))]
    try:
        with open(os.path.join(folder, "executed.ipynb"), encoding="utf-8") as file:
            notebook = json.load(file)
    except (OSError, ValueError):
        notebook = None
        parts.append(Notice(Tone.WARNING, "The run left no executed notebook."))
    shown = "".join(_cell(cell) for cell in (notebook or {}).get("cells", ()))
    return html.page(parts) + _links(folder) + (html.scrolling(shown) if shown else "")


def _links(folder: str) -> str:
    rows = []
    for path in sorted(_files(folder))[:MOST_FILES]:
        name, size = os.path.relpath(path, folder), os.path.getsize(path)
        rows.append(
            f'<tr style="background:none"><td style="text-align:left;padding:1px 12px 1px 0">'
            f'{_link(path, name, size)}</td><td style="text-align:right">{units.size(size)}</td></tr>'
        )
    return html.framed(f"<table>{''.join(rows)}</table>") if rows else ""


def _files(folder: str) -> Iterator[str]:
    for inside, folders, names in os.walk(folder):
        folders[:] = [name for name in folders if not name.startswith(".")]
        yield from (os.path.join(inside, name) for name in names)


def _link(path: str, name: str, size: int) -> str:
    if size > MOST_LINK_BYTES:
        return escape(name)
    try:
        with open(path, "rb") as file:
            data = base64.b64encode(file.read()).decode()
    except OSError:
        return escape(name)
    kind = mimetypes.guess_type(name)[0] or "application/octet-stream"
    saved = escape(os.path.basename(name), quote=True)
    return f'<a download="{saved}" href="data:{kind};base64,{data}">{escape(name)}</a>'


def _cell(cell: Mapping[str, Any]) -> str:
    if cell.get("cell_type") != "code":
        return ""
    outputs = "".join(_output(output) for output in cell.get("outputs", ()))
    source = cell["source"] if isinstance(cell["source"], str) else "".join(cell["source"])
    return html.terminal(source[:MOST_TEXT], dim=True) + outputs


def _output(output: Mapping[str, Any]) -> str:
    data = output.get("data") or {}
    if "image/png" in data:
        picture = "".join(data["image/png"].split())
        return f'<img alt="figure" style="max-width:100%" src="data:image/png;base64,{escape(picture, quote=True)}">'
    text = output.get("text") or data.get("text/plain") or "\n".join(output.get("traceback") or ())
    joined = text if isinstance(text, str) else "".join(text)
    return html.terminal(joined[:MOST_TEXT]) if joined else ""
