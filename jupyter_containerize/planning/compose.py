"""`plan`: a snapshot becomes an image plan."""

from __future__ import annotations

import base64
import posixpath
from collections.abc import Iterable, Iterator

from ..errors import ContainerizeError
from ..model.artifact import Artifact
from ..model.files import FileEntry, FileKind
from ..model.options import PlanOptions
from ..model.plan import (
    ARTIFACT_FOLDER,
    GUEST_CONFIG_FILE,
    GUEST_FOLDER,
    NOTEBOOK_FILE,
    ROOT,
    SBOM_FILE,
    BaseKind,
    BinaryContent,
    Entry,
    FileContent,
    FolderContent,
    ImagePlan,
    InlineContent,
    LayerKind,
    LayerPlan,
)
from ..model.reference import Reference
from ..model.snapshot import Distribution, NativeLibrary, Snapshot, SystemGroup
from . import loader_cache
from .check import check_paths
from .config import created, image_config, writable_folders
from .contents import Sorted, kept_entries, sort_files
from .folders import parents, with_own_folders
from .layers import group, layer
from .links import prefix_links
from .notebook import guest_config_text, notebook_text
from .placement import SITE_FOLDERS, Placement
from .rebase import base_entries, brought_libraries, moves_onto, onto, scripts
from .sbom import sbom_text
from .system import NOT_COPIED, system_entries


def plan(snapshot: Snapshot, options: PlanOptions) -> ImagePlan:
    """Return everything that the image of `snapshot` will contain. Pure; opens nothing.

    The same snapshot and options give an equal plan on any day and machine.
    Errors: `platform-not-linux`, `invalid-reference`, `invalid-creation-date`,
    `path-conflict`, `path-not-allowed`.
    """
    _check_platform(snapshot, options)
    digest = options.snapshot_digest or snapshot.digest()
    date = created(options.created)
    if options.name:
        name = str(Reference.parse(options.name))
    else:
        name = str(Reference.from_title(_title(snapshot)))
    composer = _Composer(snapshot, options)
    return ImagePlan(
        kind=options.kind,
        name=name,
        platform=composer.snapshot.platform,
        base=options.base,
        layers=composer.layers(),
        config=image_config(
            composer.snapshot, options, name=name, date=date, snapshot_digest=digest
        ),
        snapshot_digest=digest,
        interpreter=snapshot.interpreter.executable,
        pyc_magic=snapshot.interpreter.pyc_magic,
        created=date,
        findings=snapshot.findings,
    )


def _title(snapshot: Snapshot) -> str:
    """Return the notebook's name, with the served object's behind it."""
    title = posixpath.splitext(snapshot.notebook.name)[0]
    return f"{title}-{snapshot.artifact.name}" if snapshot.artifact else title


