"""What pip installs in an image built from a Dockerfile: pins, with hashes where known."""

from __future__ import annotations

from collections.abc import Iterable, Mapping
from dataclasses import dataclass, field

from ..model.reasons import Finding, Severity
from ..model.snapshot import Distribution, OriginKind, Snapshot

HASHED = "requirements.txt"
UNHASHED = "requirements-without-hashes.txt"


@dataclass(frozen=True, slots=True)
class Requirements:
    """The texts of the two files ("" for none), what must be copied instead, and findings."""

    hashed: str = ""
    unhashed: str = ""
    copied: tuple[Distribution, ...] = ()
    findings: tuple[Finding, ...] = field(default=())


def pins(snapshot: Snapshot) -> tuple[str, ...]:
    """Return `name==version` of everything that an index should have, sorted."""
    return tuple(f"{one.key}=={one.version}" for one in _sorted(snapshot) if _from_index(one))


def requirements(
    snapshot: Snapshot, hashes: Mapping[str, tuple[str, ...]], *, why_no_hashes: str
) -> Requirements:
    """Return the requirements of a snapshot. Editable ones are local code, and not here."""
    hashed, unhashed, copied = [], [], []
    for one in _sorted(snapshot):
        if one.origin.kind is OriginKind.VCS:
            commit = f"@{one.origin.commit}" if one.origin.commit else ""
            unhashed.append(f"{one.key} @ git+{one.origin.url.removeprefix('git+')}{commit}")
        elif one.origin.kind is OriginKind.LOCAL:
            copied.append(one)
        elif _from_index(one):
            known = hashes.get(one.key, ())
            if known:
                sums = "".join(f" \\\n    --hash=sha256:{value}" for value in sorted(known))
                hashed.append(f"{one.key}=={one.version}{sums}")
            else:
                unhashed.append(f"{one.key}=={one.version}")
    findings = [*_without_hashes(snapshot, unhashed, why_no_hashes), *_elsewhere(snapshot)]
    return Requirements(_lines(hashed), _lines(unhashed), tuple(copied), tuple(findings))


def _sorted(snapshot: Snapshot) -> list[Distribution]:
    return sorted(snapshot.distributions, key=lambda one: one.key)


def _from_index(one: Distribution) -> bool:
    return one.origin.kind not in (OriginKind.VCS, OriginKind.LOCAL, OriginKind.EDITABLE)


def _lines(texts: Iterable[str]) -> str:
    return "".join(f"{text}\n" for text in texts)


def _without_hashes(snapshot: Snapshot, unhashed: list[str], why: str) -> list[Finding]:
    if not unhashed:
        return []
    return [
        Finding(
            "requirements-without-hashes",
            Severity.WARNING,
            what=f"{len(unhashed)} of {len(snapshot.distributions)} packages are pinned without hashes.",
            why=why or "They come from a repository, or the index did not name their files.",
            fix="Build once with an index that has them within reach, so that every file is checked.",
        )
    ]


def _elsewhere(snapshot: Snapshot) -> list[Finding]:
    """Return a finding for packages that another installer brought, under the index's names."""
    kinds = (OriginKind.CONDA, OriginKind.SYSTEM)
    found = [one for one in _sorted(snapshot) if one.origin.kind in kinds]
    if not found:
        return []
    names = ", ".join(f"{one.name} {one.version}" for one in found[:5])
    return [
        Finding(
            "not-from-the-index",
            Severity.WARNING,
            what=f"{len(found)} packages were not installed from a package index: {names}.",
            why="The Dockerfile asks the index for the same versions; it may have none, or others.",
            fix="Install them with pip in the kernel, or use --builder daemonless, which takes the "
            "installed files.",
        )
    ]
