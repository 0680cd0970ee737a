"""Finds shared libraries as glibc's dynamic loader does, without running it.

Source: ld.so(8); glibc `elf/dl-load.c` (`_dl_map_object`), `sysdeps/generic/dl-cache.h`.
Libraries tuned for newer processors (`glibc-hwcaps`) are passed over for the plain ones
beside them: the image may run on another machine.
"""

from __future__ import annotations

import os
import struct
from collections.abc import Mapping, Sequence
from dataclasses import dataclass

from ..errors import ContainerizeError
from . import elf
from .elf import Elf

CACHE_FILE = "/etc/ld.so.cache"
_CACHE_MAGIC = b"glibc-ld.so.cache1.1"
_CACHE_HEADER = struct.Struct("<20sII5I")
_CACHE_ENTRY = struct.Struct("<iIIIQ")

#: `e_machine` → multiarch folder, $PLATFORM, flags of the machine's entries in ld.so.cache.
_MACHINES: Mapping[int, tuple[str, str, int]] = {
    62: ("x86_64-linux-gnu", "x86_64", 0x0303),
    183: ("aarch64-linux-gnu", "aarch64", 0x0A03),
    21: ("powerpc64le-linux-gnu", "power8", 0x0503),
    22: ("s390x-linux-gnu", "z13", 0x0403),
    243: ("riscv64-linux-gnu", "riscv64", 0x1003),
    3: ("i386-linux-gnu", "i686", 0x0003),
    40: ("arm-linux-gnueabihf", "v7l", 0x0903),
}


@dataclass(frozen=True, slots=True)
class Found:
    """Where the loader finds a library; `by_default` when no path of its loader was needed."""

    path: str
    by_default: bool


@dataclass(frozen=True, slots=True)
class Loaded:
    """One loaded file: its own search folders, and the RPATH folders that it hands down."""

    path: str
    facts: Elf
    inherited: tuple[str, ...] = ()


def parse_cache(data: bytes, *, flags: int) -> dict[str, str]:
    """Return soname → path for the entries of `ld.so.cache` with these machine `flags`.

    The first entry of a name wins, as in the loader; entries that need certain processors
    are left out. Broken or unknown data gives an empty result: the loader then searches too.
    """
    start = data.find(_CACHE_MAGIC)
    if start < 0:
        return {}
    found: dict[str, str] = {}
    try:
        _, count, _, *_ = _CACHE_HEADER.unpack_from(data, start)
        for index in range(count):
            place = start + _CACHE_HEADER.size + index * _CACHE_ENTRY.size
            entry_flags, key, value, _, hwcap = _CACHE_ENTRY.unpack_from(data, place)
            if entry_flags == flags and not hwcap:
                found.setdefault(_text(data, start + key), _text(data, start + value))
    except (struct.error, ValueError):
        return {}
    return found


def _text(data: bytes, start: int) -> str:
    return os.fsdecode(data[start : data.index(b"\0", start)])


