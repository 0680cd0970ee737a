"""Shared libraries outside all distributions: what the files going in need, and what was mapped."""

from __future__ import annotations

import os
import sys
from collections import deque
from collections.abc import Iterable, Mapping
from dataclasses import dataclass, field

from ..model.files import FileEntry, FileKind
from ..model.reasons import Finding, Reason, ReasonKind, Severity
from ..model.snapshot import Interpreter, NativeLibrary
from . import elf, trail
from .gpu_driver import GPU_DRIVER, driver_finding
from .linker import Linker, Loaded
from .packages import Owners

#: The rest of glibc, which programs open by name (`ctypes.CDLL("libdl.so.2")`) and which older
#: versions need to look up users and hosts; and what it opens to unwind a cancelled thread.
_PARTS_OF_LIBC = (
    *("libdl.so.2", "libm.so.6", "libpthread.so.0", "librt.so.1", "libutil.so.1"),
    *("libnss_dns.so.2", "libnss_files.so.2", "libresolv.so.2", "libgcc_s.so.1"),
)


def find(
    files: Iterable[tuple[FileEntry, str]],
    *,
    mapped: Iterable[str],
    interpreter: Interpreter,
    environment: Mapping[str, str],
    packages: Owners,
) -> tuple[tuple[NativeLibrary, ...], tuple[Finding, ...]]:
    """Return the libraries to copy, and what to tell about those that are missing or stay behind.

    `files` is every file going into the image (of any kind: the few that may be ELF files are
    opened) with whom it belongs to as a reason names it: `numpy`, `the interpreter`, `git`.
    `mapped` are the paths that the kernel has mapped executable (the record's `maps`),
    `environment` the kernel's variables as far as they are recorded (`LD_LIBRARY_PATH`).
    Elsewhere than on Linux nothing is found. Errors: `musl-not-supported`, `interpreter-not-elf`.
    """
    if not sys.platform.startswith("linux"):
        return (), ()
    linker = Linker(
        interpreter.real_executable or interpreter.executable,
        library_path=environment.get("LD_LIBRARY_PATH", ""),
    )
    closure = _Closure(linker, mapped=_mapped_paths(mapped))
    closure.start(files)
    closure.follow()
    closure.add_parts_of_libc()
    closure.add_mapped(interpreter)
    return closure.libraries(packages), closure.findings()


@dataclass
class _Library:
    """A library while it is being collected; `path` is a name by which the loader found it."""

    path: str
    soname: str
    by_default: bool
    paths: set[str] = field(default_factory=set)
    owners: set[str] = field(default_factory=set)
    libraries: set[str] = field(default_factory=set)
    was_mapped: bool = False


class _Closure:
    """Everything reachable by DT_NEEDED, keyed by the real path behind all links."""

    def __init__(self, linker: Linker, *, mapped: tuple[str, ...]) -> None:
        self._linker = linker
        self._mapped = mapped
        self._mapped_names = {os.path.basename(path) for path in mapped}
        self._included: set[str] = set()
        self._real: dict[str, str] = {}
        self._included_names: set[str] = set()
        self._libraries: dict[str, _Library] = {}
        self._queue: deque[tuple[Loaded, str, bool]] = deque()
        self._missing: dict[str, dict[str, str]] = {}
        self._drivers: set[str] = set()

    def start(self, files: Iterable[tuple[FileEntry, str]]) -> None:
        """Take in the ELF files among `files`."""
        folders: dict[str, str] = {}
        for entry, owner in files:
            path = entry.path
            if entry.kind is not FileKind.FILE or not elf.plausible(
                path, executable=entry.executable
            ):
                continue
            facts = elf.read(path)
            if facts is None:
                continue
            folder, name = os.path.split(path)
            if folder not in folders:
                folders[folder] = os.path.realpath(folder)
            self._included.add(f"{folders[folder]}/{name}")
            self._included_names |= {name, facts.soname}
            if not facts.needed or not self._linker.fits(path):
                continue
            is_program = bool(facts.interpreter and not facts.soname)
            by = None if is_program else self._linker.program
            self._queue.append((self._linker.loaded(path, facts, by=by), owner, True))

    def follow(self) -> None:
        """Find what is needed, and what that needs, until nothing new comes up."""
        while self._queue:
            loaded, by, is_owner = self._queue.popleft()
            for name in loaded.facts.needed:
                self._need(name, loaded, by, is_owner=is_owner)

    def _need(self, name: str, loaded: Loaded, by: str, *, is_owner: bool) -> None:
        if GPU_DRIVER.fullmatch(name):
            self._drivers.add(name)
            return
        found = self._linker.find(name, loader=loaded)
        if found is None:
            # A library of this name that is loaded already satisfies the loader.
            known = name in self._included_names or name in self._mapped_names
            if not known and name not in {lib.soname for lib in self._libraries.values()}:
                self._missing.setdefault(name, {}).setdefault(by, loaded.path)
            return
        library = self._add(found.path, by_default=found.by_default, loaded_by=loaded)
        if library is not None:
            (library.owners if is_owner else library.libraries).add(by)

    def _add(self, path: str, *, by_default: bool, loaded_by: Loaded) -> _Library | None:
        if path not in self._real:
            self._real[path] = os.path.realpath(path)
        real = self._real[path]
        if real in self._included:
            return None
        if GPU_DRIVER.fullmatch(real):
            self._drivers.add(os.path.basename(path))
            return None
        library = self._libraries.get(real)
        if library is None:
            facts = self._linker.facts(real)
            if facts is None:
                return None
            soname = facts.soname or os.path.basename(path)
            library = self._libraries[real] = _Library(path, soname, by_default)
            loaded = self._linker.loaded(path, facts, by=loaded_by)
            self._queue.append((loaded, soname, False))
        elif by_default and not library.by_default:
            library.path, library.by_default = path, True
        library.paths.add(path)
        return library

    def add_parts_of_libc(self) -> None:
        """Add what belongs to glibc though no DT_NEEDED says so."""
        for name in _PARTS_OF_LIBC:
            path = self._linker.by_default(name)
            library = (
                self._add(path, by_default=True, loaded_by=self._linker.program) if path else None
            )
            if library:
                library.libraries.add("libc.so.6")
        self.follow()

    def add_mapped(self, interpreter: Interpreter) -> None:
        """Add what the kernel opened at run time, unless a distribution holds it."""
        elsewhere = _distribution_folders(interpreter)
        for path in self._mapped:
            if path in self._libraries or path in self._included or path.startswith(elsewhere):
                continue
            facts = self._linker.facts(path)
            if facts is None or not self._linker.fits(path) or not _is_library(path, facts):
                continue
            default = self._linker.by_default(facts.soname) if facts.soname else ""
            by_default = bool(default) and os.path.realpath(default) == path
            library = self._add(
                default if by_default else path,
                by_default=by_default,
                loaded_by=self._linker.program,
            )
            if library:
                library.was_mapped = True
                library.paths |= _other_names(path)
        self.follow()

    def libraries(self, packages: Owners) -> tuple[NativeLibrary, ...]:
        """Return what was found, sorted by path."""
        return tuple(
            NativeLibrary(
                soname=library.soname,
                path=library.path,
                files=_files(library.paths),
                search_path=library.by_default,
                package=packages.owner(real),
                reasons=_reasons(library),
            )
            for real, library in sorted(self._libraries.items(), key=lambda item: item[1].path)
        )

    def findings(self) -> tuple[Finding, ...]:
        """Return what the user should know: drivers left out, libraries that are missing."""
        found = [_missing(name, by, self._mapped) for name, by in sorted(self._missing.items())]
        if self._drivers:
            found.append(driver_finding(self._drivers))
        return tuple(found)


