"""Installed distributions as `Distribution` values: the facts of the files they put on disk."""

from __future__ import annotations

import os
import shlex
import stat
from binascii import Error as Base64Error
from binascii import a2b_base64
from collections.abc import Iterable
from dataclasses import dataclass, field

from ..model.files import FileEntry, FileKind
from ..model.reasons import Finding, Reason, Severity
from ..model.snapshot import Distribution, Interpreter, Origin, OriginKind
from . import disk, dpkg_lists
from .hashes import Hashes
from .installed import Installed
from .origin import origin_of
from .recorded_files import ListSource, Row

_NAMES_SHOWN = 5
_HEX_LENGTH = 64
_COMPILED_ENDINGS = (".so", ".dylib", ".pyd")
_UNPINNED = {
    OriginKind.LOCAL: "from a folder or file of this machine",
    OriginKind.EDITABLE: "as an editable project of this machine",
}


@dataclass
class _Found:
    hashes: Hashes
    recorded_ns: int
    files: dict[str, FileEntry] = field(default_factory=dict)
    missing: list[str] = field(default_factory=list)
    edited: list[str] = field(default_factory=list)


def describe(
    installed: Installed,
    *,
    interpreter: Interpreter,
    hashes: Hashes,
    requires: tuple[str, ...] = (),
    reasons: tuple[Reason, ...] = (),
    unlisted: tuple[str, ...] = (),
) -> tuple[Distribution, tuple[Finding, ...]]:
    """Return the distribution with all its files, and what is odd about them.

    `unlisted` are files of its packages that no list has but the kernel loaded. Findings:
    `record-missing`, `record-lists-missing-files`, `distribution-edited`. Errors:
    `unreadable-file`, `file-changed-while-read` (only files without a hash are read).
    """
    listed = installed.file_list
    found = _Found(hashes, listed.recorded_ns)
    _add_all(found, listed.rows)
    _add_all(found, map(Row, unlisted))
    if listed.dpkg:
        found.edited += dpkg_lists.edited(listed.dpkg, found.files.values())
    for entry in [one for one in found.files.values() if one.kind is FileKind.SYMLINK]:
        _follow(found, entry)
    metadata, origin = installed.metadata, origin_of(installed)
    paths = sorted(found.files)
    distribution = Distribution(
        name=metadata.name,
        key=installed.key,
        version=metadata.version,
        origin=origin,
        location=installed.location,
        files=tuple([found.files[path] for path in paths]),
        bytecode=_bytecode(paths, interpreter),
        requires=requires,
        import_names=listed.import_names,
        reasons=tuple(sorted(set(reasons))),
        license=metadata.license,
        summary=metadata.summary,
        pure=_is_pure(installed.read("WHEEL"), paths),
    )
    return distribution, _findings(installed, found, origin)


def _is_pure(wheel: str | None, paths: list[str]) -> bool:
    """Whether the files are the same on every platform: by its WHEEL's tags, else by names.

    Source: packaging.python.org, "Binary distribution format".
    """
    tags = [line[4:].strip() for line in (wheel or "").splitlines() if line.startswith("Tag:")]
    if tags:
        return all(tag.endswith("-any") for tag in tags)
    return not any(is_compiled(path) for path in paths)


def is_compiled(path: str) -> bool:
    """Whether a file's name is that of compiled code, of whatever platform."""
    name = path.rpartition("/")[2]
    return name.endswith(_COMPILED_ENDINGS) or ".so." in name


def _add_all(found: _Found, rows: Iterable[Row]) -> None:
    """Add the files of `rows`: nearly all are as RECORD has them, and nothing more is asked."""
    lstat, files, recorded_ns = os.lstat, found.files, found.recorded_ns
    for row in rows:
        path, sha256, size = row
        try:
            status = lstat(path)
        except (OSError, ValueError):
            found.missing.append(path)
            continue
        mode, bytes_, mtime_ns = status.st_mode, status.st_size, status.st_mtime_ns
        unchanged = mtime_ns <= recorded_ns and size in (bytes_, -1)
        if sha256 and unchanged and stat.S_ISREG(mode):
            executable = bool(mode & 0o111)
            files[path] = FileEntry(path, FileKind.FILE, bytes_, mtime_ns, executable, _hex(sha256))
        else:
            _add(found, row, status)


