"""Debian packages that an image built from a Dockerfile needs beside Python."""

from __future__ import annotations

import re
from collections.abc import Iterator

from ..model.reasons import Finding, Severity
from ..model.snapshot import NativeLibrary, Snapshot

_CODENAMES = {"11": "bullseye", "12": "bookworm", "13": "trixie"}
#: Reasons that the base image's own Python meets.
_BASES = ("the interpreter", "the guest", "the kernel's start-up", "the kernel")
_DEPENDS = re.compile(r"^(?:Pre-)?Depends: (.*)$", re.MULTILINE)
_IN_EVERY_BASE = re.compile(r"(lib)?python3?[0-9.]*(-.*)?|libc6|libgcc-s1|libstdc\+\+6|libc-bin")


def codename(snapshot: Snapshot) -> str:
    """Return the kernel's Debian release (`bookworm`), "" where it is another system."""
    for package in snapshot.system_packages:
        name, _, version = package.distro.partition("-")
        if name == "debian" and version.partition(".")[0] in _CODENAMES:
            return _CODENAMES[version.partition(".")[0]]
    return ""


def apt_packages(snapshot: Snapshot) -> tuple[str, ...]:
    """Return the packages that own libraries and programs which packages or cells need, sorted.

    Not those that every Debian has, that only the interpreter needs, or that come with another one.
    """
    essential = {
        package.name
        for package in snapshot.system_packages
        if re.search(r"^(Essential: yes|Priority: required)$", package.status, re.MULTILINE)
    }
    wanted = {one.package for one in _libraries(snapshot)}
    wanted |= {one.package for one in snapshot.executables}
    names = {_plain(name) for name in wanted if name} - essential
    return _leading({one for one in names if not _IN_EVERY_BASE.fullmatch(one)}, snapshot)


def _leading(names: set[str], snapshot: Snapshot) -> tuple[str, ...]:
    """Return the names, sorted, without those that come with another one of them."""
    depends = {package.name: _depends(package.status) for package in snapshot.system_packages}
    brings: dict[str, set[str]] = {}
    for name in names:
        found, rest = set[str](), [name]
        while rest:
            new = depends.get(rest.pop(), set()) - found
            found |= new
            rest += new
        brings[name] = found

    def leads(name: str) -> bool:
        # Of packages that bring each other, the first one.
        return not any(
            name in brings[other] and (other not in brings[name] or other < name)
            for other in names - {name}
        )

    return tuple(sorted(filter(leads, names)))


def _depends(status: str) -> set[str]:
    """Return the packages that must come along; of several that would do, apt may choose another."""
    texts = [text for found in _DEPENDS.findall(status) for text in found.split(",")]
    return {_plain(text.strip()) for text in texts if "|" not in text}


def _plain(name: str) -> str:
    return name.partition(" ")[0].partition(":")[0]


def unowned(snapshot: Snapshot) -> Iterator[Finding]:
    """Yield a finding for what no package has, or no Debian package."""
    missing = [
        *(one.path for one in _libraries(snapshot) if not one.package),
        *(one.path for one in snapshot.executables if not one.package),
    ]
    if missing:
        yield Finding(
            "no-package-for-it",
            Severity.WARNING,
            what=f"No Debian package is known for {', '.join(missing[:5])}.",
            why="The Dockerfile installs libraries and programs as packages, and these have none.",
            fix="Add what brings them to the Dockerfile, or use --builder daemonless.",
        )
    elif not codename(snapshot) and (apt_packages(snapshot) or not snapshot.system_packages):
        yield Finding(
            "another-distribution",
            Severity.WARNING,
            what="The kernel does not run on Debian; the Dockerfile's base does.",
            why="Names and versions of libraries may differ there.",
            fix="Name a base of the kernel's kind: --base IMAGE.",
        )


def _libraries(snapshot: Snapshot) -> list[NativeLibrary]:
    """Return the libraries that packages and cells need: not those of the interpreter alone.

    A library may be there for another's sake, so what the interpreter's need is the base's too.
    """
    bases = set(_BASES)
    rest = list(snapshot.libraries)
    while True:
        own = [one for one in rest if one.reasons and all(r.by in bases for r in one.reasons)]
        if not own:
            return rest
        bases |= {one.soname for one in own}
        rest = [one for one in rest if one not in own]
