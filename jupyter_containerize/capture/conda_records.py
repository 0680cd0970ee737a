"""What conda knows of the packages in a prefix: `conda-meta/*.json`.

Source: conda's "Package metadata" (`files`, `channel`, `build`), docs.conda.io.
"""

from __future__ import annotations

import functools
import json
import os
from collections.abc import Iterator
from dataclasses import dataclass
from typing import Any, NamedTuple

from .metadata import normalise


class CondaFile(NamedTuple):
    """A file that conda put down: absolute path, hex SHA-256 ("" for links), bytes or -1."""

    path: str
    sha256: str = ""
    size: int = -1


@dataclass(frozen=True)
class CondaPackage:
    """One installed conda package; `recorded_ns` is the mtime of its record."""

    name: str
    version: str
    build: str
    channel: str
    files: tuple[CondaFile, ...]
    recorded_ns: int = 0

    @property
    def title(self) -> str:
        """Name, version and build."""
        return f"{self.name} {self.version} {self.build}".rstrip()


def package_of(location: str, key: str) -> CondaPackage | None:
    """Return the conda package that put the distribution `key` into a site folder, if any."""
    prefix = _prefix(location)
    if not prefix:
        return None
    packages = _packages(prefix)
    found = packages.get(key)
    if found and any(file.path.startswith(location + "/") for file in found.files):
        return found
    return _by_metadata(prefix).get((location, key))


@functools.cache
def _prefix(location: str) -> str:
    """Return the conda prefix above `.../lib/python3.11/site-packages`, or ""."""
    prefix = os.path.dirname(os.path.dirname(os.path.dirname(location)))
    return prefix if os.path.isdir(f"{prefix}/conda-meta") else ""


@functools.cache
def _by_metadata(prefix: str) -> dict[tuple[str, str], CondaPackage]:
    """Return packages by site folder and distribution: conda's names differ (`pytorch`, torch)."""
    found = {}
    for package in _packages(prefix).values():
        for file in package.files:
            folder, _, name = os.path.dirname(file.path).rpartition("/")
            if name.endswith((".dist-info", ".egg-info")):
                found[folder, normalise(name.rpartition(".")[0].partition("-")[0])] = package
    return found


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
            recorded_ns = os.fstat(file.fileno()).st_mtime_ns
        return CondaPackage(
            name=data["name"],
            version=data.get("version", ""),
            build=data.get("build", ""),
            channel=data.get("channel", ""),
            files=tuple(_files(prefix, data)),
            recorded_ns=recorded_ns,
        )
    except (OSError, ValueError, KeyError, TypeError):
        return None


def _files(prefix: str, data: dict[str, Any]) -> Iterator[CondaFile]:
    details = {one["_path"]: one for one in data.get("paths_data", {}).get("paths", ())}
    for path in data.get("files", ()):
        if "__pycache__/" in path:
            continue
        one = details.get(path, {})
        sha256, size = one.get("sha256_in_prefix") or one.get("sha256") or "", -1
        if one.get("path_type") == "softlink":
            sha256 = ""
        elif sha256 == one.get("sha256"):
            size = one.get("size_in_bytes", -1)
        yield CondaFile(f"{prefix}/{path}", sha256, size)
