"""Why something is in a snapshot, and what the user should know about it."""

from __future__ import annotations

from dataclasses import dataclass
from enum import Enum


class ReasonKind(Enum):
    """Each way in which something gets into a snapshot; the value reads as a sentence's start."""

    IMPORTED = "imported by"
    NAMED = "named in"
    REQUIRED = "required by"
    OPENED = "opened by"
    CALLED = "called by"
    MAPPED = "mapped by"
    READ = "read by"
    REQUESTED = "asked for by"


@dataclass(frozen=True, slots=True)
class Reason:
    """One reason; `str()` gives e.g. `imported by cell 3`, `required by pandas`.

    `by` is what follows the kind: `cell 3`, a distribution's, library's or module's name,
    `the interpreter`, `the guest`, `the kernel's start-up`, `the user`.
    """

    kind: ReasonKind
    by: str

    def __str__(self) -> str:
        return f"{self.kind.value} {self.by}"

    def __lt__(self, other: Reason) -> bool:
        return (self.kind.value, self.by) < (other.kind.value, other.by)

    @classmethod
    def cell(cls, kind: ReasonKind, number: int) -> Reason:
        """Return the reason that cell `number` (1-based, document order) gives."""
        return cls(kind, f"cell {number}")


class Severity(Enum):
    """How much a finding matters; `BLOCKING` stops a build until it is mended or allowed."""

    INFO = "info"
    WARNING = "warning"
    BLOCKING = "blocking"


@dataclass(frozen=True, slots=True)
class Finding:
    """Something the user should know: same wording rules as errors (code, what, why, fix).

    `cell` is the 1-based cell number, `line` the 1-based line in it or in the file `path`.
    Never holds a secret's value.
    """

    code: str
    severity: Severity
    what: str
    why: str = ""
    fix: str = ""
    cell: int | None = None
    line: int | None = None
    path: str | None = None
