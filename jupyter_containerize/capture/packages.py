"""Which dpkg or rpm package owns a file of the system."""

from __future__ import annotations

import contextlib
import json
import os
import re
import subprocess
from collections.abc import Iterable

from ..model.snapshot import SystemPackage

_DPKG = "/var/lib/dpkg"
#: Folders at the root that usrmerge turned into links: dpkg may know a file by either path.
_MERGED = ("/bin/", "/sbin/", "/lib/", "/lib32/", "/lib64/", "/libx32/")
_RPM_DATABASES = ("usr/lib/sysimage/rpm", "var/lib/rpm")
_RPM_TIMEOUT_S = 30
_RPM_FORMAT = "%{NAME}\\t%{EVR}\\t%{ARCH}\\t%{SOURCERPM}\\n"
_RPM_FILES = "[%{=NAME}\\t%{FILENAMES}\\n]"


class Owners:
    """Who owns what; reads the package manager's records once, at the first question.

    `root` is where the system lies; records of other roots are for tests and base images.
    With `cache` (a folder) dpkg's answers are kept until it installs or removes something:
    its lists name 100,000 files, and every capture asks for the same few.
    """

    def __init__(self, *, root: str = "/", cache: str | None = None) -> None:
        self._root = root
        self._dpkg = os.path.join(root, _DPKG.lstrip("/"))
        self._dpkg_owners: dict[str, str] | None = None
        self._answers = _Answers(cache, os.path.join(self._dpkg, "info"))
        self._status: dict[str, str] | None = None
        databases = [os.path.join(root, path) for path in _RPM_DATABASES]
        self._has_rpm = not os.path.isdir(self._dpkg) and any(map(os.path.isdir, databases))
        self._rpm = ("rpm",) if root == "/" else ("rpm", "--root", root)
        self._rpm_owners: dict[str, str] = {}

    def owner(self, path: str) -> str:
        """Return the name of the package that owns absolute `path`, "" if none does."""
        if self._has_rpm:
            return self._rpm_owner(path)
        known = self._answers.known.get(path)
        if known is None:
            known = self._answers.known[path] = self._dpkg_owner(path)
        return known

    def save(self) -> None:
        """Keep the answers for the next capture."""
        self._answers.save()

    def _dpkg_owner(self, path: str) -> str:
        if self._dpkg_owners is None:
            self._dpkg_owners = _dpkg_owners(os.path.join(self._dpkg, "info"))
        found = (self._dpkg_owners.get(spelling) for spelling in spellings(path))
        return next((name for name in found if name), "")

    def packages(self, names: Iterable[str]) -> tuple[SystemPackage, ...]:
        """Return the packages of these names, sorted; unknown names and "" are left out."""
        wanted = sorted(set(names) - {""})
        if self._has_rpm:
            lines = [_run(*self._rpm, "-q", "--qf", _RPM_FORMAT, name) for name in wanted]
            found = [_rpm_package(line, self._distro()) for line in lines]
        else:
            stanzas = [self._stanza(name) for name in wanted]
            found = [_dpkg_package(stanza, self._distro()) for stanza in stanzas if stanza]
        return tuple(package for package in found if package)

    def files(self, name: str) -> tuple[str, ...]:
        """Return the files and folders of the package, as its manager spells them."""
        if self._has_rpm:
            return tuple(_run(*self._rpm, "-ql", name).splitlines())
        folder = os.path.join(self._dpkg, "info")
        names = (f"{name}.list", f"{name}:{_field(self._stanza(name), 'Architecture')}.list")
        paths = [os.path.join(folder, one) for one in names]
        lines = next((read for read in map(_read, paths) if read), b"")
        return tuple(os.fsdecode(line) for line in lines.split(b"\n") if line not in (b"", b"/."))

    def companions(self, name: str) -> tuple[str, ...]:
        """Return the package and those it depends on that were built from the same source.

        Such packages are one program in several parts: `gcc-12` and `cpp-12`, `perl` and
        `perl-modules-5.36`. Empty for an unknown package.
        """
        stanza = self._stanza(name)
        if not stanza:
            return (name,) if name and self._has_rpm else ()
        found = {name: None}
        depends = f"{_field(stanza, 'Pre-Depends')}, {_field(stanza, 'Depends')}"
        for other in re.findall(r"(?:^|[,|])\s*([a-z0-9][a-z0-9+.-]+)", depends):
            if _source(self._stanza(other)) == _source(stanza):
                found[other] = None
        return tuple(found)

    def _distro(self) -> str:
        """Return the operating system's ID and version, `debian-12`. Source: os-release(5)."""
        text = os.fsdecode(_read(os.path.join(self._root, "etc/os-release")))
        fields = dict(re.findall(r"^(ID|VERSION_ID)=[\"']?([^\"'\n]*)", text, re.MULTILINE))
        return "-".join(fields[key] for key in ("ID", "VERSION_ID") if key in fields)

    def _stanza(self, name: str) -> str:
        if self._status is None:
            self._status = _stanzas(os.path.join(self._dpkg, "status"))
        return self._status.get(name, "")

    def _rpm_owner(self, path: str) -> str:
        """Ask for one file, and remember all files of the package that has it."""
        if path not in self._rpm_owners:
            self._rpm_owners[path] = ""
            for line in _run(*self._rpm, "-qf", "--qf", _RPM_FILES, path).splitlines():
                name, _, file = line.partition("\t")
                self._rpm_owners[file] = name
        return self._rpm_owners[path]