class _Composer:
    """Collects one snapshot's entries layer by layer."""

    def __init__(self, snapshot: Snapshot, options: PlanOptions) -> None:
        links = (entry for entry in _all_files(snapshot) if entry.kind is FileKind.SYMLINK)
        base = options.base_image
        moves = None if base is None else moves_onto(snapshot, base)
        self._placement = Placement(snapshot, links, moves=moves)
        #: The snapshot as its base lets it be.
        self.snapshot = snapshot if base is None else onto(snapshot, base, self._placement)
        self._snapshot = self.snapshot
        self._options = options
        self._cache_tag = snapshot.interpreter.cache_tag
        self._layers: list[tuple[LayerPlan, set[str]]] = []
        self._targets: set[str] = set()
        self._folders: set[str] = set()
        self._links: dict[str, Entry] = {}
        self._private: dict[str, Entry] = {}

    def layers(self) -> tuple[LayerPlan, ...]:
        """Return all layers, lowest first, without empty ones."""
        self._system()
        self._libraries()
        self._programs()
        for members in group(self._snapshot.distributions, self._options.max_layers):
            entries: dict[str, Entry] = {}
            for distribution in members.distributions:
                entries.update(self._distribution(distribution))
            names = [f"{d.name} {d.version}" for d in members.distributions]
            self._add(members.kind, members.title, entries, names)
        self._local_code()
        self._data()
        self._guest()
        self._add_links()
        if self._snapshot.artifact is None:
            self._notebook()
        else:
            self._artifact(self._snapshot.artifact)
        layers = with_own_folders(
            self._layers,
            roots=writable_folders(self._snapshot),
            kept_prefixes=self._placement.kept_prefixes,
        )
        check_paths(layers, targets=self._targets, folders=self._folders)
        return layers

    def _add(
        self, kind: LayerKind, title: str, entries: dict[str, Entry], contains: Iterable[str]
    ) -> None:
        """Add a layer of those entries that no layer below has."""
        fresh = {path: entry for path, entry in entries.items() if path not in self._targets}
        if fresh:
            self._targets.update(fresh)
            folders = parents(fresh)
            self._folders |= folders
            self._layers.append((layer(kind, title, fresh, sorted(set(contains))), folders))

    def _shared(self, found: Sorted) -> dict[str, Entry]:
        """Put aside what may not be in a shared layer, and return the rest."""
        self._links.update(found.links)
        for target, entry in found.private.items():
            self._private.setdefault(target, entry)
        return found.shared

    def _system(self) -> None:
        entries: dict[str, Entry] = {}
        contains = []
        for files in self._snapshot.system_files:
            if files.group is SystemGroup.TOOLS:
                continue
            tag = self._cache_tag if files.group is SystemGroup.STDLIB else ""
            copied = [entry for entry in files.files if entry.path not in NOT_COPIED]
            found = sort_files(copied, self._placement, bytecode=files.bytecode, cache_tag=tag)
            entries.update(self._shared(found))
            contains.append(files.group.value)
        for library in self._snapshot.libraries if self._options.base_image is None else ():
            if self._is_interpreters(library):
                entries.update(self._shared(sort_files(library.files, self._placement)))
                contains.append(library.soname)
        title = f"Python {self._snapshot.interpreter.version} and system files"
        self._add(LayerKind.BASE, title, entries, contains)

    def _libraries(self) -> None:
        if self._options.base_image is not None:
            names = [library.soname for library in self._snapshot.libraries]
            title = "shared libraries that the base lacks"
            self._add(LayerKind.LIBRARIES, title, brought_libraries(self._snapshot), names)
            return
        entries: dict[str, Entry] = {}
        libraries = [one for one in self._snapshot.libraries if not self._is_interpreters(one)]
        for library in libraries:
            entries.update(self._shared(sort_files(library.files, self._placement)))
        names = [library.soname for library in libraries]
        self._add(LayerKind.LIBRARIES, "shared libraries", entries, names)

    def _is_interpreters(self, library: NativeLibrary) -> bool:
        """Tell whether a library lies in a moved prefix (libpython): it changes with Python."""
        return self._placement.folder(posixpath.dirname(library.path)).moved is not None

    def _programs(self) -> None:
        entries: dict[str, Entry] = {}
        for files in self._snapshot.system_files:
            if files.group is SystemGroup.TOOLS:
                entries.update(self._shared(sort_files(files.files, self._placement)))
        for program in self._snapshot.executables:
            entries.update(self._shared(sort_files(program.files, self._placement)))
        names = [program.name for program in self._snapshot.executables]
        tools = SystemGroup.TOOLS.value
        self._add(LayerKind.LIBRARIES, "programs", entries, [*names, tools])

    def _distribution(self, distribution: Distribution) -> dict[str, Entry]:
        found = sort_files(
            distribution.files,
            self._placement,
            bytecode=distribution.bytecode,
            cache_tag=self._cache_tag,
        )
        return self._shared(found)

    def _local_code(self) -> None:
        entries: dict[str, Entry] = {}
        for code in self._snapshot.local_code:
            entries.update(kept_entries(code.files, self._placement, cache_tag=self._cache_tag))
        for target, entry in self._private.items():
            entries.setdefault(target, entry)
        names = [code.name for code in self._snapshot.local_code]
        self._add(LayerKind.LOCAL_CODE, "local code", entries, names)

    def _data(self) -> None:
        entries: dict[str, Entry] = {}
        for data in self._snapshot.data_files:
            entries.update(kept_entries(data.files, self._placement))
        names = [data.given or data.path for data in self._snapshot.data_files]
        self._add(LayerKind.DATA, "data files", entries, names)

    def _guest(self) -> None:
        guest = self._options.guest
        entries = dict(_inline(f"{GUEST_FOLDER}/{name}", guest[name]) for name in guest)
        self._add(LayerKind.GUEST, "the guest", entries, guest)

    def _add_links(self) -> None:
        snapshot = self._snapshot
        base = self._options.base_image
        if base is None:
            entries = {
                **system_entries(snapshot, present=self._targets),
                **_loader_cache(snapshot),
            }
        else:
            entries = base_entries(snapshot, base)
        entries.update([_inline(SBOM_FILE, sbom_text(snapshot))])
        # Python leaves a site folder that is not there out of sys.path.
        for site in snapshot.interpreter.sys_path:
            if posixpath.basename(site) in SITE_FOLDERS:
                target = self._placement.folder(site).target
                entries[target] = Entry(target, FolderContent(), 0o755)
        entries.update(self._links if base is None else scripts(self._links))
        targets = [*self._targets, *entries]
        occupied = [target for target in targets if not target.startswith(f"{ROOT}/")]
        occupied += writable_folders(snapshot)
        links = prefix_links(self._placement.linked(), targets=targets, occupied=occupied)
        entries.update(links)
        self._add(LayerKind.LINKS, "links, package lists and users", entries, links)

    def _notebook(self) -> None:
        snapshot = self._snapshot
        config = guest_config_text(snapshot, kind=self._options.kind, mounts=self._options.mounts)
        entries = dict(
            [_inline(NOTEBOOK_FILE, notebook_text(snapshot)), _inline(GUEST_CONFIG_FILE, config)]
        )
        self._add(LayerKind.NOTEBOOK, "cells", entries, [snapshot.notebook.name])

    def _artifact(self, artifact: Artifact) -> None:
        config = guest_config_text(
            self._snapshot, kind=self._options.kind, mounts=self._options.mounts
        )
        entries = dict([_inline(GUEST_CONFIG_FILE, config)])
        for entry in artifact.files:
            place = posixpath.relpath(entry.path, ARTIFACT_FOLDER)
            source = posixpath.join(artifact.folder, place)
            content = FileContent(source, entry.size_bytes, entry.mtime_ns, entry.sha256)
            entries[entry.path] = Entry(entry.path, content)
        self._add(LayerKind.ARTIFACT, f"artifact {artifact.name}", entries, [artifact.name])


