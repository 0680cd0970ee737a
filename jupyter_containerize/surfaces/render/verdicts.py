"""A verdict as blocks: its state, then each cell that is not equal, with both sides."""

from __future__ import annotations

from collections.abc import Mapping
from typing import Any

from . import units
from .blocks import Block, Excerpt, Notice, Tone

Data = Mapping[str, Any]
_VERDICT_TONES = {"verified": Tone.GOOD, "failed": Tone.BAD, "unproven": Tone.WARNING}
_OUTCOMES = {
    "different": "The outputs differ.",
    "failed": "The cell failed.",
}
_MOST_SHOWN = 5


def verdict_blocks(verdict: Data) -> list[Block]:
    """Return a verdict: its state, then each cell that is not equal with both sides."""
    sentence = {
        "verified": "Verified: the image does what the notebook did.",
        "failed": "Not verified: the image does not do what the notebook did.",
        "unproven": "Unproven: the notebook recorded nothing to compare with.",
    }[verdict["state"]]
    told = f"{sentence} {verdict['reason']}".strip()
    parts: list[Block] = [Notice(_VERDICT_TONES[verdict["state"]], told)]
    bad = [
        cell for cell in verdict["cells"] if cell["outcome"] not in ("equal", "unproven", "missing")
    ]
    for cell in bad[:_MOST_SHOWN]:
        where = f"cell {cell['number']}"
        detail, sides = cell["detail"], [cell["expected"], cell["actual"]]
        if "\n" in detail or not detail:
            what = _OUTCOMES[cell["outcome"]]
        else:
            what, detail = detail, ""
        parts.append(Notice(Tone.BAD, what, cell["cause"], cell["fix"], where=where))
        if detail:
            parts.append(Excerpt(f"{where}: - in the notebook, + in the image", _lines(detail)))
        elif sides[0] == sides[1]:
            parts += [Excerpt(f"{where} in notebook and image", sides[0])] if sides[0] else []
        else:
            parts.append(Excerpt(f"{where} in the notebook", sides[0]))
            parts.append(Excerpt(f"{where} in the image", sides[1]))
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


def _lines(diff: str) -> str:
    """Return the lines of a unified diff without its file names."""
    return "\n".join(
        line for line in diff.splitlines() if not line.startswith(("---", "+++", "@@"))
    )
