"""Which distributions and local modules the chosen cells need, and why.

A module is needed when a chosen cell loaded it and a fresh kernel does not have it, when a
chosen cell or a needed local module names it, or when the guest needs it. Modules are
mapped to distributions by their file, never by their name.
"""

from __future__ import annotations

import os
import shlex
from collections.abc import Collection, Iterable, Mapping
from dataclasses import dataclass, field

from ..errors import ContainerizeError
from ..model.reasons import Reason, ReasonKind
from .disk import inside
from .installed import Environment, Installed
from .places import Place, Places, archive_of
from .record_view import Module
from .source_imports import imports_of_file

_OURS = "jupyter_containerize"


@dataclass(frozen=True)
class LocalModule:
    """A module of the user's own: `root` is the folder that its name starts from.

    `owner` is the editable install it belongs to, if any.
    """

    name: str
    file: str
    root: str
    is_package: bool = False
    owner: Installed | None = None


@dataclass
class Needs:
    """What was found: direct reasons and, apart, the cells that merely caused it to be loaded."""

    named: dict[Installed, set[Reason]] = field(default_factory=dict)
    loaded: dict[Installed, set[Reason]] = field(default_factory=dict)
    local: dict[str, LocalModule] = field(default_factory=dict)
    local_reasons: dict[str, set[Reason]] = field(default_factory=dict)
    extra_files: dict[Installed, set[str]] = field(default_factory=dict)
    problems: list[ContainerizeError] = field(default_factory=list)

    @property
    def roots(self) -> tuple[Installed, ...]:
        """The distributions needed by themselves, without what they require."""
        return tuple({**self.named, **self.loaded})

    def add_project(self, project: Installed, places: Places, reasons: Iterable[Reason]) -> None:
        """Add the packages of an editable install that is required but was never loaded."""
        if any(module.owner is project for module in self.local.values()):
            return
        for name, file, root in places.project_modules(project):
            is_package = file.endswith("/__init__.py")
            self.local.setdefault(name, LocalModule(name, file, root, is_package, project))
            self.local_reasons.setdefault(name, set()).update(reasons)


def find(
    *,
    modules: Mapping[str, Module],
    baseline: Collection[str],
    cell_of_seq: Mapping[int, int],
    named: Mapping[str, Collection[int]],
    places: Places,
    environment: Environment,
    written: Collection[str] = (),
    before_watch: bool = False,
    static: bool = False,
    include: Iterable[str] = (),
    programs: Iterable[tuple[str, Reason]] = (),
    guarded: Collection[str] = (),
) -> Needs:
    """Return what the chosen cells need.

    `cell_of_seq` maps an execution to the chosen cell it ran (others are absent), `named`
    the dotted modules that cells name to the cells' numbers, `baseline` are the modules of a
    fresh kernel. `before_watch` says that cells ran before the probe was there: what was
    loaded then counts, whoever did it. `written` are files that cells make themselves: no
    local code, though they may be imported. `programs` are the files that cells call as
    commands: a script of a distribution (`!jupyter`) brings that distribution. `guarded` are
    modules that cells can do without. Problems: `import-without-distribution`.
    """
    search = _Search(
        modules=modules,
        baseline=frozenset(baseline),
        places=places,
        environment=environment,
        written=frozenset(written),
        include=tuple(include),
        static=static,
        guarded=frozenset(guarded),
    )
    for name, cells in sorted(named.items()):
        for cell in sorted(cells):
            search.name(name, cell=cell)
    for module in modules.values():
        if module.name in search.baseline or module.top_level == _OURS:
            continue
        if module.seq in cell_of_seq:
            search.load(module, Reason.cell(ReasonKind.IMPORTED, cell_of_seq[module.seq]))
        elif module.seq == 0 and before_watch:
            search.load(module, Reason(ReasonKind.IMPORTED, "the kernel"))
    for path, reason in programs:
        owner = environment.owners.get(path)
        if owner is not None:
            search.needs.named.setdefault(owner, set()).add(reason)
    search.follow_local_code()
    return search.needs


