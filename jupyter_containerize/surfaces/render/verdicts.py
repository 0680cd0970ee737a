"""A verdict as blocks: its state, then each cell that is not equal, with both sides."""

from __future__ import annotations

from collections.abc import Mapping
from typing import Any

from . import units
from .blocks import Block, Comparison, Notice, Tone

Data = Mapping[str, Any]
_VERDICT_TONES = {"verified": Tone.GOOD, "failed": Tone.BAD, "unproven": Tone.WARNING}
_OUTCOMES = {
    "different": "The outputs differ.",
    "failed": "The cell failed.",
}
_MOST_SHOWN = 5


def verdict_blocks(verdict: Data) -> list[Block]:
    """Return a verdict: its state, then each cell that is not equal with both sides."""
    parts: list[Block] = [verdict_notice(verdict)]
    bad = differing(verdict)
    for cell in bad[:_MOST_SHOWN]:
        parts += cell_blocks(cell)
    if len(bad) > _MOST_SHOWN:
        parts.append(Notice(Tone.INFO, f"{len(bad) - _MOST_SHOWN} more cells differ."))
    missing = [str(cell["number"]) for cell in verdict["cells"] if cell["outcome"] == "missing"]
    if missing:
        told = f"Cells that did not run: {', '.join(missing)}."
        parts.append(Notice(Tone.BAD, told))
    unproven = [str(cell["number"]) for cell in verdict["cells"] if cell["outcome"] == "unproven"]
    if unproven and verdict["state"] == "verified":
        why = f"cell {', '.join(unproven)} recorded no output"
        parts.append(Notice(Tone.INFO, f"{units.number(len(unproven), 'cell')} unproven.", why))
    return parts


def verdict_notice(verdict: Data) -> Notice:
    """Return a verdict's state in one notice."""
    sentence = {
        "verified": "Verified: the image does what the notebook did.",
        "failed": "Not verified: the image does not do what the notebook did.",
        "unproven": "Unproven: the notebook recorded nothing to compare with.",
    }[verdict["state"]]
    return Notice(_VERDICT_TONES[verdict["state"]], f"{sentence} {verdict['reason']}".strip())


def differing(verdict: Data) -> list[Data]:
    """Return the cells that failed or differ."""
    return [cell for cell in verdict["cells"] if cell["outcome"] in _OUTCOMES]


def cell_blocks(cell: Data) -> list[Block]:
    """Return what is wrong with one cell, why, and both sides."""
    asked = cell["id"].startswith("question-")  # of an inference image
    where, detail = f"{'question' if asked else 'cell'} {cell['number']}", cell["detail"]
    if "\n" in detail or not detail:
        what = _OUTCOMES[cell["outcome"]]
    else:
        what, detail = detail, ""
    parts: list[Block] = [Notice(Tone.BAD, what, cell["cause"], cell["fix"], where=where)]
    if detail or cell["expected"] or cell["actual"]:
        parts.append(Comparison(where, cell["expected"], cell["actual"], _lines(detail)))
    return parts


def _lines(diff: str) -> str:
    """Return the lines of a unified diff without its file names."""
    return "\n".join(
        line for line in diff.splitlines() if not line.startswith(("---", "+++", "@@"))
    )
