"""What serving a saved object needs becomes a `Snapshot` of the kind inference.

Not the cells decide, but a fresh process that loaded the object and asked it (`trial`): the
distributions it imported, opened or mapped are needed; what those merely declare to require
is not, unless the object's own code names it.
"""

from __future__ import annotations

import json
import os
from collections.abc import Iterable, Mapping, Sequence
from dataclasses import dataclass, field, replace
from typing import Any

from ..errors import ContainerizeError
from ..model.artifact import Artifact
from ..model.codec import from_json
from ..model.event import Emit, Progress, ignore
from ..model.options import CaptureOptions, Mark
from ..model.plan import ARTIFACT_FOLDER
from ..model.platform import Platform
from ..model.reasons import Finding, Reason, ReasonKind
from ..model.snapshot import (
    DataFile,
    Distribution,
    Interpreter,
    LocalCode,
    Notebook,
    Snapshot,
)
from ..oci.store import Store
from . import (
    cells,
    data_files,
    data_rules,
    disk,
    distributions,
    environment,
    local_code,
    native,
    needs,
    secrets,
    serving_needs,
    syntax,
    trimming,
)
from . import notebook as notebook_file
from .cell_facts import CellFacts
from .hashes import Hashes
from .installed import Environment
from .places import Places
from .record_view import modules_of, opens_of
from .trial import Trial

#: Stands for the served object where the shared parts know cells by number.
_OBJECT = 0
_BY_CELL = "cell 0"
_BY = "the served object"
SERVE_TAG = "serve"
_STEPS = 4


@dataclass(frozen=True, slots=True)
class Saved:
    """What was saved from a kernel: `folder` holds the artifact's files, `artifact` its JSON.

    `compiled` is likewise the copy that onnxruntime serves, else `not_compiled` says why there is none.
    """

    expression: str
    folder: str
    artifact: Mapping[str, Any]
    findings: tuple[Finding, ...] = ()
    compiled: Mapping[str, Any] | None = None
    compiled_folder: str = ""
    not_compiled: str = ""

    def sources(self) -> tuple[str, ...]:
        """Return the text of what cells defined and the object uses."""
        definitions = self.artifact.get("definitions")
        if not definitions:
            return ()
        with open(os.path.join(self.folder, definitions), encoding="utf-8") as file:
            return (file.read(),)


def serve_cells(
    record: Mapping[str, Any],
    *,
    notebook: str,
    front_end: Mapping[str, Any] | None = None,
    marks: Sequence[Mark] = (),
) -> Notebook:
    """Return the notebook with only the cells that are tagged `serve`, by it or by `marks`."""
    file = notebook_file.known(record, notebook)
    if front_end is not None:
        document = notebook_file.normalise(front_end, name=notebook or "The notebook")
        front_end = notebook_file.marked(document, marks)
    elif file is not None:
        file = file.with_marks(marks)
    merged = cells.merge(record, file=file, front_end=front_end, marks=marks).notebook
    chosen = tuple(cell for cell in merged.cells if SERVE_TAG in cell.tags)
    return replace(merged, cells=chosen, texts=())


def with_cells(saved: Saved, notebook: Notebook) -> Saved:
    """Put the cells of `notebook` before what the object needs of others; return what is saved then.

    They run when the object is loaded. Lines that are not Python (magics, shell) stay out.
    """
    if not notebook.cells:
        return saved
    file = saved.artifact.get("definitions") or "definitions.py"
    path = os.path.join(saved.folder, file)
    rest = "".join(saved.sources())
    head = "from __future__ import annotations\n"
    cells = [
        f"# Cell {cell.number}, tagged {SERVE_TAG!r}.\n{_python_of(cell.source)}\n"
        for cell in notebook.cells
    ]
    with open(path, "w", encoding="utf-8") as out:
        out.write("\n".join([head, *cells, rest.replace(head, "", 1)]))
    artifact = {**saved.artifact, "definitions": file}
    with open(os.path.join(saved.folder, "artifact.json"), "w", encoding="utf-8") as out:
        json.dump(artifact, out, indent=1, sort_keys=True)
    return replace(saved, artifact=artifact)


def _python_of(source: str) -> str:
    lines = source.splitlines()
    return "\n".join(line for line in lines if not line.lstrip().startswith(("%", "!")))


