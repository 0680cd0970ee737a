"""What conda knows of the packages in a prefix: `conda-meta/*.json`.

Source: conda's "Package metadata" (`files`, `channel`, `build`), docs.conda.io.
"""

from __future__ import annotations

import functools
import json
import os
from dataclasses import dataclass

from .metadata import normalise


@dataclass(frozen=True)
class CondaPackage:
    """One installed conda package; `files` are absolute, `channel` has no credentials."""

    name: str
    version: str
    build: str
    channel: str
    files: tuple[str, ...]

    @property
    def title(self) -> str:
        """Name, version and build as conda writes them together."""
        return f"{self.name} {self.version} {self.build}".rstrip()


def package_of(location: str, key: str) -> CondaPackage | None:
    """Return the conda package that put the distribution `key` into a site folder, if any."""
    prefix = _prefix(location)
    if not prefix:
        return None
    packages = _packages(prefix)
    found = packages.get(key)
    if found and any(path.startswith(location + "/") for path in found.files):
        return found
    marks = (f"{location}/{key.replace('-', '_')}-", f"{location}/{key}-")
    for package in packages.values():
        for path in package.files:
            lowered = path.lower()
            if "-info/" in lowered and lowered.startswith(tuple(m.lower() for m in marks)):
                return package
    return None


def files_of(package: CondaPackage) -> tuple[str, ...]:
    """Return the package's files without compiled ones."""
    return tuple(path for path in package.files if not path.endswith(".pyc"))


@functools.cache
def _prefix(location: str) -> str:
    """Return the conda prefix above `.../lib/python3.11/site-packages`, or ""."""
    prefix = os.path.dirname(os.path.dirname(os.path.dirname(location)))
    return prefix if os.path.isdir(f"{prefix}/conda-meta") else ""


@functools.cache
def _packages(prefix: str) -> dict[str, CondaPackage]:
    packages: dict[str, CondaPackage] = {}
    for name in sorted(os.listdir(f"{prefix}/conda-meta")):
        package = _package(prefix, name) if name.endswith(".json") else None
        if package is not None:
            packages[normalise(package.name)] = package
    return packages


def _package(prefix: str, name: str) -> CondaPackage | None:
    try:
        with open(f"{prefix}/conda-meta/{name}", encoding="utf-8") as file:
            data = json.load(file)
        return CondaPackage(
            name=data["name"],
            version=data.get("version", ""),
            build=data.get("build", ""),
            channel=data.get("channel", ""),
            files=tuple(f"{prefix}/{path}" for path in data.get("files", ())),
        )
    except (OSError, ValueError, KeyError, TypeError):
        return None
