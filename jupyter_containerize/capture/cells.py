"""Merges the four sources of a cell's text: what ran, what the front end shows, the file, `In`."""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from typing import Any

from ..model.options import Mark
from ..model.reasons import Finding, Severity
from ..model.snapshot import Cell, CellSource, Notebook, Parameter, TextCell
from . import unsaved
from .notebook import NotebookFile
from .own_lines import without_own_lines
from .parameters import parameters_of

SKIP_TAGS = frozenset({"skip", "skip-execution"})
#: The part of a notebook's metadata that says how to run it; the rest is the front end's.
_METADATA_KEPT = ("kernelspec", "language_info")


@dataclass(frozen=True, slots=True)
class Merged:
    """The notebook as it goes into a snapshot, its parameters, and what differed."""

    notebook: Notebook
    parameters: tuple[Parameter, ...]
    findings: tuple[Finding, ...]


def merge(
    record: Mapping[str, Any],
    *,
    file: NotebookFile | None,
    front_end: Mapping[str, Any] | None = None,
    marks: Sequence[Mark] = (),
) -> Merged:
    """Return the notebook's cells: per cell id, what ran last wins over `front_end`, over `file`.

    `record` is a probe record; `front_end` a document as `notebook.normalise` returns it, with
    edits that are not saved. Without both the kernel's `In` history serves, with `marks` as tags. Cells tagged `skip`
    and lines that hold our own magics are left out; numbers still count every code cell.
    """
    document = front_end or (file.document if file else None)
    if document is None:
        return _from_history(record, marks)
    shown = [cell for cell in document["cells"] if cell["cell_type"] == "code"]
    executions = match([*unsaved.before_loading(record), *record["executions"]], shown)
    findings: list[Finding] = []
    if front_end is not None and file is not None:
        findings += _unsaved(shown, file.document)
    cells: list[Cell] = []
    for number, cell in enumerate(shown, 1):
        execution = executions.get(cell["id"])
        origin = CellSource.FILE if front_end is None else CellSource.FRONT_END
        merged = _merged(cell, number, execution, origin)
        if not merged.source.strip() or SKIP_TAGS & set(merged.tags):
            continue
        cells.append(merged)
        if execution and without_own_lines(cell["source"]) != merged.source:
            findings.append(_edited(number))
    if front_end is None and file is not None:
        findings += unsaved.findings(record, file, cells)
    notebook = Notebook(
        name=file.name if file else "notebook",
        path=file.path if file else "",
        folder=file.folder if file else record["initial_cwd"],
        cells=tuple(cells),
        metadata={
            key: document["metadata"][key] for key in _METADATA_KEPT if key in document["metadata"]
        },
        texts=_texts(document["cells"]),
    )
    return Merged(notebook, parameters_of(cells), tuple(findings))


def _texts(cells: Sequence[Mapping[str, Any]]) -> tuple[TextCell, ...]:
    found = []
    before = 1
    for cell in cells:
        if cell["cell_type"] == "code":
            before += 1
            continue
        attachments = cell.get("attachments")
        attachments = attachments if isinstance(attachments, dict) else {}
        kind = "raw" if cell["cell_type"] == "raw" else "markdown"
        found.append(TextCell(cell["id"], before, cell["source"], kind, attachments))
    return tuple(found)


def match(
    executions: Sequence[Mapping[str, Any]], cells: Sequence[Mapping[str, Any]]
) -> dict[str, Mapping[str, Any]]:
    """Return each cell id's last execution.

    Where a front end gives no cell id, or one that is not in the file (not saved yet; before
    nbformat 4.5), the text decides. The number, which may be of an older session, decides only
    where there is no id: a cell that was tried and deleted must not become another.
    """
    ids = {cell["id"] for cell in cells}
    found: dict[str, Mapping[str, Any]] = {}
    for execution in executions:
        key = execution["cell_id"]
        if key not in ids:
            key = _alike(execution, cells)
        if key:
            found[key] = execution
    return found


def _alike(execution: Mapping[str, Any], cells: Sequence[Mapping[str, Any]]) -> str:
    same_text = [cell["id"] for cell in cells if cell["source"] == execution["source"]]
    count = execution["execution_count"] if not execution["cell_id"] else None
    same_count = [
        cell["id"] for cell in cells if count is not None and cell["execution_count"] == count
    ]
    both = [key for key in same_text if key in same_count]
    return str((both or same_text or same_count or [""])[0])


def _merged(
    cell: Mapping[str, Any], number: int, execution: Mapping[str, Any] | None, origin: CellSource
) -> Cell:
    tags = cell["metadata"].get("tags")
    ran = cell["execution_count"] is not None or bool(cell["outputs"])
    source, count = cell["source"], cell["execution_count"]
    outputs = tuple(cell["outputs"]) if ran else None
    if execution is not None:
        source, origin = execution["source"], CellSource.EXECUTED
        if execution["outputs"] is not None:
            outputs = tuple(execution["outputs"])
        elif execution["execution_count"] not in (None, count):
            outputs = None  # the document's are of another execution
        count = execution["execution_count"]
    return Cell(
        id=cell["id"],
        number=number,
        source=without_own_lines(source),
        origin=origin,
        tags=tuple(tag for tag in tags if isinstance(tag, str)) if isinstance(tags, list) else (),
        execution_count=count,
        outputs=outputs,
    )


def _from_history(record: Mapping[str, Any], marks: Sequence[Mark]) -> Merged:
    by_count = {execution["execution_count"]: execution for execution in record["executions"]}
    cells = []
    for number, text in enumerate(record["history"], 1):
        source = without_own_lines(text)
        tags = tuple(mark.tag for mark in marks if mark.cell == number)
        outputs = by_count.get(number, {}).get("outputs")
        if source.strip() and not SKIP_TAGS & set(tags):
            cells.append(
                Cell(
                    id=f"history-{number}",
                    number=number,
                    source=source,
                    origin=CellSource.HISTORY,
                    tags=tags,
                    execution_count=number,
                    outputs=None if outputs is None else tuple(outputs),
                )
            )
    finding = Finding(
        "no-notebook-file",
        Severity.WARNING,
        what="The notebook's file is not known; the cells come from the kernel's input history.",
        why="This front end does not tell the kernel where the notebook is.",
        fix="Name it: %containerize build NOTEBOOK.ipynb",
    )
    folder = record["initial_cwd"]
    notebook = Notebook(name="notebook", path="", folder=folder, cells=tuple(cells))
    return Merged(notebook, (), (finding,))


def _unsaved(shown: Sequence[Mapping[str, Any]], saved: Mapping[str, Any]) -> list[Finding]:
    sources = {cell["id"]: cell["source"] for cell in saved["cells"] if cell["cell_type"] == "code"}
    changed = [
        number for number, cell in enumerate(shown, 1) if sources.get(cell["id"]) != cell["source"]
    ]
    gone = sources.keys() - {cell["id"] for cell in shown}
    if not changed and not gone:
        return []
    named = ", ".join(str(number) for number in changed)
    what = f"Cells with edits that are not saved: {named}." if changed else "Cells were deleted."
    return [
        Finding(
            "unsaved-edits",
            Severity.INFO,
            what=what,
            why="The image gets what the front end shows, not what the file has.",
            fix="Save the notebook, so that the file and the image agree.",
        )
    ]


def _edited(number: int) -> Finding:
    return Finding(
        "cell-edited-since-run",
        Severity.WARNING,
        what=f"Cell {number} was edited after it ran.",
        why="The image gets what ran, because that is what made the recorded outputs.",
        fix="Run the cell again if the new text is meant.",
        cell=number,
    )
