"""`--base`: the image under ours is found, pulled, examined, and held against the snapshot."""

from __future__ import annotations

import os
import platform as machine
from collections.abc import Iterator, Mapping
from dataclasses import dataclass, replace

from ..capture import elf, other_platform
from ..errors import ContainerizeError
from ..model.base import BaseImage
from ..model.event import Emit
from ..model.files import FileKind
from ..model.plan import Base, BaseKind
from ..model.platform import Platform
from ..model.reasons import Finding, ReasonKind, Severity
from ..model.reference import Reference
from ..model.snapshot import NativeLibrary, Snapshot
from ..oci import bases
from ..oci.base_facts import examine
from ..oci.layout_source import LayoutSource
from ..oci.store import Store
from ..oci.tree import Tree
from .steps import step

HOST = ("", "host")
_LAYOUT = "oci:"
#: Debian's releases by their glibc: what official images of Python are built on.
_DEBIANS = (((2, 28), "buster"), ((2, 31), "bullseye"), ((2, 36), "bookworm"), ((2, 41), "trixie"))
_SHOWN = 5


@dataclass(frozen=True, slots=True)
class ChosenBase:
    """A base for one platform; without `image` it is `host`."""

    platform: Platform
    image: BaseImage | None = None

    @property
    def base(self) -> Base:
        """The base as plans name it."""
        return Base() if self.image is None else self.image.base


def of_machine() -> Platform:
    """Return the platform that images of this machine's kernels are for, unless told otherwise."""
    return replace(Platform.of_machine(machine.system(), machine.machine()), os="linux")


def choose(
    text: str, *, platform: Platform | None = None, refresh: bool, store: Store, emit: Emit
) -> ChosenBase:
    """Return the base that a word means, pulled if it is not here (or if `refresh`).

    Errors: `base-host-other-platform`, `base-without-python`, `base-without-glibc`; those of
    `oci.bases.pull` and of registries.
    """
    wanted = platform or of_machine()
    if text in HOST:
        if wanted != of_machine():
            raise ContainerizeError(
                "base-host-other-platform",
                what=f"Base `host` cannot serve {wanted}.",
                why=f"It is made of this machine's own files, which are for {of_machine()}.",
                fix=f"Name a base that is there for {wanted}: --base python:3.11-slim",
            )
        return ChosenBase(wanted)
    kind = BaseKind.LAYOUT if text.startswith(_LAYOUT) else BaseKind.REGISTRY
    with step(emit, bases.STEP, f"Looking at the base {text}") as summary:
        pulled = None if refresh or kind is BaseKind.LAYOUT else bases.known(store, text, wanted)
        summary.text = "in the store already"
        if pulled is None:
            pulled = bases.pull(_source(text), text, wanted, store=store, emit=emit)
            summary.text = f"{sum(one.size_bytes for one in pulled.layers) / 1e6:,.1f} MB"
        tree = Tree([store.blob_path(layer.digest) for layer in pulled.layers])
        base = Base(kind, text, pulled.digest)
        image = examine(tree, pulled.config, base=base, platform=wanted)
        summary.text += f", Python {image.python_version}, glibc {image.glibc}"
    return ChosenBase(wanted, image)


def _source(text: str) -> bases.Source:
    if not text.startswith(_LAYOUT):
        from ..oci.registry.source import RegistrySource  # noqa: PLC0415 - needs an extra

        return RegistrySource.open(Reference.parse(text))
    path = text.removeprefix(_LAYOUT)
    folder, _, tag = path.rpartition(":")
    if folder and not os.path.isdir(path):
        return LayoutSource(folder, tag)
    return LayoutSource(path)


def fitted(snapshot: Snapshot, chosen: ChosenBase, *, store: Store, emit: Emit) -> Snapshot:
    """Return the snapshot as it goes onto its base, with findings on what that lacks.

    For another platform than the kernel's, its distributions are fetched from the index.
    Errors, together where independent: `base-python-differs`, `base-glibc-too-old`,
    `base-not-for-conda`; those of `capture.other_platform`.
    """
    base = chosen.image
    if base is None:
        return snapshot
    problems = [one for one in (_python(snapshot, base), _conda(snapshot, base)) if one]
    if problems:
        raise ContainerizeError.together(problems)
    same = snapshot.platform == base.platform
    if not same:
        with step(emit, "resolve", f"Finding the packages for {base.platform}") as summary:
            cache = os.path.join(store.root, "cache")
            snapshot = other_platform.for_platform(snapshot, base, cache=cache)
            count = sum(bool(one.origin.hashes) for one in snapshot.distributions)
            summary.text = f"{count} of {len(snapshot.distributions)} fetched as wheels"
    if (problem := _glibc(snapshot, base)) is not None:
        raise problem
    brought, left = _libraries(snapshot, base, same=same)
    found = (*_of_libraries(base, brought, left), *_programs(snapshot, base))
    return replace(snapshot, libraries=tuple(brought), findings=(*snapshot.findings, *found))


def _python(snapshot: Snapshot, base: BaseImage) -> ContainerizeError | None:
    minor = _minor(snapshot)
    if minor == base.python_version:
        return None
    return ContainerizeError(
        "base-python-differs",
        what=f"The kernel's Python is {minor}, that of the base {base.name} is {base.python_version}.",
        why="Packages are made for one minor version of Python; another cannot import them.",
        fix=f"Choose a base with Python {minor}, such as {_suggestion(snapshot, (0, 0))}; "
        "or --base host.",
    )


