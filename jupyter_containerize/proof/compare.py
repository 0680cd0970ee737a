"""Every cell's outputs in the run against the recorded ones."""

from __future__ import annotations

import datetime as dt
import difflib
from collections.abc import Mapping
from typing import Any

from ..model.verdict import CellOutcome, CellVerdict
from .bundle import joined
from .causes import Evidence, likely_cause
from .outputs import CellOutputs
from .tokens import Tolerance

DIFF_LINES = 30
SIDE_CHARACTERS = 4000


def compare(
    recorded: Mapping[str, Any], executed: Mapping[str, Any], *, rtol: float = 1e-6
) -> tuple[CellVerdict, ...]:
    """Compare the code cells of two notebooks (nbformat 4 JSON), matched by id, in order.

    `recorded` holds the outputs that the notebook's author saw, `executed` those of the
    image's run. `rtol` is the relative distance that numbers other than integers may have.

    * `equal`: text equal after normalising (`text`, `tokens`), figures of the same size, cells
      tagged `nondeterministic` of the same shape.
    * `unproven`: nothing was recorded to compare with: the cell never ran, or it put out
      nothing, in the notebook as in the run. It ran without an error; nothing more is known.
    * `different`, with both sides; `failed`: raised an error and is not tagged
      `raises-exception`, or was interrupted; `missing`: not in the run, or behind the cell that ended it.
    """
    runs = {cell["id"]: cell for cell in _code_cells(executed)}
    tolerance = _tolerance(executed, rtol)
    sources = [joined(cell["source"]) for cell in _code_cells(recorded)]
    verdicts = []
    for place, cell in enumerate(_code_cells(recorded), 1):
        if not joined(cell["source"]).strip():
            continue
        number = cell["metadata"].get("jupyter_containerize", {}).get("number", place)
        run = runs.get(cell["id"])
        evidence = Evidence(sources=tuple(sources), source=joined(cell["source"]))
        verdicts.append(_compare_cell(cell, run, number, tolerance, evidence))
    return tuple(verdicts)


def _compare_cell(
    cell: Mapping[str, Any],
    run: Mapping[str, Any] | None,
    number: int,
    tolerance: Tolerance,
    evidence: Evidence,
) -> CellVerdict:
    tags = cell["metadata"].get("tags", [])
    if run is None or (run.get("execution_count") is None and not run.get("outputs")):
        detail = "The cell did not run: the run ended before it." if run else "Not in the run."
        return CellVerdict(cell["id"], number, CellOutcome.MISSING, detail=detail)
    theirs = CellOutputs.of(cell["outputs"])
    ours = CellOutputs.of(run["outputs"])
    error = next((out for out in ours.others if out["output_type"] == "error"), None)
    evidence = evidence.with_sides(theirs.text(), ours.text(), error)
    state = (
        run["metadata"].get("jupyter_containerize", {}).get("state", "failed" if error else "ok")
    )
    if state != "ok" and "raises-exception" not in tags:
        return _verdict(cell["id"], number, CellOutcome.FAILED, evidence)
    if theirs.empty and not _recorded(cell):
        detail = "The cell never ran in the notebook: there is no output to compare with."
        return CellVerdict(cell["id"], number, CellOutcome.UNPROVEN, detail=detail)
    if theirs.empty and ours.empty:
        detail = "The cell put out nothing, in the notebook as in the run."
        return CellVerdict(cell["id"], number, CellOutcome.UNPROVEN, detail=detail)
    by_shape = "nondeterministic" in tags
    same = theirs.same_shape(ours) if by_shape else theirs.same(ours, tolerance)
    if same:
        detail = "Compared by shape: the cell is tagged nondeterministic." if by_shape else ""
        return CellVerdict(cell["id"], number, CellOutcome.EQUAL, detail=detail)
    return _verdict(cell["id"], number, CellOutcome.DIFFERENT, evidence)


def _recorded(cell: Mapping[str, Any]) -> bool:
    """Return whether the cell ran in the notebook: planning notes it, else its count tells."""
    noted = cell["metadata"].get("jupyter_containerize", {}).get("recorded")
    return bool(cell.get("execution_count") is not None if noted is None else noted)


def _verdict(id_: str, number: int, outcome: CellOutcome, evidence: Evidence) -> CellVerdict:
    cause, fix = likely_cause(evidence)
    return CellVerdict(
        id_,
        number,
        outcome,
        expected=_shortened(evidence.recorded),
        actual=_shortened(evidence.executed),
        detail=difference(evidence.recorded, evidence.executed),
        cause=cause,
        fix=fix,
    )


def difference(recorded: str, executed: str) -> str:
    """Return a unified diff of the two sides, at most 30 lines."""
    lines = list(
        difflib.unified_diff(
            recorded.splitlines(), executed.splitlines(), "notebook", "image", lineterm="", n=1
        )
    )
    if len(lines) > DIFF_LINES:
        lines[DIFF_LINES:] = [f"... {len(lines) - DIFF_LINES} more lines differ"]
    return "\n".join(lines)


def _shortened(text: str) -> str:
    if len(text) <= SIDE_CHARACTERS:
        return text
    return f"{text[:SIDE_CHARACTERS]}\n... {len(text) - SIDE_CHARACTERS} more characters"


def _code_cells(notebook: Mapping[str, Any]) -> list[Mapping[str, Any]]:
    return [cell for cell in notebook["cells"] if cell["cell_type"] == "code"]


def _tolerance(executed: Mapping[str, Any], rtol: float) -> Tolerance:
    """Return the tolerance with the run's times, which the guest writes into the metadata."""
    times = executed.get("metadata", {}).get("jupyter_containerize", {})
    try:
        started, ended = (
            dt.datetime.fromisoformat(times[name]).replace(tzinfo=None)
            for name in ("started_at", "ended_at")
        )
    except (KeyError, ValueError):
        return Tolerance(rtol)
    return Tolerance(rtol, started, ended)
