"""What the kernel ran that the notebook's file does not have: the front end has not saved it yet."""

from __future__ import annotations

import os
from collections.abc import Iterator, Mapping, Sequence
from datetime import datetime
from typing import Any

from ..model.reasons import Finding, Severity
from ..model.snapshot import Cell
from .notebook import NotebookFile
from .own_lines import without_own_lines

_SHOWN_CHARS = 60
#: The id of no cell: such an execution belongs to a cell only by its text.
_NO_CELL = "?"


def before_loading(record: Mapping[str, Any]) -> list[dict[str, Any]]:
    """Return what ran before the probe was there, as executions: the `In` history knows the text."""
    known = {execution["execution_count"] for execution in record["executions"]}
    loaded_after = record.get("kernel", {}).get("extension_loaded_after", 0)
    return [
        {"execution_count": count, "cell_id": _NO_CELL, "source": source, "outputs": None}
        for count, source in enumerate(record["history"][:loaded_after], 1)
        if count not in known
    ]


def findings(
    record: Mapping[str, Any], file: NotebookFile, cells: Sequence[Cell]
) -> Iterator[Finding]:
    """Yield what a save would mend: cells that the file lacks, outputs that it lacks."""
    lacking = _lacking(record, file)
    if lacking:
        named = ", ".join(f"`{_first_line(source)}`" for source in lacking)
        yield Finding(
            "notebook-not-saved",
            Severity.WARNING,
            what=f"These cells ran, and the notebook's file does not have them: {named}.",
            why="The image gets the cells of the file. Cells that are not saved yet, or that you "
            "deleted, are not among them.",
            fix="Save the notebook and build again, if they belong to it.",
        )
    early = {entry["execution_count"] for entry in before_loading(record)}
    blind = [cell for cell in cells if cell.outputs is None and cell.execution_count in early]
    if blind:
        *most, last = (str(cell.number) for cell in blind)
        named = f"Cells {', '.join(most)} and {last} have" if most else f"Cell {last} has"
        yield Finding(
            "outputs-not-saved",
            Severity.WARNING,
            what=f"{named} no outputs in the notebook's file.",
            why="That ran before `%load_ext jupyter_containerize`, and the notebook has not been "
            "saved since. Without outputs there is nothing that a proof could compare with.",
            fix="Save the notebook and build again, or load the extension in the first cell.",
            cell=blind[0].number,
        )


def _lacking(record: Mapping[str, Any], file: NotebookFile) -> list[str]:
    """Return texts that ran after the file was last saved and are in none of its cells."""
    try:
        saved_at = os.stat(file.path).st_mtime
    except OSError:
        return []
    code = [cell for cell in file.document["cells"] if cell["cell_type"] == "code"]
    ids, texts = {cell["id"] for cell in code}, {cell["source"] for cell in code}
    executions = [
        execution
        for execution in record["executions"]
        if execution["started_at"]
        and datetime.fromisoformat(execution["started_at"]).timestamp() > saved_at
    ]
    found: list[str] = []
    if executions and executions[0] is record["executions"][0]:
        # Nothing was saved since the extension was loaded: what ran just before may be unsaved too.
        for entry in reversed(before_loading(record)):
            if entry["source"] in texts:
                break
            found.insert(0, entry["source"])
    found += [
        execution["source"]
        for execution in executions
        if execution["cell_id"] not in ids and execution["source"] not in texts
    ]
    return [source for source in dict.fromkeys(found) if without_own_lines(source).strip()]


def _first_line(source: str) -> str:
    line = source.strip().splitlines()[0]
    return line if len(line) <= _SHOWN_CHARS else line[: _SHOWN_CHARS - 1] + "…"
