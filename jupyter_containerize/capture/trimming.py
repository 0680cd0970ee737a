"""What installed packages carry for their developers, and serving does not need: tests, headers, stubs."""

from __future__ import annotations

import fnmatch
import os
from collections.abc import Collection, Iterable
from dataclasses import replace

from ..model.files import FileEntry
from ..model.snapshot import Distribution

_TEST_FOLDERS = frozenset({"test", "tests"})
_HEADER_FOLDERS = frozenset({"include"})
_TEXTS = (".pyi", ".pyx", ".pxd", ".pyf", ".md", ".rst")
_HEADERS = (".h", ".hpp", ".hxx", ".inc", ".cuh", ".a", ".lib")


def trimmed(
    package: Distribution,
    *,
    used: Collection[str],
    compiles: bool,
    unneeded: Collection[str] = (),
) -> Distribution:
    """Return the distribution without tests, headers and stubs, but for files that were `used`.

    A folder of tests stays if any module in it was imported. With `compiles` (the object
    called a program, maybe a compiler) headers stay. `unneeded` are patterns of paths below a
    site folder that the adapter knows its framework's serving never to need.
    """
    imported = {os.path.dirname(path) for path in used}
    kept = [
        entry
        for entry in package.files
        if entry.path in used
        or not (
            _is_for_developers(entry, package.location, imported, compiles=compiles)
            or _matches(entry.path, package.location, unneeded)
        )
    ]
    if len(kept) == len(package.files):
        return package
    sources = {entry.path for entry in kept}
    bytecode = [entry for entry in package.bytecode if _source_of(entry.path) in sources]
    return replace(package, files=tuple(kept), bytecode=tuple(bytecode))


def _is_for_developers(
    entry: FileEntry, location: str, imported: Collection[str], *, compiles: bool
) -> bool:
    if not entry.path.startswith(location + "/"):
        return False
    *folders, name = entry.path[len(location) + 1 :].split("/")
    if not folders or folders[0].endswith("-info"):
        return False
    if name.endswith(_TEXTS) or (name.endswith(_HEADERS) and not compiles):
        return True
    if not compiles and not name.endswith((".py", ".so")) and _HEADER_FOLDERS & set(folders[1:]):
        return True
    return any(
        one in _TEST_FOLDERS and not _holds(f"{location}/{'/'.join(folders[: at + 1])}", imported)
        for at, one in enumerate(folders)
        if at  # a package that is itself called `tests` is what it is
    )


def _matches(path: str, location: str, patterns: Collection[str]) -> bool:
    below = path[len(location) + 1 :]
    return any(fnmatch.fnmatchcase(below, pattern) for pattern in patterns)


def _holds(folder: str, imported: Collection[str]) -> bool:
    return any(one == folder or one.startswith(folder + "/") for one in imported)


def _source_of(pyc: str) -> str:
    folder, name = os.path.split(pyc)
    return f"{os.path.dirname(folder)}/{name.partition('.')[0]}.py"


def used_files(
    modules: Iterable[Iterable[object]], opens: Iterable[dict[str, object]]
) -> frozenset[str]:
    """Return the files that a record's modules and openings name."""
    found = {str(row[1]) for row in map(tuple, modules) if row[1]}
    found |= {str(one["path"]) for one in opens if not str(one["path"]).endswith(".pyc")}
    return frozenset(found)
