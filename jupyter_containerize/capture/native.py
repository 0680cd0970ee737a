"""What lies outside Python: libraries, programs and the system's own files, joined."""

from __future__ import annotations

import os
from collections.abc import Iterable, Mapping
from dataclasses import dataclass
from typing import Any

from ..model.files import FileEntry
from ..model.reasons import Finding
from ..model.snapshot import (
    DataFile,
    Distribution,
    Executable,
    Interpreter,
    LocalCode,
    NativeLibrary,
    SystemFiles,
    SystemPackage,
)
from . import executables, libraries, system
from .cell_facts import CellFacts
from .packages import Owners


@dataclass(frozen=True)
class Native:
    """The native parts of a snapshot, and what to tell about them."""

    libraries: tuple[NativeLibrary, ...]
    executables: tuple[Executable, ...]
    system_files: tuple[SystemFiles, ...]
    system_packages: tuple[SystemPackage, ...]
    findings: tuple[Finding, ...]


def find(
    *,
    record: Mapping[str, Any],
    facts: CellFacts,
    interpreter: Interpreter,
    packages: Iterable[Distribution],
    code: Iterable[LocalCode],
    data: Iterable[DataFile],
    cache: str | None,
) -> Native:
    """Return what base `host` needs for everything else that goes in; errors as in the parts."""
    owners = Owners(cache=cache)
    variables: Mapping[str, str] = record["environ"]["values"]
    named = [(entry, one.name) for one in packages for entry in one.files]
    named += [(entry, one.name) for one in code for entry in one.files]
    programs, about_programs = executables.find(
        facts.commands,
        search_path=variables.get("PATH", os.defpath),
        included=_paths_of(named, data),
        folder=record["initial_cwd"],
        packages=owners,
        interpreter=interpreter,
    )
    base = system.find(
        interpreter,
        environment=variables,
        imported=sorted({name.partition(".")[0] for name in facts.imports}),
        packages=owners,
        mapped=record["maps"],
        cache=cache,
    )
    named += [(entry, one.name) for one in programs for entry in one.files]
    named += [(entry, "the interpreter") for group in base for entry in group.files]
    found, about_libraries = libraries.find(
        named,
        mapped=record["maps"],
        interpreter=interpreter,
        environment=variables,
        packages=owners,
    )
    names = {one.package for one in found} | {one.package for one in programs}
    names |= {name for group in base for name in group.packages}
    owners.save()
    return Native(
        libraries=found,
        executables=programs,
        system_files=base,
        system_packages=owners.packages(names),
        findings=(*about_programs, *about_libraries),
    )


def _paths_of(named: Iterable[tuple[FileEntry, str]], data: Iterable[DataFile]) -> tuple[str, ...]:
    paths = [entry.path for entry, _ in named]
    paths += [entry.path for one in data for entry in one.files]
    return tuple(paths)
