"""The user's own modules and packages, with the package data beside them."""

from __future__ import annotations

import os
import shlex
from collections.abc import Iterable, Mapping
from dataclasses import dataclass, field

from ..model.files import FileEntry, FileKind
from ..model.reasons import Finding, Reason, Severity
from ..model.snapshot import LocalCode
from . import disk
from .hashes import Hashes
from .needs import LocalModule

_CODE = (".py", ".pyi", ".so", ".pth")
_NOT_CODE = (".pyc", ".pyo", ".ipynb", ".egg-link")
_NOT_ENTERED = frozenset({"__pycache__", "node_modules", "build", "dist", "venv", "env"})
_ENVIRONMENT_MARKS = ("pyvenv.cfg", "conda-meta")


@dataclass
class _Collected:
    hashes: Hashes
    limit_bytes: int
    include: tuple[str, ...]
    files: dict[str, FileEntry] = field(default_factory=dict)
    left_out: list[FileEntry] = field(default_factory=list)
    visited: set[str] = field(default_factory=set)

    def wanted(self, found: FileEntry) -> bool:
        asked_for = any(disk.inside(found.path, path) for path in self.include)
        if found.size_bytes <= self.limit_bytes or asked_for:
            return True
        self.left_out.append(found)
        return False


def collect(
    modules: Iterable[LocalModule],
    *,
    reasons: Mapping[str, Iterable[Reason]],
    hashes: Hashes,
    limit_bytes: int,
    include: Iterable[str] = (),
) -> tuple[tuple[LocalCode, ...], tuple[Finding, ...]]:
    """Return one `LocalCode` for each top-level module or package, all files hashed.

    A package comes whole, without `.git`, caches, virtual environments, notebooks, build
    outputs, hidden files and files over `limit_bytes` (finding `package-data-left-out`).
    Of a folder without `__init__.py` only code is taken: it may be anybody's folder.
    `reasons` are by module name.
    Errors: `unreadable-file`, `symlink-loop`, `file-changed-while-read`.
    """
    grouped: dict[tuple[str, str], list[LocalModule]] = {}
    for module in modules:
        grouped.setdefault((module.root, module.name.partition(".")[0]), []).append(module)
    found: list[LocalCode] = []
    findings: list[Finding] = []
    for (root, name), group in sorted(grouped.items()):
        collected = _Collected(hashes, limit_bytes, tuple(include))
        for module in group:
            _add_path(collected, module.file)
        if os.path.isdir(f"{root}/{name}") and any(m.is_package or "." in m.name for m in group):
            _add_folder(collected, f"{root}/{name}", in_package=False)
        found.append(
            LocalCode(
                name=name,
                root=root,
                files=tuple(collected.files[path] for path in sorted(collected.files)),
                distribution=next((m.owner.key for m in group if m.owner), ""),
                reasons=tuple(sorted({r for m in group for r in reasons.get(m.name, ())})),
            )
        )
        findings.extend(_left_out(name, one) for one in collected.left_out)
    return tuple(found), tuple(findings)


def _add_folder(collected: _Collected, folder: str, *, in_package: bool) -> None:
    real = os.path.realpath(folder)
    if real in collected.visited:
        return
    collected.visited.add(real)
    try:
        with os.scandir(folder) as listing:
            entries = sorted(listing, key=lambda item: item.name)
    except OSError as error:
        raise disk.unreadable(folder, error) from error
    names = {item.name for item in entries}
    if names.intersection(_ENVIRONMENT_MARKS):
        return
    in_package = in_package or "__init__.py" in names
    for item in entries:
        if item.name.startswith(".") or item.name.endswith(_NOT_CODE):
            continue
        if os.path.isdir(item.path):
            if item.name in _NOT_ENTERED or item.name.endswith((".egg-info", ".dist-info")):
                continue
            if item.is_symlink():
                _add_path(collected, item.path)
            else:
                _add_folder(collected, item.path, in_package=in_package)
        elif in_package or item.name.endswith(_CODE):
            _add_path(collected, item.path)


def _add_path(collected: _Collected, path: str) -> None:
    """Add the file at `path`, the links that lead to it, and what a linked folder holds."""
    if path in collected.files:
        return
    links, real = disk.resolve(path)
    target = disk.entry(real)
    if target is None or (target.kind is FileKind.FILE and not collected.wanted(target)):
        return
    for link in links:
        collected.files[link.path] = link
    if target.kind is FileKind.DIRECTORY:
        _add_folder(collected, real, in_package=True)
    elif real not in collected.files:
        collected.files[real] = collected.hashes.entry(real)


def _left_out(name: str, found: FileEntry) -> Finding:
    return Finding(
        "package-data-left-out",
        Severity.WARNING,
        what=f"{found.path} ({found.size_bytes / 1e6:.0f} MB) in your package {name} stays out.",
        why="It is over the limit for one file, and no cell was seen to open it.",
        fix=f"If the package needs it, add --include {shlex.quote(found.path)}",
        path=found.path,
    )
