"""The proof's result: what an image's run gave, compared with what the notebook recorded."""

from __future__ import annotations

from dataclasses import dataclass
from enum import Enum


class CellOutcome(Enum):
    """How one cell compares; only `equal` proves anything."""

    EQUAL = "equal"
    DIFFERENT = "different"
    UNPROVEN = "unproven"
    FAILED = "failed"
    MISSING = "missing"


class VerdictState(Enum):
    """`verified`: no cell failed or differs, and at least one is equal. `unproven`: nothing to compare."""

    VERIFIED = "verified"
    FAILED = "failed"
    UNPROVEN = "unproven"


@dataclass(frozen=True, slots=True)
class CellVerdict:
    """One cell's comparison: the two sides as text, the likely cause, the option that mends it."""

    id: str
    number: int
    outcome: CellOutcome
    expected: str = ""
    actual: str = ""
    detail: str = ""
    cause: str = ""
    fix: str = ""


@dataclass(frozen=True, slots=True)
class Verdict:
    """The whole proof. `run` is the id of the run that gave it, `rtol` the number tolerance."""

    state: VerdictState
    image: str
    run: str
    cells: tuple[CellVerdict, ...]
    rtol: float = 1e-6
    reason: str = ""

    def count(self, outcome: CellOutcome) -> int:
        """Return how many cells have this outcome."""
        return sum(cell.outcome is outcome for cell in self.cells)