def _mapped_paths(mapped: Iterable[str]) -> tuple[str, ...]:
    """Return the real files among `mapped`: no devices, memory files or deleted ones."""
    return tuple(
        sorted(
            {
                path
                for path in mapped
                if path.startswith("/")
                and not path.startswith(("/dev/", "/memfd:", "/SYSV", "/proc/"))
                and not path.endswith(" (deleted)")
            }
        )
    )


def _distribution_folders(interpreter: Interpreter) -> tuple[str, ...]:
    """Return the folders whose libraries belong to a distribution or the standard library."""
    folders = {
        *interpreter.site_packages,
        interpreter.purelib,
        interpreter.platlib,
        interpreter.user_site or "",
        interpreter.stdlib,
        interpreter.platstdlib,
    } - {""}
    return tuple(sorted({os.path.realpath(folder) + "/" for folder in folders}))


def _is_library(path: str, facts: elf.Elf) -> bool:
    return bool(facts.soname) or (facts.dynamic and ".so" in os.path.basename(path))


def _other_names(path: str) -> set[str]:
    """Return the links beside `path` that lead to it: `dlopen` may have used any of them."""
    folder, name = os.path.split(path)
    stem = name.split(".so", maxsplit=1)[0]
    try:
        names = [other for other in os.listdir(folder) if other.startswith(stem + ".so")]
    except OSError:
        return set()
    paths = {f"{folder}/{other}" for other in names if other != name}
    return {other for other in paths if os.path.realpath(other) == path}


def _files(paths: Iterable[str]) -> tuple[FileEntry, ...]:
    entries = {entry for path in sorted(paths) for entry in trail.entries(path)}
    return tuple(sorted(entries, key=lambda entry: entry.path))


def _reasons(library: _Library) -> tuple[Reason, ...]:
    """Name who needs it directly; other libraries, then the mapping, only where nobody does."""
    names = library.owners or library.libraries
    if names:
        return tuple(sorted(Reason(ReasonKind.REQUIRED, name) for name in names))
    return (Reason(ReasonKind.MAPPED, "the kernel"),)


def _missing(name: str, needed_by: Mapping[str, str], mapped: tuple[str, ...]) -> Finding:
    owners = ", ".join(sorted(needed_by))
    path = min(needed_by.values())
    in_use = any(path in mapped for path in needed_by.values())
    return Finding(
        code="library-missing",
        severity=Severity.WARNING if in_use else Severity.INFO,
        what=f"The library {name}, which {owners} needs, is not on this machine.",
        why=f"{path} names it, and neither its own search paths nor the system's have it."
        + ("" if in_use else " The kernel has not loaded that file."),
        fix=f"If the notebook needs it, install the package that brings {name}."
        if not in_use
        else f"Install the package that brings {name}, or set LD_LIBRARY_PATH before Jupyter starts.",
        path=path,
    )
