"""The data that cells read, and what the user asked for, as files on disk."""

from __future__ import annotations

import os
import shlex
import stat
import tempfile
from collections.abc import Collection, Iterable, Mapping, Sequence
from dataclasses import dataclass, field

from ..errors import ContainerizeError
from ..model.files import FileEntry, FileKind
from ..model.reasons import Finding, Reason, ReasonKind, Severity
from ..model.snapshot import DataFile
from . import disk
from .data_rules import Rules
from .hashes import Hashes
from .record_view import Open, written_first


@dataclass
class _Collection:
    hashes: Hashes
    max_file_bytes: int
    include: tuple[str, ...]
    mounts: tuple[str, ...]
    rewritten: frozenset[str]
    found: dict[str, DataFile] = field(default_factory=dict)
    findings: list[Finding] = field(default_factory=list)
    problems: list[ContainerizeError] = field(default_factory=list)


def collect(
    opens: Sequence[Open],
    *,
    cell_of_seq: Mapping[int, int],
    named: Mapping[str, Collection[int]],
    unwatched: Collection[int],
    rules: Rules,
    hashes: Hashes,
    include: Iterable[str] = (),
    mounts: Iterable[str] = (),
    max_file_bytes: int,
) -> tuple[tuple[DataFile, ...], tuple[Finding, ...], tuple[ContainerizeError, ...]]:
    """Return the data files, findings about them, and all problems that stop a build.

    `named` maps absolute paths that cells name literally to the cells' numbers; those of
    `unwatched` cells (never executed under our eyes) count as read. Findings:
    `input-changed`, `missing-input`. Problems: `file-too-large`, `not-a-regular-file`,
    `unreadable-file`, `symlink-loop`, `file-changed-while-read`, `include-not-found`.
    """
    rewritten = frozenset(os.path.normpath(one.path) for one in opens if "w" in one.mode)
    work = _Collection(hashes, max_file_bytes, tuple(include), tuple(mounts), rewritten)
    for path, (first, reasons) in _inputs(opens, cell_of_seq).items():
        if rules.is_data(path, named=path in named):
            _add_opened(work, first, reasons)
    for path, numbers in sorted(named.items()):
        cells = sorted(set(numbers).intersection(unwatched))
        if cells and path not in work.found and _nameable(path, rules):
            _guarded(work, path, [Reason.cell(ReasonKind.NAMED, cell) for cell in cells])
    for path in work.include:
        _add_included(work, path)
    ordered = tuple(work.found[path] for path in sorted(work.found))
    return ordered, tuple(work.findings), tuple(work.problems)


def _inputs(
    opens: Sequence[Open], cell_of_seq: Mapping[int, int]
) -> dict[str, tuple[Open, list[Reason]]]:
    """Return the files that chosen cells read before anything of the notebook wrote them."""
    inputs: dict[str, tuple[Open, list[Reason]]] = {}
    written = written_first(opens)
    for one in opens:
        path = os.path.normpath(one.path)
        if path in written or not one.reads:
            continue
        reason = _reason(one, cell_of_seq)
        if reason is None:
            continue
        reasons = inputs.setdefault(path, (one, []))[1]
        if reason not in reasons:
            reasons.append(reason)
    return inputs


def _reason(one: Open, cell_of_seq: Mapping[int, int]) -> Reason | None:
    """Return why an opening counts; None for those of cells that are not chosen."""
    if one.seq == 0 and one.via == "mapped":  # still mapped at the end; by whom is not known
        return Reason(ReasonKind.MAPPED, "the kernel")
    cell = cell_of_seq.get(one.seq)
    return None if cell is None else Reason.cell(ReasonKind.OPENED, cell)


def _nameable(path: str, rules: Rules) -> bool:
    """Whether a literal path that nobody watched being opened may be taken for data."""
    if not rules.is_data(path, named=True):
        return False
    if os.path.isdir(path):
        # "/", "..", "~" in a cell's text are places, not data.
        holders = (*rules.folders, rules.home, tempfile.gettempdir())
        return not any(disk.inside(folder, path) for folder in holders if folder)
    return os.path.lexists(path)


def _add_opened(work: _Collection, first: Open, reasons: list[Reason]) -> None:
    path = os.path.normpath(first.path)
    if os.path.isdir(path):
        return  # The files that were opened inside speak for themselves.
    if not os.path.lexists(path):
        if not disk.inside(path, tempfile.gettempdir()):
            work.findings.append(_missing(path, reasons[0]))
        return
    _guarded(work, path, reasons, given=first.given, before=first)


