"""The verdict over all cells."""

from __future__ import annotations

from ..model.verdict import CellOutcome, CellVerdict, Verdict, VerdictState

_AGAINST = {
    CellOutcome.FAILED: "{} failed",
    CellOutcome.DIFFERENT: "{} different",
    CellOutcome.MISSING: "{} missing",
}


def verdict(
    cells: tuple[CellVerdict, ...],
    *,
    image: str,
    run: str,
    rtol: float = 1e-6,
    exit_code: int | None = 0,
    static: bool = False,
) -> Verdict:
    """Judge a run: `verified` only if it ended well, nothing speaks against it, and a cell is equal.

    `image` is a manifest digest, `run` the run's id, `exit_code` the run's (None: it has none).
    A `static` snapshot's cells never ran in a kernel, so there is nothing that could be proven.
    """
    counts = {outcome: sum(cell.outcome is outcome for cell in cells) for outcome in CellOutcome}
    against = [
        words.format(counts[outcome]) for outcome, words in _AGAINST.items() if counts[outcome]
    ]
    if against:
        state, reason = VerdictState.FAILED, f"Cells: {', '.join(against)}."
    elif exit_code != 0:
        ended = "was lost" if exit_code is None else f"ended with exit code {exit_code}"
        state, reason = VerdictState.FAILED, f"The run {ended}."
    elif static:
        state = VerdictState.UNPROVEN
        reason = "The snapshot is static (--no-execute): its cells never ran in a kernel."
    elif not counts[CellOutcome.EQUAL]:
        state, reason = VerdictState.UNPROVEN, "No cell has a recorded output to compare with."
    else:
        state = VerdictState.VERIFIED
        reason = f"{counts[CellOutcome.EQUAL]} of {len(cells)} cells gave the recorded output."
    return Verdict(state, image=image, run=run, cells=cells, rtol=rtol, reason=reason)