class Linker:
    """Answers which file a DT_NEEDED name means, for one program and its environment.

    `program` is the main program's path: its machine decides which libraries fit, its RPATH
    is searched for everything. `library_path` is the kernel's LD_LIBRARY_PATH.
    Errors: `musl-not-supported`, `interpreter-not-elf`.
    """

    def __init__(
        self, program: str, *, library_path: str = "", folder: str = "/", cache: str = CACHE_FILE
    ) -> None:
        facts = elf.read(program)
        if facts is None or facts.machine not in _MACHINES:
            raise ContainerizeError(
                "interpreter-not-elf",
                what=f"{program!r} is not a program whose libraries can be followed.",
                why="It is no ELF file for a processor that this version knows.",
                fix="Use a kernel whose Python is a normal Linux program, not a wrapper script.",
            )
        if "ld-musl" in facts.interpreter:
            raise ContainerizeError(
                "musl-not-supported",
                what=f"{program!r} is linked with musl (as on Alpine Linux), not with glibc.",
                why="Images with base host are made for glibc's dynamic loader.",
                fix="Use a Python built for glibc, or build on an image base.",
            )
        self._facts = facts
        multiarch, self._platform, flags = _MACHINES[facts.machine]
        self._lib = f"lib/{multiarch}" if os.path.isdir(f"/usr/lib/{multiarch}") else "lib64"
        self._folder = folder
        self._cached = parse_cache(_read(cache), flags=flags)
        # Debian's folders and Red Hat's; a library that does not fit the program is passed over.
        self._default_folders = (
            *(f"/lib/{multiarch}", f"/usr/lib/{multiarch}"),
            *("/lib64", "/usr/lib64", "/lib", "/usr/lib"),
        )
        program = os.path.realpath(program)
        self._expanded: dict[tuple[str, str], tuple[str, ...]] = {}
        self._library_path = self._expand(library_path.replace(";", ":"), program)
        self._listings: dict[str, frozenset[str]] = {}
        self._facts_of: dict[str, Elf | None] = {}
        self._answers: dict[tuple[object, ...], Found | None] = {}
        self.program = Loaded(program, facts, self._expand(_rpath(facts), program))

    def loaded(self, path: str, facts: Elf, *, by: Loaded | None) -> Loaded:
        """Return the state of a file once it is loaded `by` another one; None: it is a program."""
        handed = by.inherited if by else ()
        return Loaded(path, facts, (*self._expand(_rpath(facts), path), *handed))

    def find(self, name: str, *, loader: Loaded) -> Found | None:
        """Return the file that `loader`'s DT_NEEDED `name` means, None if there is none."""
        if "/" in name:
            return self._by_path(name, loader)
        own: tuple[str, ...] = ()
        inherited = loader.inherited
        if loader.facts.runpath:
            own, inherited = self._expand(loader.facts.runpath, loader.path), ()
        key = (name, inherited, own, loader.facts.own_folders_only)
        if key not in self._answers:
            folders = (*inherited, *self._library_path, *own)
            self._answers[key] = self._search(name, folders, loader.facts.own_folders_only)
        return self._answers[key]

    def by_default(self, name: str) -> str:
        """Return where the loader finds `name` with no path of anyone's own, or ""."""
        found = self._search(name, (), own_folders_only=False)
        return found.path if found else ""

    def fits(self, path: str) -> bool:
        """Tell whether `path` is an ELF file of the program's machine and class."""
        facts = self.facts(path)
        return (
            facts is not None
            and facts.machine == self._facts.machine
            and facts.bits == self._facts.bits
        )

    def facts(self, path: str) -> Elf | None:
        """Return what is in the ELF file `path`, read once."""
        if path not in self._facts_of:
            self._facts_of[path] = elf.read(path)
        return self._facts_of[path]

    def _by_path(self, name: str, loader: Loaded) -> Found | None:
        path = os.path.join(self._folder, *self._expand(name, loader.path)[:1])
        return Found(path, by_default=False) if self.fits(path) else None

    def _search(self, name: str, folders: Sequence[str], own_folders_only: bool) -> Found | None:
        for folder in folders:
            if name in self._names(folder) and self.fits(path := f"{folder}/{name}"):
                return Found(path, by_default=False)
        cached = self._cached.get(name)
        if cached and not (own_folders_only and self._is_default(cached)) and self.fits(cached):
            return Found(cached, by_default=True)
        for folder in () if own_folders_only else self._default_folders:
            if name in self._names(folder) and self.fits(path := f"{folder}/{name}"):
                return Found(path, by_default=True)
        return None

    def _is_default(self, path: str) -> bool:
        return os.path.dirname(path) in self._default_folders

    def _names(self, folder: str) -> frozenset[str]:
        if folder not in self._listings:
            try:
                self._listings[folder] = frozenset(os.listdir(folder))
            except (OSError, ValueError):
                self._listings[folder] = frozenset()
        return self._listings[folder]

    def _expand(self, paths: str, origin: str) -> tuple[str, ...]:
        """Return the folders of a colon-separated list, with ld.so's three tokens replaced."""
        if not paths:
            return ()
        key = (paths, os.path.dirname(origin))
        if key not in self._expanded:
            values = {"ORIGIN": key[1], "LIB": self._lib, "PLATFORM": self._platform}
            for token, value in values.items():
                paths = paths.replace(f"${{{token}}}", value).replace(f"${token}", value)
            whole = [os.path.join(self._folder, path) for path in paths.split(":")]
            # Only a real walk knows where `..` leads behind a link.
            self._expanded[key] = tuple(
                os.path.realpath(path) if ".." in path else os.path.normpath(path) for path in whole
            )
        return self._expanded[key]


def _rpath(facts: Elf) -> str:
    return "" if facts.runpath else facts.rpath


def _read(path: str) -> bytes:
    try:
        with open(path, "rb") as file:
            return file.read()
    except OSError:
        return b""
