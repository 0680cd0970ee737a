"""A kernel's distributions for another platform: exactly its versions, as wheels of the index.

Pure-Python distributions are the kernel's own files: they are the same everywhere, and so are
their layers. The others are resolved and fetched by uv, hashes checked; nothing of the other
platform is run. Source: packaging.python.org, "Platform compatibility tags".
"""

from __future__ import annotations

import hashlib
import os
import re
import shutil
import tempfile
from collections.abc import Iterable, Iterator, Mapping
from dataclasses import dataclass, replace

from ..errors import ContainerizeError
from ..model.base import BaseImage
from ..model.files import FileKind
from ..model.platform import Platform
from ..model.reasons import Reason, ReasonKind
from ..model.snapshot import Distribution, OriginKind, Snapshot
from . import closure
from .distributions import describe, is_compiled
from .hashes import Hashes
from .index import Index
from .installed import Environment

_MACHINES = {"amd64": "x86_64", "arm64": "aarch64", "riscv64": "riscv64"}
#: Compiled code that no index has: there is only this machine's.
_LOCAL = (OriginKind.LOCAL, OriginKind.EDITABLE, OriginKind.VCS)
_HASH = re.compile(r"--hash=(sha256:[0-9a-f]{64})")


def for_platform(snapshot: Snapshot, base: BaseImage, *, cache: str) -> Snapshot:
    """Return the snapshot with the distributions that the base's platform needs.

    `cache` is a folder for unpacked wheels. Errors, together where they are independent:
    `compiled-code-here-only`, `no-wheel`, `platform-not-supported`, `index-failed`.
    """
    wanted = _Wanted.of(snapshot, base.platform)
    problems = [*_compiled(wanted.native), *_compiled_local(snapshot)]
    if problems:
        raise ContainerizeError.together(problems)
    index = Index.open(
        machine=_machine(base.platform),
        glibc=base.glibc,
        python=snapshot.interpreter.version,
        interpreter=snapshot.interpreter.executable,
    )
    lock = index.resolve(
        {one.key: one.version for one in wanted.native},
        more=wanted.missing,
        known={one.key: one.version for one in snapshot.distributions},
    )
    site = _unpacked(index, lock, cache)
    fetched = list(_fetched(snapshot, wanted, site, lock, cache))
    distributions = sorted([*wanted.pure, *fetched], key=lambda one: one.key)
    return replace(snapshot, platform=base.platform, distributions=tuple(distributions))


@dataclass(frozen=True, slots=True)
class _Wanted:
    """What the target needs: as here, as wheels, and what is not installed here at all."""

    pure: tuple[Distribution, ...]
    native: tuple[Distribution, ...]
    missing: tuple[str, ...]

    @classmethod
    def of(cls, snapshot: Snapshot, platform: Platform) -> _Wanted:
        names = {one.name for one in snapshot.distributions}
        places = [one.location for one in snapshot.distributions]
        environment = Environment([*snapshot.interpreter.sys_path, *places])
        roots = [
            environment.by_key[one.key]
            for one in snapshot.distributions
            if one.key in environment.by_key
            and any(
                why.kind is not ReasonKind.REQUIRED or why.by not in names for why in one.reasons
            )
        ]
        found = closure.close(roots, environment=environment, markers=_markers(snapshot, platform))
        kept = [one for one in snapshot.distributions if one.key in found.chosen]
        lacking = {text for one in found.findings for text in _missing_name(one.fix)}
        return cls(
            pure=tuple(one for one in kept if one.pure),
            native=tuple(one for one in kept if not one.pure),
            missing=tuple(sorted(lacking)),
        )


def _missing_name(fix: str) -> Iterator[str]:
    """Yield the requirement that a `missing-requirement` finding suggests to install."""
    match = re.match(r"pip install '([^']+)'", fix)
    if match:
        yield match[1]


def _markers(snapshot: Snapshot, platform: Platform) -> Mapping[str, str]:
    """Source: PEP 508, "Environment Markers"."""
    return {
        **snapshot.interpreter.markers,
        "os_name": "posix",
        "sys_platform": "linux",
        "platform_system": "Linux",
        "platform_machine": _machine(platform),
        "platform_release": "",
        "platform_version": "",
    }