def snapshot(
    record: Mapping[str, Any],
    *,
    saved: Saved,
    trial: Trial,
    notebook: Notebook,
    options: CaptureOptions,
    packages: tuple[str, ...] = (),
    store: Store,
    emit: Emit = ignore,
) -> Snapshot:
    """Return the snapshot for serving `saved`, which the kernel of `record` made.

    `packages` are names of distributions that the user wants as well, with what they require.
    Errors: those of the parts, `package-not-installed`; independent ones are raised together.
    """
    return _Capture(record, saved, trial, notebook, options, packages, store, emit).snapshot()


@dataclass
class _Capture:
    record: Mapping[str, Any]
    saved: Saved
    trial: Trial
    notebook: Notebook
    options: CaptureOptions
    packages: tuple[str, ...]
    store: Store
    emit: Emit
    findings: list[Finding] = field(default_factory=list)

    def __post_init__(self) -> None:
        # What the fresh process told, where the shared parts look for what a kernel told.
        facts = self.trial.facts
        told = {key: facts[key] for key in ("modules", "opens", "maps", "commands")}
        self.record = {**self.record, **told, "env_read": []}
        self.interpreter = from_json(Interpreter, self.record["python"])
        self.installed = Environment(self.interpreter.sys_path)
        self.cache = os.path.join(self.store.root, "cache")
        self.hashes = Hashes(self.cache)
        self.findings += self.saved.findings
        record = self.record
        self.folders = tuple(
            dict.fromkeys((self.notebook.folder, record["cwd"], record["initial_cwd"]))
        )
        self.places = Places(
            interpreter=self.interpreter, environment=self.installed, folders=self.folders
        )
        self.facts = self._facts()

    def snapshot(self) -> Snapshot:
        self._step("packages", 0)
        found = needs.find(
            modules=modules_of(self.record),
            baseline=frozenset(row[0] for row in self.record["modules"] if not row[4]),
            cell_of_seq=self.facts.cell_of_seq,
            named=self.facts.imports,
            places=self.places,
            environment=self.installed,
            include=self.options.include,
            guarded=self.facts.guarded,
        )
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
        artifact = self._artifact()
        self._secrets(code, data)
        variables, about_variables = environment.find(
            self.record, named=self.facts.variables, asked=self.options.environment
        )
        self.findings += about_variables
        self.hashes.save()
        self._step("everything", _STEPS)
        machine = self.record["platform"]
        return Snapshot(
            notebook=self.notebook,
            interpreter=self.interpreter,
            platform=Platform.of_machine(machine["system"], machine["machine"]),
            distributions=packages,
            local_code=code,
            data_files=data,
            libraries=outside.libraries,
            executables=tuple(
                replace(one, reasons=_said(one.reasons)) for one in outside.executables
            ),
            system_files=outside.system_files,
            system_packages=outside.system_packages,
            environment=tuple(replace(one, reasons=_said(one.reasons)) for one in variables),
            findings=tuple(dict.fromkeys(self.findings)),
            cwd=self.record["initial_cwd"],
            artifact=artifact,
            created_at=self.record["created_at"],
            host=self.record["host"],
        )

    def _step(self, item: str, done: int) -> None:
        self.emit(Progress("capture", item, done, _STEPS, "steps"))

    def _facts(self) -> CellFacts:
        """Return what the object's own code names, as facts of one cell."""
        named = syntax.names_of(*self.saved.sources())
        modules = dict.fromkeys((*named.modules, *named.members), frozenset({_OBJECT}))
        folder = self.record["initial_cwd"]
        paths = {os.path.normpath(os.path.join(folder, path)) for path in named.paths}
        called = [
            (one["resolved"] or one["argv"][0], Reason(ReasonKind.CALLED, _BY))
            for one in self.record["commands"]
            if one["argv"]
        ]
        return CellFacts(
            cell_of_seq={1: _OBJECT},
            imports=modules,
            paths={path: frozenset({_OBJECT}) for path in sorted(paths) if os.path.lexists(path)},
            variables=dict.fromkeys(named.variables, frozenset({_OBJECT})),
            commands=tuple(dict.fromkeys(called)),
            written=frozenset(),
            unwatched=frozenset({_OBJECT}),
            guarded=frozenset(named.guarded),
        )

    def _distributions(self, found: needs.Needs) -> tuple[Distribution, ...]:
        chosen = serving_needs.choose(
            found,
            record=self.record,
            environment=self.installed,
            interpreter=self.interpreter,
            packages=self.packages,
            gains=serving_needs.gains_of(self.saved.artifact["signature"]),
        )
        self.findings += chosen.findings
        described = []
        used = trimming.used_files(self.record["modules"], self.record["opens"])
        used |= frozenset(self.record["maps"])
        unneeded = self.saved.artifact.get("unneeded", ())
        compiles = bool(self.record["commands"])
        for key, one in sorted(chosen.chosen.items()):
            package, odd = distributions.describe(
                one,
                interpreter=self.interpreter,
                hashes=self.hashes,
                requires=chosen.requires.get(key, ()),
                reasons=_said(chosen.reasons[key]),
                unlisted=tuple(sorted(found.extra_files.get(one, ()))),
            )
            described.append(
                trimming.trimmed(package, used=used, compiles=compiles, unneeded=unneeded)
            )
            self.findings += odd
        return tuple(described)

    def _local_code(self, found: needs.Needs) -> tuple[LocalCode, ...]:
        code, findings = local_code.collect(
            found.local.values(),
            reasons=found.local_reasons,
            hashes=self.hashes,
            limit_bytes=self.options.max_file_bytes,
            include=self.options.include,
        )
        self.findings += findings
        return tuple(replace(one, reasons=_said(one.reasons)) for one in code)

    def _data(
        self, code: tuple[LocalCode, ...]
    ) -> tuple[tuple[DataFile, ...], tuple[ContainerizeError, ...]]:
        interpreter = self.interpreter
        local = {entry.path for one in code for entry in one.files}
        owners, places = self.installed.owners, self.places
        data, findings, problems = data_files.collect(
            opens_of(self.record),
            cell_of_seq=self.facts.cell_of_seq,
            named=self.facts.paths,
            unwatched=self.facts.unwatched,
            rules=data_rules.Rules(
                folders=self.folders,
                home=interpreter.home,
                notebook=self.notebook.path,
                prefixes=(interpreter.prefix, interpreter.base_prefix),
                owned=lambda path: (
                    path in local
                    or path in owners
                    or places.is_standard_file(path)
                    or places.is_site_state(path)
                ),
                state=(os.path.dirname(self.cache), self.saved.folder, _package_folder()),
            ),
            hashes=self.hashes,
            include=self.options.include,
            mounts=self.options.mounts,
            max_file_bytes=self.options.max_file_bytes,
        )
        self.findings += findings
        return tuple(replace(one, reasons=_said(one.reasons)) for one in data), problems

    def _artifact(self) -> Artifact:
        """Return the artifact with its files as they lie in the image."""
        folder, saved = self.saved.folder, self.saved.artifact
        entries = []
        for item in disk.walk(folder, keep=lambda _path, _name, _is_folder: True):
            if item.is_file(follow_symlinks=False):
                found = disk.hashed(item.path)
                place = f"{ARTIFACT_FOLDER}/{os.path.relpath(item.path, folder)}"
                entries.append(replace(found, path=place, executable=False))
        framework = saved.get("framework") or {}
        return Artifact(
            name=saved["name"],
            expression=self.saved.expression,
            adapter=saved["adapter"],
            framework=framework.get("name", ""),
            framework_version=framework.get("version", ""),
            files=tuple(sorted(entries, key=lambda entry: entry.path)),
            signature=saved["signature"],
            folder=folder,
        )

    def _secrets(self, code: tuple[LocalCode, ...], data: tuple[DataFile, ...]) -> None:
        files = [entry for one in code for entry in one.files]
        files += [entry for one in data for entry in one.files]
        own = (self.saved.artifact.get("definitions"), "artifact.json", "examples.json")
        files += [disk.hashed(os.path.join(self.saved.folder, name)) for name in own if name]
        self.findings += secrets.scan(
            cells=self.notebook.cells,
            texts=(),
            files=files,
            allow=self.options.allow_secrets,
        )


def _package_folder() -> str:
    return os.path.dirname(os.path.dirname(os.path.abspath(__file__)))


def _said(reasons: Iterable[Reason]) -> tuple[Reason, ...]:
    """Return reasons that name the served object where the shared parts say `cell 0`."""
    return tuple(sorted({replace(one, by=_BY) if one.by == _BY_CELL else one for one in reasons}))