class _Answers:
    """Owners by path, kept in `cache` for as long as dpkg's folder `info` stays as it is."""

    def __init__(self, cache: str | None, info: str) -> None:
        self._path = os.path.join(cache, "owners-1.json") if cache else ""
        # dpkg replaces lists by renaming: every change of a package changes the folder's time.
        self._state = [info, _mtime_ns(info)]
        self.known: dict[str, str] = {}
        with contextlib.suppress(OSError, ValueError, TypeError, KeyError):
            with open(self._path, encoding="utf-8") as file:
                kept = json.load(file)
            if kept["state"] == self._state:
                self.known = dict(kept["known"])
        self._loaded = len(self.known)

    def save(self) -> None:
        """Write what was learnt; a cache that cannot be written only costs time."""
        if not self._path or len(self.known) == self._loaded:
            return
        with contextlib.suppress(OSError):
            os.makedirs(os.path.dirname(self._path), exist_ok=True)
            with open(f"{self._path}.{os.getpid()}", "w", encoding="utf-8") as file:
                json.dump({"state": self._state, "known": self.known}, file)
            os.replace(file.name, self._path)


def _mtime_ns(path: str) -> int:
    try:
        return os.stat(path).st_mtime_ns
    except OSError:
        return 0


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
        lines = _read(os.path.join(folder, name))
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


def _read(path: str) -> bytes:
    try:
        with open(path, "rb") as file:
            return file.read()
    except OSError:
        return b""


def _source(stanza: str) -> str:
    """Return the source package's name; the package's own where they are the same."""
    return (_field(stanza, "Source") or _field(stanza, "Package")).partition(" ")[0]


def _dpkg_package(stanza: str, distro: str) -> SystemPackage:
    return SystemPackage(
        manager="dpkg",
        name=_field(stanza, "Package"),
        version=_field(stanza, "Version"),
        architecture=_field(stanza, "Architecture"),
        source=_source(stanza),
        status=_CONFFILES.sub("", stanza),
        distro=distro,
    )


#: Configuration files and their hashes: long, local to this machine, and of no use to a scanner.
_CONFFILES = re.compile(r"^Conffiles:.*\n(?: .*\n)*", re.MULTILINE)


def _field(stanza: str, name: str) -> str:
    match = re.search(rf"^{name}: *(.*)$", stanza, re.MULTILINE)
    return match.group(1) if match else ""


def _rpm_package(line: str, distro: str) -> SystemPackage | None:
    fields = line.split("\n", maxsplit=1)[0].split("\t")
    if len(fields) != _RPM_FORMAT.count("%"):
        return None
    name, version, architecture, source = fields
    return SystemPackage("rpm", name, version, architecture, source=source, distro=distro)


def _run(*command: str) -> str:
    """Return what the command prints, "" when it fails or is missing."""
    try:
        done = subprocess.run(command, capture_output=True, timeout=_RPM_TIMEOUT_S, check=False)
    except (OSError, subprocess.TimeoutExpired):
        return ""
    return done.stdout.decode(errors="surrogateescape") if done.returncode == 0 else ""
