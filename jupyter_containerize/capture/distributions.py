"""Installed distributions as `Distribution` values: the facts of the files they put on disk."""

from __future__ import annotations

import base64
import binascii
import os
from dataclasses import dataclass, field

from ..model.files import FileEntry, FileKind
from ..model.reasons import Finding, Reason, Severity
from ..model.snapshot import Distribution, Interpreter
from . import disk
from .installed import Installed
from .origin import origin_of
from .recorded_files import ListSource, Row

_NAMES_SHOWN = 5


@dataclass
class _Found:
    files: list[FileEntry] = field(default_factory=list)
    missing: list[str] = field(default_factory=list)
    edited: list[str] = field(default_factory=list)


def describe(
    installed: Installed,
    *,
    interpreter: Interpreter,
    requires: tuple[str, ...] = (),
    reasons: tuple[Reason, ...] = (),
) -> tuple[Distribution, tuple[Finding, ...]]:
    """Return the distribution with all its files, and what is odd about them.

    Findings: `record-missing`, `record-lists-missing-files`, `distribution-edited`.
    Errors: `unreadable-file` (only files edited after installation are read).
    """
    listed = installed.file_list
    found = _Found()
    for row in listed.rows:
        _add(found, row, recorded_ns=listed.recorded_ns)
    metadata = installed.metadata
    files = {entry.path: entry for entry in found.files}
    distribution = Distribution(
        name=metadata.name,
        key=installed.key,
        version=metadata.version,
        origin=origin_of(installed),
        location=installed.location,
        files=tuple(files[path] for path in sorted(files)),
        bytecode=_bytecode(sorted(files), interpreter),
        requires=requires,
        import_names=listed.import_names,
        reasons=tuple(sorted(set(reasons))),
        license=metadata.license,
        summary=metadata.summary,
    )
    return distribution, _findings(installed, found)


def _add(found: _Found, row: Row, *, recorded_ns: int) -> None:
    try:
        status = os.lstat(row.path)
    except (OSError, ValueError):
        found.missing.append(row.path)
        return
    entry = disk.of_stat(row.path, status)
    if entry is None or entry.kind is FileKind.DIRECTORY:
        return
    if entry.kind is FileKind.FILE and row.sha256:
        entry = _with_hash(found, entry, row, recorded_ns=recorded_ns)
    found.files.append(entry)


def _with_hash(found: _Found, entry: FileEntry, row: Row, *, recorded_ns: int) -> FileEntry:
    """Take RECORD's hash where size and time still fit it, else read the file."""
    expected = _hex(row.sha256)
    same_size = row.size in (-1, entry.size_bytes)
    if same_size and entry.mtime_ns <= recorded_ns:
        return FileEntry(
            entry.path, entry.kind, entry.size_bytes, entry.mtime_ns, entry.executable, expected
        )
    actual = disk.hashed(entry.path)
    if actual.sha256 != expected:
        found.edited.append(entry.path)
    return actual


def _hex(urlsafe: str) -> str | None:
    try:
        return base64.urlsafe_b64decode(urlsafe + "=" * (-len(urlsafe) % 4)).hex()
    except (binascii.Error, ValueError):
        return None


def _bytecode(paths: list[str], interpreter: Interpreter) -> tuple[FileEntry, ...]:
    """Return the existing `.pyc` files of this interpreter, whether listed or not (PEP 3147)."""
    suffix = f".{interpreter.cache_tag}.pyc"
    if interpreter.optimize:
        suffix = f".{interpreter.cache_tag}.opt-{interpreter.optimize}.pyc"
    caches: dict[str, frozenset[str]] = {}
    found: list[FileEntry] = []
    for path in paths:
        if not path.endswith(".py"):
            continue
        folder, _, name = path.rpartition("/")
        if folder not in caches:
            caches[folder] = _names(f"{folder}/__pycache__")
        compiled = name[:-3] + suffix
        if compiled in caches[folder]:
            entry = disk.entry(f"{folder}/__pycache__/{compiled}")
            if entry is not None and entry.kind is FileKind.FILE:
                found.append(entry)
    return tuple(found)


def _names(folder: str) -> frozenset[str]:
    try:
        return frozenset(os.listdir(folder))
    except OSError:
        return frozenset()


def _findings(installed: Installed, found: _Found) -> tuple[Finding, ...]:
    name = installed.metadata.name
    source = installed.file_list.source
    findings = []
    if source is ListSource.GUESS:
        findings.append(
            Finding(
                "record-missing",
                Severity.WARNING,
                what=f"No list of the files of {name} is left.",
                why="Its RECORD is missing; what its packages' folders hold was taken instead.",
                fix=f"Install it again: pip install --force-reinstall --no-deps {name}",
                path=installed.info,
            )
        )
    if found.missing and source is ListSource.RECORD:
        findings.append(
            Finding(
                "record-lists-missing-files",
                Severity.WARNING,
                what=f"{_count(found.missing)} of {name} are gone: {_shown(found.missing)}.",
                why="Its RECORD lists them, the disk does not have them; the image lacks them too.",
                fix=f"Install it again: pip install --force-reinstall --no-deps {name}",
                path=installed.info,
            )
        )
    if found.edited:
        findings.append(
            Finding(
                "distribution-edited",
                Severity.WARNING,
                what=f"{_count(found.edited)} of {name} were edited after it was installed: "
                f"{_shown(found.edited)}.",
                why="Their content is not what its RECORD says; the image gets the edited ones.",
                fix=f"Keep it, or undo: pip install --force-reinstall --no-deps {name}",
                path=found.edited[0],
            )
        )
    return tuple(findings)


def _count(paths: list[str]) -> str:
    return "1 file" if len(paths) == 1 else f"{len(paths)} files"


def _shown(paths: list[str]) -> str:
    shown = ", ".join(paths[:_NAMES_SHOWN])
    return shown if len(paths) <= _NAMES_SHOWN else f"{shown}, ..."
