"""`--slim`: what runs of a notebook do not need of distributions stays out.

The rules, by names alone, within distributions (documented in docs/architecture.md):
tests (folders `test` and `tests` below a package), type stubs (`.pyi`, `py.typed`), headers
(`.h`, `.hh`, `.hpp`, `.cuh`, `.pxd`) and static libraries (`.a`, `.lib`). Metadata, licences,
data and every other module stay.
"""

from __future__ import annotations

import posixpath
from dataclasses import replace

from ..model.files import FileEntry, FileKind
from ..model.reasons import Finding, Severity
from ..model.snapshot import Distribution, Snapshot

_ENDINGS = (".pyi", ".h", ".hh", ".hpp", ".cuh", ".pxd", ".a", ".lib")
_NAMES = ("py.typed",)
_FOLDERS = ("test", "tests")


def slimmed(snapshot: Snapshot) -> Snapshot:
    """Return the snapshot without those files, and a finding that says what it saved."""
    distributions = tuple([_slim(one) for one in snapshot.distributions])
    before = [entry for one in snapshot.distributions for entry in (*one.files, *one.bytecode)]
    after = [entry for one in distributions for entry in (*one.files, *one.bytecode)]
    saved = sum(one.size_bytes for one in before) - sum(one.size_bytes for one in after)
    finding = Finding(
        "slimmed",
        Severity.INFO,
        what=f"{len(before) - len(after):,} files of packages stay out ({saved / 1e6:,.1f} MB).",
        why="--slim leaves out tests, type stubs, headers and static libraries.",
        fix="Add --verify to see that the image does what the notebook did.",
    )
    return replace(snapshot, distributions=distributions, findings=(*snapshot.findings, finding))


def _slim(distribution: Distribution) -> Distribution:
    return replace(
        distribution,
        files=tuple([one for one in distribution.files if _stays(one, distribution.location)]),
        bytecode=tuple(
            [one for one in distribution.bytecode if _stays(one, distribution.location)]
        ),
    )


def _stays(entry: FileEntry, location: str) -> bool:
    name = posixpath.basename(entry.path)
    if entry.kind is FileKind.DIRECTORY or ".dist-info/" in entry.path:
        return True
    if name.endswith(_ENDINGS) or name in _NAMES:
        return False
    inside = entry.path.removeprefix(location.rstrip("/") + "/")
    # The first part is the distribution's own package: one called `tests` may be wanted.
    return not any(part in _FOLDERS for part in inside.split("/")[1:-1])
