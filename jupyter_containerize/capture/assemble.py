"""A probe record and a notebook file become a `Snapshot`: every part's facts, joined."""

from __future__ import annotations

import os
from collections.abc import Callable, Mapping
from dataclasses import dataclass
from typing import Any

from ..errors import ContainerizeError
from ..model.codec import from_json
from ..model.event import Emit, Progress, ignore
from ..model.options import CaptureOptions
from ..model.platform import Platform
from ..model.reasons import Reason, ReasonKind
from ..model.snapshot import (
    DataFile,
    Distribution,
    Interpreter,
    LocalCode,
    OriginKind,
    Snapshot,
    SnapshotMode,
    Variable,
)
from ..oci.store import Store
from . import (
    baseline,
    cells,
    closure,
    data_files,
    data_rules,
    distributions,
    environment,
    executables,
    guest_needs,
    hidden_state,
    local_code,
    native,
    needs,
    secrets,
)
from . import notebook as notebook_file
from .cell_facts import CellFacts, facts_of
from .hashes import Hashes
from .installed import Environment
from .places import Places
from .record_view import modules_of, opens_of, written_first


def snapshot(
    record: Mapping[str, Any],
    *,
    notebook: str,
    options: CaptureOptions,
    store: Store,
    emit: Emit = ignore,
    front_end: Mapping[str, Any] | None = None,
) -> Snapshot:
    """Return the snapshot of the kernel that wrote `record`.

    `notebook` is the file's path, "" for the one that the record names, if any; `front_end`
    the document as the front end shows it. Blocking findings are in the snapshot; who builds
    decides. Facts that cost time are kept in the store's `cache` folder. Errors: those of
    `notebook.read` and of every part; independent ones are raised together.
    """
    if front_end is not None and notebook and not os.path.exists(notebook):
        # It was renamed meanwhile, or never saved: the front end has all of it.
        file: notebook_file.NotebookFile | None = notebook_file.given(notebook, front_end)
    else:
        file = notebook_file.known(record, notebook)
    if front_end is not None:
        front_end = notebook_file.normalise(front_end, name=notebook or "The notebook")
        front_end = notebook_file.marked(front_end, options.marks)
    elif file is not None:
        file = file.with_marks(options.marks)
    merged = cells.merge(record, file=file, front_end=front_end, marks=options.marks)
    cache = os.path.join(store.root, "cache")
    known = baseline.modules(
        record, metadata=merged.notebook.metadata, cache=cache, kernel=options.kernel
    )
    capture = _Capture(
        record=record,
        merged=merged,
        facts=facts_of(record, merged.notebook.cells, folder=record["initial_cwd"]),
        interpreter=from_json(Interpreter, record["python"]),
        options=options,
        baseline=known,
        cache=cache,
        emit=emit,
    )
    return capture.snapshot()


