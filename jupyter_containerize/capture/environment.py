"""Environment variables: the names that cells read, and the few values an image needs."""

from __future__ import annotations

import re
from collections.abc import Iterable, Mapping
from typing import Any

from ..model.reasons import Finding, Reason, ReasonKind, Severity
from ..model.snapshot import Variable
from . import secrets

#: The image sets these itself. SHELL stays the kernel's: IPython hands it `x = !command`.
_OF_THE_IMAGE = frozenset({"HOME", "LOGNAME", "PATH", "PWD", "USER"})
_SECRET_NAME = re.compile(
    r"(?:\A|.*_)(?:PASS(?:WORD|WD|PHRASE)?|PWD|SECRET|TOKEN|KEY|CREDENTIALS?|AUTH)\Z"
    r"|.*(?:APIKEY|ACCESSKEY|PASSWORD|SECRET_)",
    re.IGNORECASE,
)
_START_UP = Reason(ReasonKind.READ, "the kernel's start-up")
_USER = Reason(ReasonKind.REQUESTED, "the user")


def find(
    record: Mapping[str, Any],
    *,
    named: Mapping[str, Iterable[int]],
    asked: Mapping[str, str | None],
) -> tuple[tuple[Variable, ...], tuple[Finding, ...]]:
    """Return the variables of a snapshot, sorted by name, and what to tell about them.

    `named` maps the variables that cells read to the cells' numbers. `asked` are the values
    that the user wants in the image; None means as in the kernel. A value goes in if it was
    asked for, or if it is one of those the probe records because programs behave otherwise
    without it. No credential ever goes in. Codes: `secret-variable`, `variable-unset`,
    `variable-not-in-image`.
    """
    environ = record["environ"]
    kept = {n: v for n, v in environ["values"].items() if n not in _OF_THE_IMAGE}
    cells = {name: frozenset(numbers) for name, numbers in named.items()}
    for name in record["env_read"]:
        cells.setdefault(name, frozenset())
    variables, findings = [], []
    for name in sorted({*cells, *kept, *asked} - _OF_THE_IMAGE):
        reasons = [Reason.cell(ReasonKind.READ, n) for n in sorted(cells.get(name, ()))]
        value = kept.get(name)
        if name in asked:
            reasons.append(_USER)
            wanted = asked[name]
            value = value if wanted is None else wanted
        elif name in kept:
            reasons.append(_START_UP)
        if value is not None and is_secret(name, value):
            value = None
            findings.append(_secret(name))
        elif value is None and name in asked:
            findings.append(_unset(name))
        elif value is None and name in environ["names"]:
            findings.append(_left_out(name, min(cells[name], default=None)))
        if value is not None or name in environ["names"] or cells.get(name):
            variables.append(Variable(name, value, tuple(reasons)))
    return tuple(variables), tuple(findings)


def is_secret(name: str, value: str) -> bool:
    """Tell whether a variable's name or value speaks of a credential."""
    return bool(value) and (_SECRET_NAME.match(name) is not None or secrets.is_secret(name, value))


def _secret(name: str) -> Finding:
    return Finding(
        "secret-variable",
        Severity.WARNING,
        f"The environment variable {name} looks like a credential; its value stays out.",
        "Whoever gets the image could read it.",
        f"Set it when you run the image: --env {name}=VALUE.",
    )


def _unset(name: str) -> Finding:
    return Finding(
        "variable-unset",
        Severity.WARNING,
        f"The value of the environment variable {name} is not known.",
        "Only few values are taken from a kernel by themselves, so that no secret slips out.",
        f"Give the value: --env {name}=VALUE.",
    )


def _left_out(name: str, cell: int | None) -> Finding:
    reader = f"Cell {cell} reads" if cell is not None else "The notebook reads"
    return Finding(
        "variable-not-in-image",
        Severity.INFO,
        f"{reader} the environment variable {name}; its value is not in the image.",
        "Values go in only when asked for, so that no secret slips out.",
        f"Set it when you run the image: --env {name}=VALUE.",
        cell=cell,
    )