@dataclass
class _Search:
    modules: Mapping[str, Module]
    baseline: frozenset[str]
    places: Places
    environment: Environment
    written: frozenset[str]
    include: tuple[str, ...]
    static: bool
    guarded: frozenset[str]
    needs: Needs = field(default_factory=Needs)
    _followed: set[str] = field(default_factory=set)
    _complained: set[str] = field(default_factory=set)

    def name(self, dotted: str, *, cell: int | None = None, by: str = "") -> None:
        """Add the module that a cell, or the local module `by`, names."""
        by_cell = cell is not None
        module = self._loaded(dotted)
        if module is not None:
            fresh = module.name not in self.baseline
            kind = ReasonKind.IMPORTED if fresh or not by_cell else ReasonKind.NAMED
            self._add(module, _reason(kind, cell, by), named=True)
            return
        reason = _reason(ReasonKind.NAMED if by_cell else ReasonKind.IMPORTED, cell, by)
        owners = self._providers(dotted)
        for owner in owners:
            self.needs.named.setdefault(owner, set()).add(reason)
        if owners or self.places.is_standard(dotted):
            return
        local = self.places.local_module(dotted)
        if local:
            file, root = local
            is_package = file.endswith("/__init__.py")
            self._add_local(LocalModule(dotted.partition(".")[0], file, root, is_package), reason)
        elif self.static and by_cell and dotted not in self.guarded:
            self._complain(dotted, reason, "")

    def load(self, module: Module, reason: Reason) -> None:
        """Add a module that a chosen cell caused to be loaded."""
        self._add(module, reason, named=False)

    def follow_local_code(self) -> None:
        """Add what local modules name, and what those local modules name, and so on."""
        while pending := [name for name in self.needs.local if name not in self._followed]:
            for name in sorted(pending):
                self._followed.add(name)
                module = self.needs.local[name]
                package = name if module.is_package else name.rpartition(".")[0]
                for dotted in imports_of_file(module.file, package=package):
                    self.name(dotted, by=name)

    def _loaded(self, dotted: str) -> Module | None:
        """Return the loaded module that `dotted` (maybe `package.attribute`) leads to."""
        while dotted:
            module = self.modules.get(dotted)
            if module is not None:
                return module if module.file else None
            dotted = dotted.rpartition(".")[0]
        return None

    def _add(self, module: Module, reason: Reason, *, named: bool) -> None:
        if not module.file:
            return
        place, owner = self.places.of(module)
        if place is Place.DISTRIBUTION and owner is not None:
            where = self.needs.named if named else self.needs.loaded
            where.setdefault(owner, set()).add(reason)
            if module.file not in self.environment.owners:
                self.needs.extra_files.setdefault(owner, set()).add(module.file)
        elif place is Place.STRAY and named:
            self._complain(module.name, reason, module.file)
        elif place in (Place.LOCAL, Place.STRAY):
            self._add_local(self._local(module), reason)

    def _local(self, module: Module) -> LocalModule:
        archive = archive_of(module.file)
        if archive:
            folder, _, name = archive.rpartition("/")
            return LocalModule(name.partition(".")[0], archive, folder)
        owner = self.places.editable_owner(module)
        root = self.places.root_of(module)
        return LocalModule(module.name, module.file, root, bool(module.search), owner)

    def _add_local(self, module: LocalModule, reason: Reason) -> None:
        if module.file in self.written:
            return
        self.needs.local.setdefault(module.name, module)
        self.needs.local_reasons.setdefault(module.name, set()).add(reason)
        if module.owner is not None:
            self.needs.named.setdefault(module.owner, set()).add(reason)

    def _providers(self, dotted: str) -> tuple[Installed, ...]:
        """Return the distributions whose files make `dotted` importable, though nobody did."""
        top_level = dotted.partition(".")[0]
        candidates = self.environment.import_names.get(top_level, ())
        while "." in dotted:
            found = [one for one in candidates if _has(one, dotted)]
            if found:
                return tuple(found)
            dotted = dotted.rpartition(".")[0]
        whole = [one for one in candidates if _has(one, top_level, namespace=False)]
        return tuple(whole[:1])

    def _complain(self, name: str, reason: Reason, file: str) -> None:
        top_level = name.partition(".")[0]
        if top_level in self._complained or any(inside(file, path) for path in self.include):
            return
        self._complained.add(top_level)
        self.needs.problems.append(_without_distribution(top_level, reason, file))


def _reason(kind: ReasonKind, cell: int | None, by: str) -> Reason:
    return Reason(kind, by) if cell is None else Reason.cell(kind, cell)


def _has(installed: Installed, dotted: str, *, namespace: bool = True) -> bool:
    """Whether a distribution has the module or package; a bare folder only if `namespace`."""
    base = f"{installed.location}/{dotted.replace('.', '/')}"
    starts = (f"{base}/",) if namespace else (f"{base}/__init__.",)
    return any(row.path.startswith((f"{base}.", *starts)) for row in installed.file_list.rows)


def _without_distribution(name: str, reason: Reason, file: str) -> ContainerizeError:
    where = reason.by[0].upper() + reason.by[1:]
    if not file:
        return ContainerizeError(
            "import-without-distribution",
            what=f"{where} imports {name!r}, which is not installed.",
            why="No distribution on the kernel's path provides it, and no file of yours is it.",
            fix=f"Install what provides it (pip install {name}?), or tag the cell `skip`.",
        )
    if not os.path.exists(file):
        return ContainerizeError(
            "import-without-distribution",
            what=f"{where} imports {name!r}, which is no longer there.",
            why=f"It was loaded from {file}, and removed since.",
            fix=f"Install it again (pip install {name}?), restart the kernel, and run the cells.",
        )
    return ContainerizeError(
        "import-without-distribution",
        what=f"{where} imports {name!r}, which no installed distribution provides.",
        why=f"It was loaded from {file}, among installed packages, but none of them lists that file.",
        fix=f"Install it as a package, move it beside the notebook, or add --include {shlex.quote(file)}",
    )