def _machine(platform: Platform) -> str:
    if platform.architecture not in _MACHINES:
        raise ContainerizeError(
            "platform-not-supported",
            what=f"Wheels for {platform} cannot be resolved.",
            why="uv knows wheels for amd64, arm64 and riscv64.",
            fix="Build on a machine of that platform, with --base host.",
        )
    return _MACHINES[platform.architecture]


def _native_files(distribution: Distribution) -> Iterator[str]:
    for entry in distribution.files:
        if entry.kind is FileKind.FILE and is_compiled(entry.path):
            yield entry.path


def _compiled(native: Iterable[Distribution]) -> Iterator[ContainerizeError]:
    for one in native:
        if one.origin.kind in _LOCAL:
            yield _here_only(next(_native_files(one), one.location), f"{one.name} {one.version}")


def _compiled_local(snapshot: Snapshot) -> Iterator[ContainerizeError]:
    own = [(code.name, code.files) for code in snapshot.local_code]
    own += [(data.given or data.path, data.files) for data in snapshot.data_files]
    for name, files in own:
        for entry in files:
            if entry.kind is FileKind.FILE and is_compiled(entry.path):
                yield _here_only(entry.path, name)


def _here_only(path: str, name: str) -> ContainerizeError:
    return ContainerizeError(
        "compiled-code-here-only",
        what=f"{path} is compiled for this machine only.",
        why=f"{name} does not come from a package index, so there is no wheel for another platform.",
        fix="Publish wheels of it for that platform, or build on such a machine.",
    )


def _unpacked(index: Index, lock: str, cache: str) -> str:
    """Return the folder with the locked wheels unpacked; made once, whole or not at all."""
    name = hashlib.sha256(f"{index.target}\n{lock}".encode()).hexdigest()[:32]
    place = os.path.join(cache, "wheels", name)
    site = os.path.join(place, "site-packages")
    if os.path.isdir(site):
        return site
    os.makedirs(os.path.dirname(place), exist_ok=True)
    temporary = tempfile.mkdtemp(prefix=f"{name}.", dir=os.path.dirname(place))
    try:
        index.unpack(lock, os.path.join(temporary, "site-packages"))
        os.makedirs(os.path.join(temporary, "site-packages"), exist_ok=True)
        try:
            os.rename(temporary, place)
        except OSError:
            if not os.path.isdir(site):  # somebody else was quicker
                raise
    finally:
        shutil.rmtree(temporary, ignore_errors=True)
    return site


def _fetched(
    snapshot: Snapshot, wanted: _Wanted, site: str, lock: str, cache: str
) -> Iterator[Distribution]:
    """Yield the unpacked distributions, with the kernel's reasons and the index's hashes."""
    here = {one.key: one for one in snapshot.distributions}
    pure = {one.key for one in wanted.pure}
    hashes, known = _hashes(lock), Hashes(cache)
    for installed in Environment([site]).installed:
        if installed.key in pure:
            continue
        kernels = here.get(installed.key)
        reasons = kernels.reasons if kernels else (Reason(ReasonKind.REQUIRED, "the platform"),)
        made, _ = describe(
            installed,
            interpreter=snapshot.interpreter,
            hashes=known,
            requires=kernels.requires if kernels else (),
            reasons=reasons,
        )
        origin = replace(
            made.origin, kind=OriginKind.INDEX, url="", hashes=hashes.get(made.key, ())
        )
        yield replace(made, origin=origin, bytecode=())


def _hashes(lock: str) -> dict[str, tuple[str, ...]]:
    found: dict[str, tuple[str, ...]] = {}
    for block in re.split(r"\n(?=\S)", lock):
        name = re.match(r"([A-Za-z0-9._-]+)==", block)
        if name:
            found[re.sub(r"[-_.]+", "-", name[1]).lower()] = tuple(sorted(_HASH.findall(block)))
    return found
