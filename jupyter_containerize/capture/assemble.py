"""A probe record and a notebook file become a `Snapshot`: every part's facts, joined."""

from __future__ import annotations

import os
from collections.abc import Callable, Iterable, Mapping
from dataclasses import dataclass
from typing import Any

from ..errors import ContainerizeError
from ..model.codec import from_json
from ..model.event import Emit, ignore
from ..model.options import CaptureOptions
from ..model.platform import Platform
from ..model.reasons import Finding, Reason, ReasonKind
from ..model.snapshot import (
    DataFile,
    Distribution,
    Executable,
    Interpreter,
    LocalCode,
    NativeLibrary,
    Notebook,
    Snapshot,
    SnapshotMode,
    SystemFiles,
    SystemPackage,
)
from . import closure, data_files, distributions, executables, libraries, local_code, needs, system
from .installed import Environment
from .packages import Owners
from .places import Places
from .record_view import modules_of, opens_of


@dataclass(frozen=True)
class Facts:
    """What the notebook's cells say, as the parts that read them found it."""

    notebook: Notebook
    cell_of_seq: Mapping[int, int]
    imports: Mapping[str, frozenset[int]]
    paths: Mapping[str, frozenset[int]]
    commands: tuple[tuple[str, Reason], ...]
    findings: tuple[Finding, ...] = ()


def snapshot(
    record: Mapping[str, Any],
    *,
    facts: Facts,
    baseline: Iterable[str],
    options: CaptureOptions,
    cache: str | None = None,
    emit: Emit = ignore,
) -> Snapshot:
    """Return the snapshot. Errors that do not depend on each other are raised together."""
    del emit
    interpreter = from_json(Interpreter, record["python"])
    environment = Environment(interpreter.sys_path)
    folders = tuple(dict.fromkeys((facts.notebook.folder, record["cwd"], record["initial_cwd"])))
    places = Places(interpreter=interpreter, environment=environment, folders=folders)
    found = needs.find(
        modules=modules_of(record),
        baseline=frozenset(baseline),
        cell_of_seq=facts.cell_of_seq,
        named=facts.imports,
        places=places,
        interpreter=interpreter,
        environment=environment,
        static=bool(record.get("static")),
        include=options.include,
    )
    packages, findings = _distributions(found, interpreter, environment)
    code, code_findings = local_code.collect(
        found.local.values(),
        reasons=found.local_reasons,
        distributions={},
        limit_bytes=options.max_file_bytes,
        include=options.include,
    )
    owned = _owned(environment, places, code)
    data, data_findings, problems = data_files.collect(
        opens_of(record),
        cell_of_seq=facts.cell_of_seq,
        named=facts.paths,
        unwatched=(),
        rules=data_files.Rules(
            folders=folders,
            home=interpreter.home,
            notebook=facts.notebook.path,
            prefixes=(interpreter.prefix, interpreter.base_prefix),
            owned=owned,
        ),
        include=options.include,
        mounts=options.mounts,
        max_file_bytes=options.max_file_bytes,
    )
    if trouble := [*found.problems, *problems]:
        raise ContainerizeError.together(trouble)
    native = _native(
        record,
        facts=facts,
        interpreter=interpreter,
        packages=packages,
        code=code,
        data=data,
        cache=cache,
    )
    return Snapshot(
        notebook=facts.notebook,
        interpreter=interpreter,
        platform=Platform.of_machine(record["platform"]["system"], record["platform"]["machine"]),
        mode=SnapshotMode.STATIC if record.get("static") else SnapshotMode.LIVE,
        distributions=packages,
        local_code=code,
        data_files=data,
        findings=(*facts.findings, *findings, *code_findings, *data_findings, *native.findings),
        libraries=native.libraries,
        executables=native.executables,
        system_files=native.system_files,
        system_packages=native.system_packages,
        cwd=record["cwd"],
        created_at=record["created_at"],
        host=record["host"],
    )


def _distributions(
    found: needs.Needs, interpreter: Interpreter, environment: Environment
) -> tuple[tuple[Distribution, ...], tuple[Finding, ...]]:
    """Return what is needed, what that requires, and what the guest requires, with reasons."""
    ipython = environment.by_key.get("ipython")
    roots = list(found.roots)
    if ipython is not None:
        roots.append(ipython)
    closed = closure.close(roots, environment=environment, markers=interpreter.markers)
    described: list[Distribution] = []
    findings: list[Finding] = list(closed.findings)
    for key, one in sorted(closed.chosen.items()):
        reasons = set(found.named.get(one, ()))
        reasons |= {Reason(ReasonKind.REQUIRED, name) for name in closed.required_by(key)}
        if one is ipython:
            reasons.add(Reason(ReasonKind.REQUIRED, "the guest"))
        distribution, odd = distributions.describe(
            one,
            interpreter=interpreter,
            requires=closed.requires.get(key, ()),
            reasons=tuple(reasons or found.loaded.get(one, ())),
        )
        described.append(distribution)
        findings += odd
    return tuple(described), tuple(findings)


def _owned(
    environment: Environment, places: Places, code: Iterable[LocalCode]
) -> Callable[[str], bool]:
    """Return what tells whether a file goes in (or stays out) as something else than data."""
    local = {entry.path for one in code for entry in one.files}

    def owned(path: str) -> bool:
        return (
            path in local
            or path in environment.owners
            or places.is_standard_file(path)
            or places.is_site_state(path)
        )

    return owned


@dataclass(frozen=True)
class _Native:
    libraries: tuple[NativeLibrary, ...]
    executables: tuple[Executable, ...]
    system_files: tuple[SystemFiles, ...]
    system_packages: tuple[SystemPackage, ...]
    findings: tuple[Finding, ...]


def _native(
    record: Mapping[str, Any],
    *,
    facts: Facts,
    interpreter: Interpreter,
    packages: tuple[Distribution, ...],
    code: tuple[LocalCode, ...],
    data: tuple[DataFile, ...],
    cache: str | None,
) -> _Native:
    """Return what lies outside Python: libraries, programs and the system's own files."""
    owners = Owners()
    variables: Mapping[str, str] = record["environ"]["values"]
    included = [entry.path for one in packages for entry in one.files]
    included += [entry.path for one in code for entry in one.files]
    included += [entry.path for one in data for entry in one.files]
    programs, program_findings = executables.find(
        facts.commands,
        search_path=variables.get("PATH", os.defpath),
        included=included,
        folder=record["cwd"],
        packages=owners,
    )
    base = system.find(
        interpreter,
        environment=variables,
        imported=sorted({name.partition(".")[0] for name in facts.imports}),
        packages=owners,
        mapped=record["maps"],
        cache=cache,
    )
    files = [(entry, one.name) for one in packages for entry in one.files]
    files += [(entry, one.name) for one in code for entry in one.files]
    files += [(entry, one.name) for one in programs for entry in one.files]
    files += [(entry, "the interpreter") for group in base for entry in group.files]
    native, native_findings = libraries.find(
        files,
        mapped=record["maps"],
        interpreter=interpreter,
        environment=variables,
        packages=owners,
    )
    names = {one.package for one in native} | {one.package for one in programs}
    names |= {name for group in base for name in group.packages}
    return _Native(
        libraries=native,
        executables=programs,
        system_files=base,
        system_packages=owners.packages(names),
        findings=(*program_findings, *native_findings),
    )
