"""Which dpkg or rpm package owns a file of the system."""

from __future__ import annotations

import os
import re
import subprocess
from collections.abc import Iterable

from ..model.snapshot import SystemPackage

_DPKG = "/var/lib/dpkg"
#: Folders at the root that usrmerge turned into links: dpkg may know a file by either path.
_MERGED = ("/bin/", "/sbin/", "/lib/", "/lib32/", "/lib64/", "/libx32/")
_RPM_TIMEOUT_S = 30
_RPM_FORMAT = "%{NAME}\\t%{EVR}\\t%{ARCH}\\t%{SOURCERPM}\\n"


class Owners:
    """Who owns what; reads the package manager's records once, at the first question.

    `root` is where the system lies; records of other roots are for tests and base images.
    """

    def __init__(self, *, root: str = "/") -> None:
        self._dpkg = os.path.join(root, _DPKG.lstrip("/"))
        self._dpkg_owners: dict[str, str] | None = None
        self._has_rpm = not os.path.isdir(self._dpkg) and os.path.isdir(
            os.path.join(root, "var/lib/rpm")
        )
        self._rpm_owners: dict[str, str] = {}

    def owner(self, path: str) -> str:
        """Return the name of the package that owns absolute `path`, "" if none does."""
        if self._has_rpm:
            return self._rpm_owner(path)
        if self._dpkg_owners is None:
            self._dpkg_owners = _dpkg_owners(os.path.join(self._dpkg, "info"))
        for spelling in spellings(path):
            if spelling in self._dpkg_owners:
                return self._dpkg_owners[spelling]
        return ""

    def packages(self, names: Iterable[str]) -> tuple[SystemPackage, ...]:
        """Return the packages of these names, sorted; unknown names and "" are left out."""
        wanted = sorted(set(names) - {""})
        if self._has_rpm:
            found = [_rpm_package(name) for name in wanted]
        else:
            stanzas = _stanzas(os.path.join(self._dpkg, "status")) if wanted else {}
            found = [_dpkg_package(stanzas[name]) for name in wanted if name in stanzas]
        return tuple(package for package in found if package)

    def _rpm_owner(self, path: str) -> str:
        if path not in self._rpm_owners:
            answer = _rpm("-qf", "--qf", "%{NAME}\\n", path)
            self._rpm_owners[path] = answer.splitlines()[0] if answer else ""
        return self._rpm_owners[path]


def spellings(path: str) -> tuple[str, ...]:
    """Return `path` and, where usrmerge may be at work, the same file's other path."""
    if path.startswith("/usr/") and path[4:].startswith(_MERGED):
        return (path, path[4:])
    if path.startswith(_MERGED):
        return (path, f"/usr{path}")
    return (path,)


def _dpkg_owners(folder: str) -> dict[str, str]:
    owners: dict[str, str] = {}
    try:
        names = sorted(name for name in os.listdir(folder) if name.endswith(".list"))
    except OSError:
        return owners
    for name in names:
        try:
            with open(os.path.join(folder, name), "rb") as file:
                lines = file.read()
        except OSError:
            continue
        package = name.removesuffix(".list").partition(":")[0]
        owners.update(dict.fromkeys(os.fsdecode(lines).split("\n"), package))
    return owners


def _stanzas(path: str) -> dict[str, str]:
    """Return dpkg's stanzas by package name; of several architectures the first, the machine's own."""
    try:
        with open(path, encoding="utf-8", errors="surrogateescape") as file:
            text = file.read()
    except OSError:
        return {}
    found: dict[str, str] = {}
    for stanza in text.split("\n\n"):
        found.setdefault(_field(stanza, "Package"), stanza.strip("\n") + "\n")
    return found


def _dpkg_package(stanza: str) -> SystemPackage:
    source = _field(stanza, "Source").partition(" ")[0]
    return SystemPackage(
        manager="dpkg",
        name=_field(stanza, "Package"),
        version=_field(stanza, "Version"),
        architecture=_field(stanza, "Architecture"),
        source=source or _field(stanza, "Package"),
        status=_CONFFILES.sub("", stanza),
    )


#: Configuration files and their hashes: long, local to this machine, and of no use to a scanner.
_CONFFILES = re.compile(r"^Conffiles:.*\n(?: .*\n)*", re.MULTILINE)


def _field(stanza: str, name: str) -> str:
    match = re.search(rf"^{name}: *(.*)$", stanza, re.MULTILINE)
    return match.group(1) if match else ""


def _rpm_package(name: str) -> SystemPackage | None:
    fields = _rpm("-q", "--qf", _RPM_FORMAT, name).splitlines()[:1]
    if not fields or fields[0].count("\t") != _RPM_FORMAT.count("\\t"):
        return None
    package, version, architecture, source = fields[0].split("\t")
    return SystemPackage("rpm", package, version, architecture, source=source)


def _rpm(*arguments: str) -> str:
    """Return what `rpm` prints, "" when it fails or is missing."""
    try:
        done = subprocess.run(
            ["rpm", *arguments], capture_output=True, timeout=_RPM_TIMEOUT_S, check=False
        )
    except (OSError, subprocess.TimeoutExpired):
        return ""
    return done.stdout.decode(errors="replace") if done.returncode == 0 else ""
