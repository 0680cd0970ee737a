"""Which distributions are installed along a kernel's `sys.path`, and who owns which file.

Source: core metadata and the "Recording installed projects" specification of
packaging.python.org. The kernel's `sys.path` is the only path looked at: this process may
be another Python in another environment.
"""

from __future__ import annotations

import functools
import os
from collections.abc import Iterable, Iterator

from . import dpkg_lists
from .metadata import Metadata, normalise, parse
from .recorded_files import FileList, ListSource, Row, listed

_INFO_SUFFIXES = (".dist-info", ".egg-info")


class Installed:
    """One installed distribution; metadata and file list are read when first asked for.

    `location` is the `sys.path` folder it was found in, `info` its metadata folder (or file,
    for old distutils installs). `key` is the normalised name.
    """

    def __init__(self, *, location: str, info: str) -> None:
        self.location = location
        self.info = info
        self._folder_name, self._folder_version = _split(os.path.basename(info))

    @functools.cached_property
    def metadata(self) -> Metadata:
        """Name, version and requirements; what is missing comes from the folder's name."""
        text = self.read("METADATA") or self.read("PKG-INFO")
        if text is None and not os.path.isdir(self.info):
            text = _read(self.info)
        found = parse(text or "")
        if not found.requires:
            found = _with_requires_txt(found, self.read("requires.txt"))
        return Metadata(
            found.name or self._folder_name,
            found.version or self._folder_version,
            found.summary,
            found.license,
            found.requires,
        )

    @functools.cached_property
    def key(self) -> str:
        """The normalised name (PEP 503)."""
        name = self._folder_name
        if not name or name == "EGG-INFO":
            name = self.metadata.name
        return normalise(name)

    @functools.cached_property
    def file_list(self) -> FileList:
        """The files it put on disk and where that is known from."""
        return listed(location=self.location, info=self.info, key=self.key)

    def read(self, name: str) -> str | None:
        """Return the text of a metadata file, None where there is none."""
        return _read(f"{self.info}/{name}")


class SystemPackage(Installed):
    """A package of Debian's that brings modules but no Python metadata (`python3-opencv`)."""

    def __init__(self, package: str, *, location: str) -> None:
        super().__init__(location=location, info="")
        self.metadata = Metadata(package, dpkg_lists.version_of(package), "", "", ())
        self.key = normalise(package)
        rows = tuple(Row(path) for path in dpkg_lists.python_files(package))
        self.file_list = FileList(location, ListSource.DPKG, rows, dpkg=package)


class Environment:
    """All distributions that a kernel's `sys.path` shows, in its order."""

    def __init__(self, sys_path: Iterable[str]) -> None:
        self.installed = tuple(_scan(sys_path))
        self._system_packages: dict[str, Installed] = {}

    def system_package(self, package: str, *, location: str) -> Installed:
        """Return the Debian package as a distribution, the same object each time."""
        if package not in self._system_packages:
            self._system_packages[package] = SystemPackage(package, location=location)
        return self._system_packages[package]

    def of_dpkg(self, package: str) -> Installed:
        """Return the distribution that a Debian package with Python modules brings."""
        return self._by_dpkg.get(package) or self.system_package(
            package, location=dpkg_lists.SITE_FOLDER
        )

    @functools.cached_property
    def _by_dpkg(self) -> dict[str, Installed]:
        found: dict[str, Installed] = {}
        for one in self.installed:
            if one.file_list.dpkg:
                found.setdefault(one.file_list.dpkg, one)
        return found

    @functools.cached_property
    def by_key(self) -> dict[str, Installed]:
        """The distribution that `importlib.metadata` finds for a name: the first on the path."""
        found: dict[str, Installed] = {}
        for one in self.installed:
            found.setdefault(one.key, one)
        return found

    @functools.cached_property
    def owners(self) -> dict[str, Installed]:
        """Which distribution owns a file, by its absolute path."""
        found: dict[str, Installed] = {}
        for one in self.installed:
            for row in one.file_list.rows:
                found.setdefault(row.path, one)
        return found

    @functools.cached_property
    def import_names(self) -> dict[str, tuple[Installed, ...]]:
        """Which distributions provide a top-level module or package."""
        found: dict[str, list[Installed]] = {}
        for one in self.installed:
            for name in one.file_list.import_names:
                found.setdefault(name, []).append(one)
        return {name: tuple(several) for name, several in found.items()}


def _scan(sys_path: Iterable[str]) -> Iterator[Installed]:
    seen: set[str] = set()
    for folder in sys_path:
        location = folder.rstrip("/")
        if not location or location in seen:
            continue
        seen.add(location)
        try:
            names = sorted(os.listdir(location))
        except OSError:
            continue
        for name in names:
            if name.startswith("~"):
                continue  # what pip leaves of an uninstall that failed
            if name.endswith(_INFO_SUFFIXES) or name == "EGG-INFO":
                yield Installed(location=location, info=f"{location}/{name}")


def _split(folder: str) -> tuple[str, str]:
    """Split `numpy-1.26.4.dist-info` or `six-1.16.0-py3.11.egg-info` into name and version."""
    stem = folder.rpartition(".")[0]
    name, _, rest = stem.partition("-")
    return name, rest.partition("-")[0]


def _read(path: str) -> str | None:
    try:
        with open(path, encoding="utf-8", errors="replace") as file:
            return file.read()
    except (OSError, ValueError):
        return None


def _with_requires_txt(found: Metadata, text: str | None) -> Metadata:
    """Add the requirements that setuptools' egg-info keeps apart, sections as markers."""
    if not text:
        return found
    requires: list[str] = []
    condition = ""
    for raw in text.splitlines():
        line = raw.strip()
        if line.startswith("["):
            extra, _, marker = line.strip("[]").partition(":")
            parts = [f"({marker})"] if marker else []
            parts += [f'extra == "{extra}"'] if extra else []
            condition = " and ".join(parts)
        elif line and not line.startswith("#"):
            requires.append(f"{line} ; {condition}" if condition else line)
    return Metadata(found.name, found.version, found.summary, found.license, tuple(requires))
