"""Hidden state: what the kernel knows that the notebook, run from top to bottom, would not."""

from __future__ import annotations

import builtins
from collections.abc import Iterator, Mapping, Sequence
from typing import Any

from ..model.reasons import Finding, Severity
from ..model.snapshot import Cell
from .scopes import scope_of
from .secrets import without_secrets

#: Names that IPython gives every cell.
_GIVEN = frozenset(dir(builtins)) | {
    *("In", "Out", "get_ipython", "exit", "quit", "open", "display", "_", "__", "___", "_i", "_ii"),
    *("_iii", "_ih", "_oh", "_dh", "_exit_code", "__file__", "__name__", "__doc__", "__builtins__"),
}


def findings(cells: Sequence[Cell], record: Mapping[str, Any]) -> tuple[Finding, ...]:
    """Return what makes the kernel's state differ from the cells' order and text."""
    if record["static"]:
        return ()
    return (*_order(cells), *_never_run(cells), *_failed(cells, record), *_names(cells, record))


def _order(cells: Sequence[Cell]) -> Iterator[Finding]:
    """One finding for all cells that ran before a cell above them."""
    early: list[int] = []
    highest: tuple[int, int] | None = None
    for cell in cells:
        if cell.execution_count is None:
            continue
        if highest and cell.execution_count < highest[0]:
            early.append(cell.number)
        else:
            highest = (cell.execution_count, cell.number)
    if early:
        several = len(early) > 1
        yield Finding(
            "executed-out-of-order",
            Severity.WARNING,
            what=f"Cell{'s' * several} {_listed(early)} ran before a cell above.",
            why="The container runs the cells from top to bottom; the outputs may differ.",
            fix="Restart the kernel and run all cells, then build again.",
            cell=early[0],
        )


def _never_run(cells: Sequence[Cell]) -> Iterator[Finding]:
    never = [cell.number for cell in cells if cell.execution_count is None and cell.outputs is None]
    if never:
        several = len(never) > 1
        yield Finding(
            "cell-never-run",
            Severity.WARNING,
            what=f"Cell{'s' * several} {_listed(never)} did not run in this kernel.",
            why="What such a cell imports and reads is only known from its text, and it has no "
            "output to compare with.",
            fix="Run it, or tag it `skip` to leave it out.",
            cell=never[0],
        )


def _failed(cells: Sequence[Cell], record: Mapping[str, Any]) -> Iterator[Finding]:
    by_count = {execution["execution_count"]: execution for execution in record["executions"]}
    for cell in cells:
        execution = by_count.get(cell.execution_count) if cell.execution_count else None
        if execution and execution["success"] is False and "raises-exception" not in cell.tags:
            yield Finding(
                "cell-raised",
                Severity.WARNING,
                what=f"Cell {cell.number} ended with {without_secrets(execution['error'])}.",
                why="The container will end there too, with exit code 1.",
                fix="Mend the cell and run it; or tag it `skip`, or `raises-exception` if it is "
                "meant to fail.",
                cell=cell.number,
            )


def _names(cells: Sequence[Cell], record: Mapping[str, Any]) -> Iterator[Finding]:
    """Names that a cell uses and no cell above it defines, though the kernel had them."""
    scopes = [scope_of(cell.source) for cell in cells]
    defined: set[str] = set(_GIVEN)
    told: set[str] = set()
    for place, (cell, scope) in enumerate(zip(cells, scopes, strict=True)):
        if scope.opaque:
            return  # from here on any name may exist
        for name in scope.needs:
            if name in defined or name in told:
                continue
            told.add(name)
            later = zip(cells[place + 1 :], scopes[place + 1 :], strict=True)
            below = [other.number for other, its in later if name in its.defines]
            if below or name in record["names"]:
                yield _missing(name, cell.number, below, cells, record)
        defined |= scope.defines


def _missing(
    name: str, number: int, below: list[int], cells: Sequence[Cell], record: Mapping[str, Any]
) -> Finding:
    edited = _edited_definer(name, cells, record)
    if below:
        what = f"Cell {number} uses `{name}`, which only cell {_listed(below)} defines."
        fix = "Move the defining cell up, or define the name earlier."
    elif edited:
        what = f"Cell {number} uses `{name}`, which cell {edited} defined before it was edited."
        fix = f"Define `{name}` in a cell above cell {number}."
    else:
        what = f"Cell {number} uses `{name}`, whose defining cell is gone."
        fix = f"Define `{name}` in a cell above cell {number}."
    return Finding(
        "name-defined-later" if below else "name-without-cell",
        Severity.WARNING,
        what=what,
        why="The kernel still has the name; the container will not.",
        fix=fix,
        cell=number,
    )


def _edited_definer(name: str, cells: Sequence[Cell], record: Mapping[str, Any]) -> int | None:
    """Return the number of the cell that once defined `name` and has another text now."""
    numbers = {cell.id: cell.number for cell in cells}
    for execution in reversed(record["executions"]):
        number = numbers.get(execution["cell_id"])
        if number is not None and name in scope_of(execution["source"]).defines:
            return number
    return None


def _listed(numbers: Sequence[int]) -> str:
    *most, last = (str(number) for number in numbers)
    return f"{', '.join(most)} and {last}" if most else last
