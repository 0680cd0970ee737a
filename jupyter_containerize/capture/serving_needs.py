"""Which distributions serving an object needs: what was seen in use, not what metadata declares."""

from __future__ import annotations

import math
import os
import sys
from collections.abc import Collection, Iterable, Mapping
from dataclasses import dataclass, field
from typing import Any

from ..errors import ContainerizeError
from ..model.reasons import Finding, Reason, ReasonKind, Severity
from ..model.snapshot import Interpreter
from . import closure, syntax
from .installed import Environment, Installed
from .metadata import normalise
from .needs import Needs
from .trial import Hidden

#: Distributions that the guest's service imports beside the standard library.
GUEST_NEEDS: tuple[str, ...] = ()
#: What reads long lists of numbers three times as quickly; the service does without it as well.
NUMBER_READER = "pysimdjson"
_LONG = 256  # numbers in a row
_OBJECT = "the served object"
_LISTED = 12


@dataclass
class Chosen:
    """The distributions by key, why each, what they require of one another, and what to tell."""

    chosen: dict[str, Installed] = field(default_factory=dict)
    reasons: dict[str, set[Reason]] = field(default_factory=dict)
    requires: dict[str, tuple[str, ...]] = field(default_factory=dict)
    findings: list[Finding] = field(default_factory=list)

    def add(self, one: Installed, reason: Reason) -> None:
        """Add a distribution, or a further reason for it."""
        self.chosen.setdefault(one.key, one)
        self.reasons.setdefault(one.key, set()).add(reason)


def hidden_at_first(
    artifact: Mapping[str, Any],
    sources: Iterable[str],
    *,
    environment: Environment,
    interpreter: Interpreter,
) -> Hidden:
    """Return all distributions but those that the object's framework and own code name and require.

    A trial goes without them first: what merely gets used when it happens to be there
    (plotting, progress bars, another framework) need not be served.
    """
    named = syntax.names_of(*sources)
    wanted = {name.partition(".")[0] for name in (*named.modules, *artifact.get("imports", ()))}
    framework = normalise((artifact.get("framework") or {}).get("name") or "")
    roots = [one for name in wanted for one in environment.import_names.get(name, ())]
    if framework in environment.by_key:
        roots.append(environment.by_key[framework])
    roots += environment.import_names.get(framework.replace("-", "_"), ())
    kept = closure.close(roots, environment=environment, markers=interpreter.markers).chosen
    return _all_but(kept, environment)


def shown(
    hidden: Hidden, module: str, *, environment: Environment, interpreter: Interpreter
) -> Hidden:
    """Return what is still hidden when the distributions of a missing `module` are shown."""
    roots = environment.import_names.get(module, ())
    kept = closure.close(roots, environment=environment, markers=interpreter.markers).chosen
    left = {key for key in environment.by_key if key not in hidden.keys} | set(kept)
    return _all_but(left, environment)


def _all_but(kept: Collection[str], environment: Environment) -> Hidden:
    shown_names = {
        name
        for name, owners in environment.import_names.items()
        if any(one.key in kept for one in owners)
    }
    return Hidden(
        names=frozenset(environment.import_names) - shown_names,
        keys=frozenset(environment.by_key) - set(kept),
    )


def choose(
    found: Needs,
    *,
    record: Mapping[str, Any],
    environment: Environment,
    interpreter: Interpreter,
    packages: tuple[str, ...] = (),
    gains: tuple[str, ...] = (),
) -> Chosen:
    """Return what the fresh process used, what unseen code of the object's names, and `packages`.

    `gains` are names of distributions that make the service quicker, where there are any that fit.

    Errors: `package-not-installed`, `guest-needs-package`.
    """
    chosen = Chosen()
    every = closure.close(found.roots, environment=environment, markers=interpreter.markers)
    for one in found.loaded:
        chosen.add(one, Reason(ReasonKind.IMPORTED, _OBJECT))
    for one in _touched(record, environment, every.chosen):
        if one.key not in chosen.chosen:
            chosen.add(one, Reason(ReasonKind.OPENED, _OBJECT))
    for one, reasons in found.named.items():
        if one.key in chosen.chosen:
            chosen.reasons[one.key] |= reasons
        else:  # nobody watched it being imported: what it declares is all that is known
            _with_requirements(
                chosen, one, reasons, environment=environment, interpreter=interpreter
            )
    for name in packages:
        wanted = environment.by_key.get(normalise(name))
        if wanted is None:
            raise _not_installed(name, interpreter)
        asked = {Reason(ReasonKind.REQUESTED, "the user")}
        _with_requirements(chosen, wanted, asked, environment=environment, interpreter=interpreter)
    for name in GUEST_NEEDS:
        if not _for_the_guest(chosen, name, environment, interpreter):
            raise _guest_needs(name, interpreter)
    for name in gains:
        _for_the_guest(chosen, name, environment, interpreter)
    chosen.requires = {
        key: tuple(one for one in needed if one in chosen.chosen)
        for key, needed in every.requires.items()
        if key in chosen.chosen
    }
    left_out = sorted(set(every.chosen) - set(chosen.chosen))
    if left_out:
        chosen.findings.append(_left_out(left_out, every))
    return chosen