def _add(found: _Found, row: Row, status: os.stat_result) -> None:
    path = row.path
    try:
        if row.sha256 and stat.S_ISLNK(status.st_mode):
            # A wheel holds no links: the installer (uv --link-mode symlink, conda) made this one.
            status = os.stat(path)
    except (OSError, ValueError):
        found.missing.append(path)
        return
    if not stat.S_ISREG(status.st_mode):
        entry = disk.of_stat(path, status)
        if entry is not None and entry.kind is FileKind.SYMLINK:
            found.files[path] = entry
        return
    if not row.sha256:
        found.files[path] = found.hashes.entry(path)
        return
    expected = _hex(row.sha256)
    same_size = row.size in (-1, status.st_size)
    if same_size and status.st_mtime_ns <= found.recorded_ns:
        executable = bool(status.st_mode & 0o111)
        found.files[path] = FileEntry(
            path, FileKind.FILE, status.st_size, status.st_mtime_ns, executable, expected
        )
        return
    actual = found.hashes.entry(path)
    if actual.sha256 != expected:
        found.edited.append(path)
    found.files[path] = actual


def _hex(digest: str) -> str | None:
    """Return RECORD's URL-safe base64 (or conda's hex) as hex."""
    if len(digest) == _HEX_LENGTH:
        return digest
    try:
        return a2b_base64(digest.replace("-", "+").replace("_", "/") + "==").hex()
    except (Base64Error, ValueError):
        return None


def _follow(found: _Found, link: FileEntry) -> None:
    """Add what a link leads to, where the distribution's own list does not have it."""
    links, real = disk.resolve(link.path)
    for one in links:
        found.files.setdefault(one.path, one)
    if real in found.files:
        return
    if os.path.isfile(real):
        found.files[real] = found.hashes.entry(real)
    elif os.path.isdir(real):
        for item in disk.walk(real, keep=lambda _path, name, _folder: name != "__pycache__"):
            if item.is_file(follow_symlinks=False) and item.path not in found.files:
                found.files[item.path] = found.hashes.entry(item.path)


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


def _findings(installed: Installed, found: _Found, origin: Origin) -> tuple[Finding, ...]:
    name = installed.metadata.name
    source = installed.file_list.source
    pinned = shlex.quote(f"{name}=={installed.metadata.version}")
    install = f"pip install --force-reinstall --no-deps {pinned}"
    again = f"Install it again: {install}"
    findings = []
    if origin.kind in _UNPINNED:
        findings.append(
            Finding(
                "unpinned-origin",
                Severity.INFO,
                what=f"{name} was installed {_UNPINNED[origin.kind]}.",
                why="Nobody else can install this very version; the image carries its files.",
                fix=f"Keep it; or, if the index has a release of it, pin that: {install}",
                path=origin.url or None,
            )
        )
    if source is ListSource.GUESS:
        findings.append(
            Finding(
                "record-missing",
                Severity.WARNING,
                what=f"No list of the files of {name} is left.",
                why="Its RECORD is missing; what its packages' folders hold was taken instead.",
                fix=again,
                path=installed.info,
            )
        )
    if found.missing and source is ListSource.RECORD:
        gone = "is gone" if len(found.missing) == 1 else "are gone"
        findings.append(
            Finding(
                "record-lists-missing-files",
                Severity.WARNING,
                what=f"{_count(found.missing)} of {name} {gone}: {_shown(found.missing)}.",
                why="Its RECORD lists what the disk does not have; the image lacks it too.",
                fix=again,
                path=installed.info,
            )
        )
    if found.edited:
        changed = "was" if len(found.edited) == 1 else "were"
        findings.append(
            Finding(
                "distribution-edited",
                Severity.WARNING,
                what=f"{_count(found.edited)} of {name} {changed} edited after it was installed: "
                f"{_shown(found.edited)}.",
                why="The content is not what was installed; the image gets it as it is now.",
                fix=f"Keep it, or undo: {install}",
                path=found.edited[0],
            )
        )
    return tuple(findings)


def _count(paths: list[str]) -> str:
    return "1 file" if len(paths) == 1 else f"{len(paths)} files"


def _shown(paths: list[str]) -> str:
    shown = ", ".join(paths[:_NAMES_SHOWN])
    return shown if len(paths) <= _NAMES_SHOWN else f"{shown}, ..."