@dataclass
class _Capture:
    """One capture: what is known at its start, and the steps that add to it."""

    record: Mapping[str, Any]
    merged: cells.Merged
    facts: CellFacts
    interpreter: Interpreter
    options: CaptureOptions
    baseline: frozenset[str]
    cache: str
    emit: Emit

    def __post_init__(self) -> None:
        self.installed = Environment(self.interpreter.sys_path)
        self.hashes = Hashes(self.cache)
        self.opens = opens_of(self.record)
        record, notebook = self.record, self.merged.notebook
        self.findings = [*self.merged.findings, *hidden_state.findings(notebook.cells, record)]
        self.folders = tuple(dict.fromkeys((notebook.folder, record["cwd"], record["initial_cwd"])))
        self.places = Places(
            interpreter=self.interpreter, environment=self.installed, folders=self.folders
        )

    def snapshot(self) -> Snapshot:
        self._step("packages", 0)
        found = self._needs()
        packages = self._distributions(found)
        self._step("your own code and data", 1)
        code = self._local_code(found)
        data, problems = self._data(code)
        if trouble := [*found.problems, *problems]:
            raise ContainerizeError.together(trouble)
        self._step("libraries and programs", 2)
        outside = native.find(
            record=self.record,
            facts=self.facts,
            interpreter=self.interpreter,
            packages=packages,
            code=code,
            data=data,
            cache=self.cache,
        )
        self.findings += outside.findings
        self._step("secrets", 3)
        self._secrets(code, data)
        variables = self._variables()
        self.hashes.save()
        self._step("everything", _STEPS)
        record = self.record
        machine = record["platform"]
        return Snapshot(
            notebook=self.merged.notebook,
            interpreter=self.interpreter,
            platform=Platform.of_machine(machine["system"], machine["machine"]),
            mode=SnapshotMode.STATIC if record["static"] else SnapshotMode.LIVE,
            distributions=packages,
            local_code=code,
            data_files=data,
            libraries=outside.libraries,
            executables=outside.executables,
            system_files=outside.system_files,
            system_packages=outside.system_packages,
            environment=variables,
            parameters=self.merged.parameters,
            findings=tuple(self.findings),
            cwd=record["initial_cwd"],  # the cells change to other folders again
            created_at=record["created_at"],
            host=record["host"],
        )

    def _step(self, item: str, done: int) -> None:
        self.emit(Progress("capture", item, done, _STEPS, "steps"))

    def _needs(self) -> needs.Needs:
        return needs.find(
            modules=modules_of(self.record),
            baseline=self.baseline,
            cell_of_seq=self.facts.cell_of_seq,
            named=self.facts.imports,
            places=self.places,
            environment=self.installed,
            written=written_first(self.opens) | self.facts.written,
            before_watch=self.record["kernel"]["extension_loaded_after"] > 0,
            static=self.record["static"],
            include=self.options.include,
            programs=self._programs(),
            guarded=self.facts.guarded,
        )

    def _programs(self) -> list[tuple[str, Reason]]:
        """Return the files behind the commands that cells call, with who calls them."""
        search_path = self.record["environ"]["values"].get("PATH", os.defpath)
        found = {
            name: executables.resolve(name, search_path=search_path, folder=self.record["cwd"])
            for name, _ in self.facts.commands
        }
        return [(found[name], reason) for name, reason in self.facts.commands]

    def _distributions(self, found: needs.Needs) -> tuple[Distribution, ...]:
        """Return what is needed, what that requires, and what the guest requires."""
        ipython, lender = guest_needs.find(self.installed, self.interpreter)
        closed = closure.close(
            [*found.roots, ipython],
            environment=self.installed,
            markers=self.interpreter.markers,
            fallback=lender,
        )
        self.findings += closed.findings
        packages = []
        for key, one in sorted(closed.chosen.items()):
            reasons = set(found.named.get(one, ()))
            reasons |= {Reason(ReasonKind.REQUIRED, name) for name in closed.required_by(key)}
            if one is ipython:
                reasons.add(Reason(ReasonKind.REQUIRED, "the guest"))
            package, odd = distributions.describe(
                one,
                interpreter=self.interpreter,
                hashes=self.hashes,
                requires=closed.requires.get(key, ()),
                reasons=tuple(reasons or found.loaded.get(one, ())),
                unlisted=tuple(sorted(found.extra_files.get(one, ()))),
            )
            packages.append(package)
            self.findings += odd
            if package.origin.kind is OriginKind.EDITABLE:
                found.add_project(one, self.places, package.reasons)
        return tuple(packages)

    def _local_code(self, found: needs.Needs) -> tuple[LocalCode, ...]:
        code, findings = local_code.collect(
            found.local.values(),
            reasons=found.local_reasons,
            hashes=self.hashes,
            limit_bytes=self.options.max_file_bytes,
            include=self.options.include,
        )
        self.findings += findings
        return code

    def _data(
        self, code: tuple[LocalCode, ...]
    ) -> tuple[tuple[DataFile, ...], tuple[ContainerizeError, ...]]:
        interpreter = self.interpreter
        data, findings, problems = data_files.collect(
            self.opens,
            cell_of_seq=self.facts.cell_of_seq,
            named=self.facts.paths,
            unwatched=self.facts.unwatched,
            rules=data_rules.Rules(
                folders=self.folders,
                home=interpreter.home,
                notebook=self.merged.notebook.path,
                prefixes=(interpreter.prefix, interpreter.base_prefix),
                owned=self._owned(code),
                state=(os.path.dirname(self.cache),),
            ),
            hashes=self.hashes,
            include=self.options.include,
            mounts=self.options.mounts,
            max_file_bytes=self.options.max_file_bytes,
        )
        self.findings += findings
        return data, problems

    def _variables(self) -> tuple[Variable, ...]:
        variables, findings = environment.find(
            self.record, named=self.facts.variables, asked=self.options.environment
        )
        self.findings += findings
        return variables

    def _secrets(self, code: tuple[LocalCode, ...], data: tuple[DataFile, ...]) -> None:
        """Look for credentials in what goes in and is the user's own."""
        files = [entry for one in code for entry in one.files]
        files += [entry for one in data for entry in one.files]
        self.findings += secrets.scan(
            cells=self.merged.notebook.cells,
            texts=self.merged.notebook.texts,
            files=files,
            allow=self.options.allow_secrets,
        )

    def _owned(self, code: tuple[LocalCode, ...]) -> Callable[[str], bool]:
        """Return what tells whether a file goes in, or stays out, as something else than data."""
        local = {entry.path for one in code for entry in one.files}
        owners, places = self.installed.owners, self.places
        return lambda path: (
            path in local
            or path in owners
            or places.is_standard_file(path)
            or places.is_site_state(path)
        )


_STEPS = 4
