"""The tables of what is in an image: layers, packages, files, libraries, variables."""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from dataclasses import replace
from typing import Any

from . import units
from .blocks import Block
from .table import Table

Rows = Sequence[Mapping[str, Any]]
_REASONS_SHOWN = 2


def layer_table(layers: Rows) -> Table:
    """Return the layers, top of the list at the bottom of the image."""
    reuse = any("reused" in layer for layer in layers)
    rows = []
    for number, layer in enumerate(layers, 1):
        row = (str(number), layer["title"], layer["kind"], units.size(layer["size_bytes"]))
        rows.append((*row, "there" if layer["reused"] else "new") if reuse else row)
    headings = ("#", "LAYER", "KIND", "SIZE", *(("STATE",) if reuse else ()))
    return Table(headings, tuple(rows), "Layers", frozenset({0, 3}))


def content_blocks(data: Mapping[str, Any]) -> list[Block]:
    """Return a table for each sort of content that there is, largest things first."""
    tables = (
        _packages(data.get("packages", ())),
        _files(data.get("files", ())),
        replace(_libraries("Libraries", data.get("libraries", ())), folded=True),
        replace(_libraries("Programs", data.get("executables", ())), folded=True),
        replace(_system(data.get("system", ())), folded=True),
        replace(_variables(data.get("environment", ())), folded=True),
        _parameters(data.get("parameters", ())),
    )
    return [table for table in tables if table.rows]


def reasons(texts: Sequence[str]) -> str:
    """Return the first reasons and how many more there are."""
    shown = ", ".join(texts[:_REASONS_SHOWN])
    more = len(texts) - _REASONS_SHOWN
    return f"{shown} and {more} more" if more > 0 else shown


def _by_size(rows: Rows) -> list[Mapping[str, Any]]:
    return sorted(rows, key=lambda row: (-row["size_bytes"], str(row.get("name", ""))))


def _title(title: str, rows: Rows) -> str:
    return f"{title} ({len(rows)}, {units.size(sum(row['size_bytes'] for row in rows))})"


def _packages(rows: Rows) -> Table:
    cells = tuple(
        (
            row["name"],
            row["version"],
            units.size(row["size_bytes"]),
            reasons(row["reasons"]),
            row["origin"],
            row["layer"],
        )
        for row in _by_size(rows)
    )
    headings = ("PACKAGE", "VERSION", "SIZE", "WHY", "FROM", "LAYER")
    return Table(headings, cells, _title("Packages", rows), frozenset({2}))


def _files(rows: Rows) -> Table:
    cells = tuple(
        (
            row["path"],
            row["what"],
            units.size(row["size_bytes"]),
            reasons(row["reasons"]),
            row["layer"],
        )
        for row in _by_size(rows)
    )
    headings = ("FILE", "WHAT", "SIZE", "WHY", "LAYER")
    return Table(headings, cells, _title("Data and local code", rows), frozenset({2}))


def _libraries(title: str, rows: Rows) -> Table:
    cells = tuple(
        (
            row["name"],
            units.size(row["size_bytes"]),
            reasons(row["reasons"]),
            row["package"],
            row["path"],
        )
        for row in _by_size(rows)
    )
    headings = ("NAME", "SIZE", "WHY", "PACKAGE", "PATH")
    return Table(headings, cells, _title(title, rows), frozenset({1}))


def _system(rows: Rows) -> Table:
    cells = tuple(
        (row["name"], str(row["files"]), units.size(row["size_bytes"]), reasons(row["reasons"]))
        for row in _by_size(rows)
    )
    title = _title("System files", rows)
    return Table(("GROUP", "FILES", "SIZE", "WHY"), cells, title, frozenset({1, 2}))


def _variables(rows: Rows) -> Table:
    cells = tuple(
        (
            row["name"],
            "(name only)" if row["value"] is None else row["value"],
            reasons(row["reasons"]),
        )
        for row in rows
    )
    return Table(("VARIABLE", "VALUE", "WHY"), cells, "Environment")


def _parameters(rows: Rows) -> Table:
    cells = tuple((row["name"], row["default"], row["type"]) for row in rows)
    return Table(("PARAMETER", "DEFAULT", "TYPE"), cells, "Parameters")