def _with_requirements(
    chosen: Chosen,
    one: Installed,
    reasons: set[Reason],
    *,
    environment: Environment,
    interpreter: Interpreter,
    fallback: Environment | None = None,
) -> None:
    """Add a distribution with everything that it declares to require."""
    closed = closure.close(
        [one], environment=environment, markers=interpreter.markers, fallback=fallback
    )
    for key, other in closed.chosen.items():
        required = {Reason(ReasonKind.REQUIRED, name) for name in closed.required_by(key)}
        for reason in reasons if key == one.key else required:
            chosen.add(other, reason)
    chosen.findings += closed.findings


def _touched(
    record: Mapping[str, Any], environment: Environment, required: Mapping[str, Installed]
) -> list[Installed]:
    """Return the distributions of which a file was opened or a library mapped.

    Who lists all that is installed opens everybody's metadata: that counts only for what is
    required anyway (`importlib.metadata.version("...")` of a requirement).
    """
    found: dict[Installed, None] = {}
    paths = [*(one["path"] for one in record["opens"] if "r" in one["mode"]), *record["maps"]]
    for path in paths:
        owner = environment.owners.get(path) or environment.owners.get(os.path.realpath(path))
        if owner is None or path.endswith(".pyc"):
            continue
        is_metadata = "-info/" in path
        if not is_metadata or (path.endswith("/METADATA") and owner.key in required):
            found[owner] = None
    return list(found)


def _for_the_guest(
    chosen: Chosen, name: str, environment: Environment, interpreter: Interpreter
) -> bool:
    """Add what the service imports: the kernel's own, else ours where it fits that Python.

    Return whether there is one.
    """
    key = normalise(name)
    reasons = {Reason(ReasonKind.REQUIRED, "the guest")}
    own = environment.by_key.get(key)
    if own is not None:
        _with_requirements(chosen, own, reasons, environment=environment, interpreter=interpreter)
        return True
    lender = Environment(path for path in sys.path if path)
    lent = lender.by_key.get(key)
    fits = _minor(interpreter.version) == _minor(sys.version)
    if lent is None or not fits or interpreter.implementation != "cpython":
        return False
    _with_requirements(
        chosen, lent, reasons, environment=environment, interpreter=interpreter, fallback=lender
    )
    return True


def _minor(version: str) -> str:
    return ".".join(version.split(".")[:2])


def _guest_needs(name: str, interpreter: Interpreter) -> ContainerizeError:
    ours, theirs = _minor(sys.version), _minor(interpreter.version)
    return ContainerizeError(
        "guest-needs-package",
        what=f"The kernel's environment has no {name}, which the service in the image needs.",
        why=f"It has Python {theirs}; jupyter-containerize's own {name} is for Python {ours}.",
        fix=f"{interpreter.executable} -m pip install {name}",
    )


def gains_of(signature: Mapping[str, Any]) -> tuple[str, ...]:
    """Return what would make the service of a signature quicker: for long rows of numbers."""
    rows = [
        one["shape"][1:] if one["shape"][:1] == [-1] else one["shape"]
        for one in signature["inputs"]
        if one["dtype"] not in ("BYTES", "JSON", "BOOL")
    ]
    long = any(-1 in row or math.prod(row) >= _LONG for row in rows)
    return (NUMBER_READER,) if long else ()


def _not_installed(name: str, interpreter: Interpreter) -> ContainerizeError:
    return ContainerizeError(
        "package-not-installed",
        what=f"--package {name}: there is no such package in the kernel's environment.",
        fix=f"{interpreter.executable} -m pip install {name}",
    )


def _left_out(keys: list[str], every: closure.Closure) -> Finding:
    names = [every.chosen[key].metadata.name for key in keys]
    more = f" and {len(names) - _LISTED} more" if len(names) > _LISTED else ""
    return Finding(
        "requirement-left-out",
        Severity.INFO,
        what=f"Declared as required, but not used in serving: {', '.join(names[:_LISTED])}{more}.",
        why="A fresh process loaded the object and answered without them, so they stay out.",
        fix=f"If an answer does need one: --package {names[0]}",
    )
