"""What the chosen cells say and did, by cell number: for the parts that look at the disk."""

from __future__ import annotations

import os
import re
from collections.abc import Iterator, Mapping, Sequence
from dataclasses import dataclass
from typing import Any

from ..model.reasons import Reason, ReasonKind
from ..model.snapshot import Cell
from . import shell, syntax
from .own_lines import without_own_lines

#: `%%writefile` without `-a`: the cell makes the file itself.
_WRITES_FILE = re.compile(r"\s*%%(?:writefile|file)\s+(['\"]?)([^-\s'\"][^'\"\n]*?)\1\s*\n")
#: Modules of the standard library that start programs only to find something out.
_ASKS_THE_MACHINE = frozenset({"ctypes.util", "platform", "uuid", "webbrowser"})


@dataclass(frozen=True)
class CellFacts:
    """Facts of the chosen cells.

    `cell_of_seq` maps executions to the number of the chosen cell they ran. `imports` maps
    dotted modules, `paths` absolute paths that exist, and `variables` environment variables
    to the cells that name them. `commands` are programs as called, `written` files that
    `%%writefile` makes. `unwatched` cells never ran with the probe. `guarded` modules are
    those that a cell can do without.
    """

    cell_of_seq: Mapping[int, int]
    imports: Mapping[str, frozenset[int]]
    paths: Mapping[str, frozenset[int]]
    variables: Mapping[str, frozenset[int]]
    commands: tuple[tuple[str, Reason], ...]
    written: frozenset[str]
    unwatched: frozenset[int]
    guarded: frozenset[str] = frozenset()


def facts_of(record: Mapping[str, Any], cells: Sequence[Cell], *, folder: str) -> CellFacts:
    """Return the facts of `cells`, whose relative paths start in `folder`."""
    cell_of_seq = _cells_of_executions(record["executions"], cells)
    imports: dict[str, set[int]] = {}
    paths: dict[str, set[int]] = {}
    variables: dict[str, set[int]] = {}
    commands: dict[tuple[str, Reason], None] = {}
    guarded: set[str] = set()
    for cell in cells:
        named = syntax.names_of(cell.source)
        guarded.update(named.guarded)
        for name in (*named.modules, *named.members):
            imports.setdefault(name, set()).add(cell.number)
        for text in named.paths:
            path = _absolute(text, folder=folder, home=record["python"]["home"])
            if os.path.lexists(path):
                paths.setdefault(path, set()).add(cell.number)
        for name in named.variables:
            variables.setdefault(name, set()).add(cell.number)
        for name in named.commands:
            commands[name, Reason.cell(ReasonKind.CALLED, cell.number)] = None
    commands.update(dict.fromkeys(_called(record["commands"], cell_of_seq)))
    return CellFacts(
        cell_of_seq=cell_of_seq,
        imports=_frozen(imports),
        paths=_frozen(paths),
        variables=_frozen(variables),
        commands=tuple(commands),
        written=frozenset(_written(cells, folder=folder, home=record["python"]["home"])),
        unwatched=frozenset({cell.number for cell in cells} - set(cell_of_seq.values())),
        guarded=frozenset(guarded),
    )


def _frozen(numbers: Mapping[str, set[int]]) -> dict[str, frozenset[int]]:
    return {name: frozenset(found) for name, found in sorted(numbers.items())}


def _cells_of_executions(
    executions: Sequence[Mapping[str, Any]], cells: Sequence[Cell]
) -> dict[int, int]:
    """Return execution → cell: by id, else by text, else (no id given) by its number."""
    by_id = {cell.id: cell.number for cell in cells}
    by_source = {cell.source: cell.number for cell in cells}
    by_count = {cell.execution_count: cell.number for cell in cells if cell.execution_count}
    # Before nbformat 4.5 front ends have ids that are never saved; after it, an id that is not
    # in the file is that of a deleted cell.
    ids_are_saved = any(one["cell_id"] in by_id for one in executions)
    found: dict[int, int] = {}
    for one in executions:
        number = by_id.get(one["cell_id"])
        if number is None and not (one["cell_id"] and ids_are_saved):
            number = by_source.get(without_own_lines(one["source"]))
        if number is None and not one["cell_id"]:
            number = by_count.get(one["execution_count"])
        if number is not None:
            found[one["seq"]] = number
    return found


def _absolute(text: str, *, folder: str, home: str) -> str:
    if text == "~" or text.startswith("~/"):
        text = home + text[1:]
    return os.path.normpath(os.path.join(folder, text))


def _written(cells: Sequence[Cell], *, folder: str, home: str) -> Iterator[str]:
    for cell in cells:
        found = _WRITES_FILE.match(cell.source)
        if found:
            yield _absolute(found[2], folder=folder, home=home)


def _called(
    commands: Sequence[Mapping[str, Any]], cell_of_seq: Mapping[int, int]
) -> Iterator[tuple[str, Reason]]:
    """Yield the programs that ran, but for those that Python asks about the machine."""
    for one in commands:
        cell = cell_of_seq.get(one["seq"])
        if cell is None or one.get("caller") in _ASKS_THE_MACHINE:
            continue
        reason = Reason.cell(ReasonKind.CALLED, cell)
        if one["kind"] == "shell":
            for name in shell.programs(one["text"]):
                yield name, reason
        elif one["argv"]:
            yield one["resolved"] or one["argv"][0], reason