def _loader_cache(snapshot: Snapshot) -> dict[str, Entry]:
    path = "/etc/ld.so.cache"
    cache = loader_cache.write(
        loader_cache.entries(snapshot.libraries), architecture=snapshot.platform.architecture
    )
    return {path: Entry(path, BinaryContent(base64.b64encode(cache).decode()))} if cache else {}


def _inline(path: str, text: str) -> tuple[str, Entry]:
    return path, Entry(path, InlineContent(text))


def _all_files(snapshot: Snapshot) -> Iterator[FileEntry]:
    for group_of_files in snapshot.system_files:
        yield from group_of_files.files
    for library in snapshot.libraries:
        yield from library.files
    for program in snapshot.executables:
        yield from program.files
    for distribution in snapshot.distributions:
        yield from distribution.files
    for code in snapshot.local_code:
        yield from code.files
    for data in snapshot.data_files:
        yield from data.files


def _check_platform(snapshot: Snapshot, options: PlanOptions) -> None:
    if snapshot.platform.os != "linux" and options.base.kind is BaseKind.HOST:
        raise ContainerizeError(
            "platform-not-linux",
            what=f"This kernel runs on {snapshot.platform.os}; its files make no Linux container.",
            why=(
                "Base `host` is made from the running interpreter and its libraries. Capturing, "
                "`inspect` and `plan` of the notebook's packages, files and cells work here; "
                "building with base `host` and the sandbox do not."
            ),
            fix="Start the kernel on Linux (WSL 2, a virtual machine, Binder) and build there.",
        )
