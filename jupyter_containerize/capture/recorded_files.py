"""The files that an installed distribution put on disk, from whoever wrote them down.

In order: RECORD (pip, uv, conda), dpkg's file lists (Debian's own Python packages mostly
have no RECORD), conda's package record, setuptools' `installed-files.txt`; failing all
these, what `top_level.txt` or the distribution's name leads to. Source: "Recording installed
projects", packaging.python.org.
"""

from __future__ import annotations

import csv
import functools
import io
import os
from collections.abc import Iterable, Iterator
from dataclasses import dataclass
from enum import Enum
from typing import NamedTuple

from . import conda_records, dpkg_lists

_HIDDEN_FROM_IMPORT = (".dist-info", ".egg-info", ".libs", ".data", ".pth", ".egg-link")


class Row(NamedTuple):
    """One listed file: `sha256` in RECORD's URL-safe base64 or in hex, `size` -1 if unknown."""

    path: str
    sha256: str = ""
    size: int = -1


class ListSource(Enum):
    """Who wrote the list of files down."""

    RECORD = "RECORD"
    DPKG = "dpkg"
    CONDA = "conda"
    INSTALLED_FILES = "installed-files.txt"
    EGG = "egg folder"
    SOURCE = "a project's own folder"
    GUESS = "the folder's content"


@dataclass(frozen=True)
class FileList:
    """What belongs to a distribution, without what is in `__pycache__`.

    `recorded_ns` is when the list was written (mtime), 0 when unknown. `dpkg` is the Debian
    package that the distribution came with, or "".
    """

    location: str
    source: ListSource
    rows: tuple[Row, ...]
    recorded_ns: int = 0
    dpkg: str = ""
    top_level: tuple[str, ...] = ()

    @functools.cached_property
    def import_names(self) -> tuple[str, ...]:
        """Top-level modules and packages that the files make importable."""
        prefix = f"{self.location}/"
        start = len(prefix)
        firsts = {
            row.path[start:].partition("/")[0] for row in self.rows if row.path.startswith(prefix)
        }
        names = {
            first.partition(".")[0]
            for first in firsts
            if first != "__pycache__" and not first.endswith(_HIDDEN_FROM_IMPORT)
        }
        names.update(self.top_level)
        return tuple(sorted(name for name in names if name.isidentifier()))


def listed(*, location: str, info: str, key: str) -> FileList:
    """Return the file list of the distribution whose metadata lies at `info`. Never fails."""
    record = f"{info}/RECORD"
    rows = tuple(_record_rows(record, location))
    source = ListSource.RECORD if rows else ListSource.GUESS
    recorded_ns = os.stat(record).st_mtime_ns if rows else 0
    dpkg = dpkg_lists.owner_of_metadata(info)
    conda = None if dpkg else conda_records.package_of(location, key)
    if dpkg:
        # Debian strips and patches after RECORD was written: its hashes do not hold.
        paths = (*(row.path for row in rows), *dpkg_lists.python_files(dpkg))
        rows = tuple(Row(path) for path in dict.fromkeys(paths))
        source = ListSource.DPKG
        recorded_ns = dpkg_lists.installed_ns(dpkg)
    elif conda:
        # Conda's hashes are of the files after it wrote its prefix into them.
        managed = {file.path: Row(*file) for file in conda.files}
        rows = (*(row for row in rows if row.path not in managed), *managed.values())
        source = ListSource.CONDA
        recorded_ns = recorded_ns or conda.recorded_ns
    top_level = tuple((_text(f"{info}/top_level.txt") or "").split())
    if not rows and (text := _text(f"{info}/installed-files.txt")):
        lines = [line for line in text.splitlines() if line and "__pycache__/" not in line]
        rows = tuple(Row(os.path.normpath(os.path.join(info, line))) for line in lines)
        source = ListSource.INSTALLED_FILES
    if not rows:
        source, rows = _guessed(location, info, key, top_level)
    return FileList(location, source, rows, recorded_ns, dpkg, top_level)


def _record_rows(record: str, location: str) -> Iterator[Row]:
    try:
        with open(record, encoding="utf-8", errors="surrogateescape", newline="") as file:
            text = file.read()
        for row in _fields(text):
            if len(row) == 3:  # noqa: PLR2004 - path, hash, size
                path, digest, size = row
            else:
                path, digest, size = (*row, "", "", "")[:3]
            if not path or "__pycache__/" in path:
                continue
            if path[0] in "/." or ".." in path:
                path = os.path.normpath(os.path.join(location, path))
            else:
                path = f"{location}/{path}"
            sha256 = digest[7:] if digest.startswith("sha256=") else ""
            yield Row(path, sha256, int(size) if size.isdecimal() else -1)
    except (OSError, ValueError, csv.Error):
        return


def _fields(text: str) -> Iterable[list[str]]:
    """Return a RECORD's rows; the csv module, slower, only where a field is quoted."""
    if '"' in text:
        return csv.reader(io.StringIO(text, newline=""))
    return (line.split(",") for line in text.replace("\r\n", "\n").split("\n"))


def _guessed(
    location: str, info: str, key: str, top_level: tuple[str, ...]
) -> tuple[ListSource, tuple[Row, ...]]:
    rows = list(_below(info))
    if info.endswith("/EGG-INFO"):
        return ListSource.EGG, (*rows, *_below(location, skip=info))
    # Metadata beside sources on sys.path (`pip install -e`): the modules are local code.
    if os.path.basename(location) not in ("site-packages", "dist-packages"):
        return ListSource.SOURCE, tuple(rows)
    for name in top_level or (key.replace("-", "_"), key):
        for found in (f"{location}/{name}", f"{location}/{name}.py"):
            rows += _below(found)
    return ListSource.GUESS, tuple(dict.fromkeys(rows))


def _below(path: str, *, skip: str = "") -> Iterable[Row]:
    if not os.path.isdir(path):
        return [Row(path)] if os.path.isfile(path) else []
    rows: list[Row] = []
    for folder, folders, names in os.walk(path):
        folders[:] = sorted(
            name for name in folders if name != "__pycache__" and f"{folder}/{name}" != skip
        )
        rows += [Row(f"{folder}/{name}") for name in sorted(names)]
    return rows


def _text(path: str) -> str | None:
    try:
        with open(path, encoding="utf-8", errors="surrogateescape") as file:
            return file.read()
    except (OSError, ValueError):
        return None