def _conda(snapshot: Snapshot, base: BaseImage) -> ContainerizeError | None:
    if not snapshot.interpreter.conda:
        return None
    return ContainerizeError(
        "base-not-for-conda",
        what=f"A conda environment cannot lie on the base {base.name}.",
        why="Its packages are linked with conda's own libraries, at conda's own path.",
        fix="Use --base host: it carries all of them.",
    )


def _glibc(snapshot: Snapshot, base: BaseImage) -> ContainerizeError | None:
    needed, by = (0, 0), ""
    for name, path in _binaries(snapshot):
        wants = elf.glibc_needed(path)
        if wants > needed:
            needed, by = wants, name
    if needed <= _version(base.glibc):
        return None
    wanted = ".".join(map(str, needed))
    return ContainerizeError(
        "base-glibc-too-old",
        what=f"{by} needs glibc {wanted}; the base {base.name} has glibc {base.glibc}.",
        why="A program cannot start with an older C library than it was built for.",
        fix=f"Choose a newer base, such as {_suggestion(snapshot, needed)}; or --base host.",
    )


def _version(text: str) -> tuple[int, int]:
    major, _, minor = text.partition(".")
    return int(major), int(minor)


def _suggestion(snapshot: Snapshot, needed: tuple[int, int]) -> str:
    names = [name for glibc, name in _DEBIANS if glibc >= max(needed, (2, 36))]
    return f"python:{_minor(snapshot)}-slim{f'-{names[0]}' if names else ''}"


def _minor(snapshot: Snapshot) -> str:
    return ".".join(snapshot.interpreter.version.split(".")[:2])


def _binaries(snapshot: Snapshot) -> Iterator[tuple[str, str]]:
    """Yield what may be programs or libraries among the packages' files, with whose they are."""
    for distribution in snapshot.distributions:
        for entry in distribution.files:
            if entry.kind is FileKind.FILE and elf.plausible(
                entry.path, executable=entry.executable
            ):
                yield f"{distribution.name} {distribution.version}", entry.path
    for code in snapshot.local_code:
        for entry in code.files:
            if entry.kind is FileKind.FILE and elf.plausible(entry.path, executable=False):
                yield code.name, entry.path


def _libraries(
    snapshot: Snapshot, base: BaseImage, *, same: bool
) -> tuple[list[NativeLibrary], dict[str, str]]:
    """Return the libraries to bring, and those that cannot come, with whose they are.

    Brought are the ones that the packages need or the kernel opened and the base lacks, with what
    they need in turn: this machine's own files, if the base is for the same platform (`same`) and its
    glibc is new enough for them.
    """
    here = {library.soname: library for library in snapshot.libraries}
    files = list(_binaries(snapshot))
    own = {os.path.basename(path) for _, path in files}
    wanted = {
        one.soname: reason.by
        for one in snapshot.libraries
        for reason in one.reasons
        if reason.kind is ReasonKind.MAPPED
    }
    for name, path in files:
        facts = elf.read(path)
        wanted |= dict.fromkeys(facts.needed if facts is not None else (), name)
    brought: dict[str, NativeLibrary] = {}
    left: dict[str, str] = {}
    while wanted:
        soname, by = wanted.popitem()
        known = soname in own or soname in base.libraries or soname in brought or soname in left
        library = here.get(soname)
        if known or library is None:
            continue
        if not same or elf.glibc_needed(library.path) > _version(base.glibc):
            left[soname] = by
            continue
        brought[soname] = library
        facts = elf.read(library.path)
        wanted |= dict.fromkeys(facts.needed if facts is not None else (), by)
    return [brought[soname] for soname in sorted(brought)], left


def _of_libraries(
    base: BaseImage, brought: list[NativeLibrary], left: Mapping[str, str]
) -> Iterator[Finding]:
    if brought:
        yield Finding(
            "libraries-brought",
            Severity.INFO,
            what=f"The image brings shared libraries that the base {base.name} lacks: "
            f"{_some([library.soname for library in brought])}.",
            why="Packages need them, or the kernel opened them. They are this machine's own files.",
        )
    if left:
        names = [f"{soname} (for {by})" for soname, by in sorted(left.items())]
        yield Finding(
            "library-not-in-base",
            Severity.WARNING,
            what=f"The base {base.name} lacks shared libraries: {_some(names)}.",
            why="Those of the kernel's machine are for another platform, or for a newer glibc than "
            f"the base's {base.glibc}; what needs them may not import.",
            fix="Choose a base that has them, or --base host, which carries them; then --verify.",
        )


def _some(names: list[str]) -> str:
    more = "" if len(names) <= _SHOWN else f" and {len(names) - _SHOWN} more"
    return ", ".join(names[:_SHOWN]) + more


def _programs(snapshot: Snapshot, base: BaseImage) -> Iterator[Finding]:
    missing = sorted(one.name for one in snapshot.executables if one.name not in base.programs)
    if missing:
        yield Finding(
            "program-not-in-base",
            Severity.WARNING,
            what=f"The base {base.name} lacks programs that cells call: {', '.join(missing)}.",
            fix="Choose a base that has them, or --base host, which carries them.",
        )
