"""Debian's Python packages by dpkg's own file lists.

Debian strips RECORD from most of its Python packages and splits one distribution over
several packages (`python3-pandas`, `python3-pandas-lib`); dpkg knows them all. Read straight
from `/var/lib/dpkg`, because starting `dpkg-query` once per package costs far more.
Source: dpkg-query(1), deb-control(5).
"""

from __future__ import annotations

import contextlib
import functools
import hashlib
import os
import re
from collections.abc import Iterable
from dataclasses import dataclass

from ..model.files import FileEntry

_ADMIN = "/var/lib/dpkg"
#: Where Debian keeps the modules of all its Pythons 3.
SITE_FOLDER = "/usr/lib/python3/dist-packages"
_METADATA_LINE = re.compile(rb"^(/usr/lib/python3[^\n]*/[^/\n]+\.(?:egg|dist)-info)$", re.MULTILINE)
_PYTHON_LINE = re.compile(rb"^/usr/(?:local/)?lib/python3[^\n]*-packages/.", re.MULTILINE)
#: Parts of a Debian package that nothing reads at run time.
_NOT_AT_RUN_TIME = re.compile(r"/usr/share/(?:doc|doc-base|man|lintian|bug|menu|bash-completion)/")


@dataclass(frozen=True)
class _Lists:
    by_metadata: dict[str, str]
    by_file: dict[str, str]
    packages: frozenset[str] = frozenset()


def owner_of_metadata(info: str) -> str:
    """Return the package (`python3-six`) that owns a metadata folder or file, or ""."""
    return _lists().by_metadata.get(info, "") if info.startswith("/usr/") else ""


def owner_of_file(path: str) -> str:
    """Return the package that owns a file in Debian's Python folders, or ""."""
    return _lists().by_file.get(path, "") if path.startswith("/usr/") else ""


def python_files(package: str) -> tuple[str, ...]:
    """Return what a package and its companions from the same source put on disk.

    Companions are the packages it depends on that were built from the same source: its
    compiled half and its data. Folders, documentation and `.pyc` files are left out.
    """
    files: dict[str, None] = {}
    for name in (package, *_companions(package)):
        for path in _files(name):
            if not _NOT_AT_RUN_TIME.match(path) and "__pycache__/" not in path:
                files[path] = None
    return tuple(path for path in files if os.path.islink(path) or not os.path.isdir(path))


def version_of(package: str) -> str:
    """Return the installed version of a package, or ""."""
    return _fields(package).get("Version", "")


def required(package: str) -> tuple[str, ...]:
    """Return the installed packages with Python modules that a package depends on.

    Companions are not among them: their files are the package's own. Debian removes from
    the metadata what its `Depends` already says.
    """
    apart = set(_companions(package))
    with_modules = _lists().packages
    return tuple(name for name in _depends(package) if name in with_modules and name not in apart)


def installed_ns(package: str) -> int:
    """Return when the package was installed (the mtime of its list), 0 when unknown."""
    for name in _list_names(package):
        with contextlib.suppress(OSError):
            return os.stat(f"{_ADMIN}/info/{name}.list").st_mtime_ns
    return 0


def edited(package: str, files: Iterable[FileEntry]) -> list[str]:
    """Return the files that were changed since the package was installed, by dpkg's MD5 sums."""
    since = installed_ns(package)
    suspects = {entry.path: "" for entry in files if since and entry.mtime_ns > since}
    if not suspects:
        return []
    for name in (package, *_companions(package)):
        for line in _info(name, "md5sums").splitlines():
            md5, _, path = os.fsdecode(line).partition("  ")
            if f"/{path}" in suspects:
                suspects[f"/{path}"] = md5
    return [path for path, md5 in suspects.items() if md5 and _md5(path) != md5]


def _md5(path: str) -> str:
    with open(path, "rb") as file:
        return hashlib.md5(file.read(), usedforsecurity=False).hexdigest()


@functools.cache
def _lists() -> _Lists:
    by_metadata: dict[str, str] = {}
    by_file: dict[str, str] = {}
    try:
        names = sorted(os.listdir(f"{_ADMIN}/info"))
    except OSError:
        return _Lists({}, {})
    for name in names:
        if not name.endswith(".list"):
            continue
        data = _read(name)
        if not _PYTHON_LINE.search(data):
            continue
        package = name[: -len(".list")].partition(":")[0]
        for found in _METADATA_LINE.findall(data):
            by_metadata.setdefault(os.fsdecode(found), package)
        for line in data.splitlines():
            if _PYTHON_LINE.match(line):
                by_file.setdefault(os.fsdecode(line), package)
    return _Lists(by_metadata, by_file, frozenset(by_file.values()))


def _files(package: str) -> tuple[str, ...]:
    return tuple(os.fsdecode(line) for line in _info(package, "list").splitlines())


def _info(package: str, kind: str) -> bytes:
    found = (_read(f"{name}.{kind}") for name in _list_names(package))
    return next((data for data in found if data), b"")


def _list_names(package: str) -> tuple[str, ...]:
    """Return the names that dpkg's files for a package may have (`libc6:amd64`)."""
    return (package, *(f"{package}:{one}" for one in _architectures()))


def _read(name: str) -> bytes:
    try:
        with open(f"{_ADMIN}/info/{name}", "rb") as file:
            return file.read()
    except OSError:
        return b""


@functools.cache
def _architectures() -> tuple[str, ...]:
    return tuple(sorted(set(re.findall(r"^Architecture: (\S+)$", _status(), re.MULTILINE))))


@functools.cache
def _status() -> str:
    try:
        with open(f"{_ADMIN}/status", encoding="utf-8", errors="replace") as file:
            return file.read()
    except OSError:
        return ""


@functools.cache
def _fields(package: str) -> dict[str, str]:
    text = "\n" + _status()
    start = text.find(f"\nPackage: {package}\n")
    if start < 0:
        return {}
    stanza = text[start + 1 : text.find("\n\n", start)]
    pairs = (line.partition(":") for line in stanza.splitlines() if line[:1] not in (" ", ""))
    return {name: value.strip() for name, _, value in pairs}


def _source(package: str) -> str:
    return _fields(package).get("Source", package).partition(" ")[0]


def _companions(package: str) -> tuple[str, ...]:
    source = _source(package)
    return tuple(name for name in _depends(package) if _fields(name) and _source(name) == source)


def _depends(package: str) -> tuple[str, ...]:
    """Return the names in `Depends`, alternatives included."""
    text = _fields(package).get("Depends", "")
    names = re.findall(r"(?:^|[,|])\s*([a-z0-9][a-z0-9+.-]*)", text)
    return tuple(name for name in dict.fromkeys(names) if name != package)