def _add_included(work: _Collection, path: str) -> None:
    path = os.path.normpath(path)
    if not os.path.lexists(path):
        work.problems.append(
            ContainerizeError(
                "include-not-found",
                what=f"--include {path}: there is no such file or folder.",
                fix="Check the spelling; relative paths start from the current folder.",
            )
        )
        return
    known = work.found.get(path)
    asked = Reason(ReasonKind.REQUESTED, "the user")
    _guarded(
        work, path, [asked, *(known.reasons if known else ())], given=known.given if known else ""
    )


def _guarded(
    work: _Collection,
    path: str,
    reasons: list[Reason],
    *,
    given: str = "",
    before: Open | None = None,
) -> None:
    """Add one file or folder; what stops the build is noted, and the rest goes on."""
    if any(disk.inside(path, mount) for mount in work.mounts):
        return
    try:
        files = _files(work, path, reasons)
    except ContainerizeError as problem:
        work.problems.append(problem)
        return
    if before is not None and _changed(files[-1], before):
        by_notebook = path in work.rewritten
        work.findings.append(_changed_since(path, reasons[0], by_notebook=by_notebook))
    work.found[path] = DataFile(path, files, given, tuple(sorted(set(reasons))))


def _files(work: _Collection, path: str, reasons: list[Reason]) -> tuple[FileEntry, ...]:
    """Return the links on the way and the file, or all that a folder holds."""
    links, real = disk.resolve(path)
    try:
        mode = os.stat(real).st_mode
    except OSError as error:
        raise disk.unreadable(path, error) from error
    if stat.S_ISDIR(mode):
        return _folder_files(work, path, real, links, reasons)
    if not stat.S_ISREG(mode):
        raise _not_regular(path, reasons[0])
    _check_size(work, path, real, reasons)
    return (*links, work.hashes.entry(real))


def _folder_files(
    work: _Collection, path: str, real: str, links: tuple[FileEntry, ...], reasons: list[Reason]
) -> tuple[FileEntry, ...]:
    top = disk.entry(real)
    files: dict[str, FileEntry] = {link.path: link for link in links}
    if top is not None:
        files[real] = top
    for item in disk.walk(real, keep=lambda _path, name, _folder: name != "__pycache__"):
        found = disk.entry(item.path)
        if found is None:
            raise _not_regular(item.path, reasons[0])
        if found.kind is not FileKind.SYMLINK:
            if found.kind is FileKind.FILE:
                _check_size(work, path, item.path, reasons)
                found = work.hashes.entry(item.path)
            files[item.path] = found
            continue
        inner, target = disk.resolve(item.path)
        files.update({link.path: link for link in inner})
        if not disk.inside(target, real) and os.path.isfile(target):
            _check_size(work, path, target, reasons)
            files[target] = work.hashes.entry(target)
    return tuple(files[name] for name in sorted(files))


def _check_size(work: _Collection, path: str, real: str, reasons: list[Reason]) -> None:
    size = os.path.getsize(real)
    asked_for = any(disk.inside(p, one) for p in (path, real) for one in work.include)
    if size <= work.max_file_bytes or asked_for:
        return
    raise ContainerizeError(
        "file-too-large",
        what=f"{real} ({size / 1e6:.0f} MB, {reasons[0]}) is over the limit of "
        f"{work.max_file_bytes / 1e6:.0f} MB for one file.",
        why="Large data is seldom meant to be copied into an image.",
        fix=f"Copy it all the same: --include {shlex.quote(real)}; or leave it out and mount it at run time: "
        f"--mount {shlex.quote(f'{path}:{path}:ro')}",
    )


def _changed(found: FileEntry, before: Open) -> bool:
    if before.size is not None and found.size_bytes != before.size:
        return True
    return before.mtime_ns is not None and found.mtime_ns != before.mtime_ns


def _changed_since(path: str, reason: Reason, *, by_notebook: bool) -> Finding:
    if by_notebook:
        what = f"{path} was {reason}, and the notebook itself changed it."
        fix = "If the first content matters, restore the file before you build."
    else:
        what = f"{path} changed after it was {reason}."
        fix = "Run the cell again, or restore the file."
    return Finding(
        "input-changed",
        Severity.WARNING,
        what=what,
        why="The image gets the file as it is now, so its outputs may differ from the notebook's.",
        fix=fix,
        path=path,
    )


def _missing(path: str, reason: Reason) -> Finding:
    return Finding(
        "missing-input",
        Severity.WARNING,
        what=f"{path} is gone, but was {reason}.",
        why="It existed when the cell ran; the image cannot carry it.",
        fix="Bring it back and build again, or let a cell make it.",
        path=path,
    )


def _not_regular(path: str, reason: Reason) -> ContainerizeError:
    return ContainerizeError(
        "not-a-regular-file",
        what=f"{path} ({reason}) is a pipe, socket or device, not a file.",
        why="Its content cannot be copied: it is another process talking.",
        fix=f"Save the data to a file first, or mount it at run time: "
        f"--mount {shlex.quote(f'{path}:{path}')}",
    )
