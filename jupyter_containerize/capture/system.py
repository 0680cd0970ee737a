"""What base `host` needs beside libraries: interpreter, standard library, certificates, ..."""

from __future__ import annotations

import os
import re
from collections.abc import Collection, Iterable, Mapping

from ..model.files import FileEntry, FileKind
from ..model.reasons import Reason, ReasonKind
from ..model.snapshot import Interpreter, SystemFiles, SystemGroup
from . import elf, trail
from .compiled_in import CompiledIn, ask
from .packages import Owners
from .standard_library import interpreter_files, standard_library

#: Bundles of certificates where Debian, Red Hat and SUSE keep them, for C libraries.
_CA_BUNDLES = (
    "/etc/ssl/certs/ca-certificates.crt",
    "/etc/pki/tls/certs/ca-bundle.crt",
    "/etc/ssl/ca-bundle.pem",
)
_ZONEINFO = "/usr/share/zoneinfo"
#: The same zones again, with leap seconds and without: twice the size for nobody.
_ZONE_COPIES = frozenset({"right", "posix"})
_LOCALE_FOLDER = "/usr/lib/locale"
_LOCALE_VARIABLES = re.compile(r"LANG|LC_[A-Z]+")
#: What text in the wild is encoded in; glibc has UTF-8 and ASCII built in.
_CHARACTER_SETS = re.compile(
    r"(UTF-(7|16|32)|UNICODE|ISO8859-(1|2|5|7|9|15)|CP125[0-2]|gconv-modules.*)(\.so|\.cache|\.conf)?"
)
_IDENTITY = (
    "/etc/os-release",
    "/etc/debian_version",
    "/etc/redhat-release",
    "/etc/lsb-release",
    "/etc/nsswitch.conf",
    "/etc/host.conf",
    "/etc/gai.conf",
    "/etc/services",
    "/etc/protocols",
    "/etc/mime.types",
)
#: `os.system` and `subprocess` start `/bin/sh`; `ctypes.util` asks ldconfig, which Ubuntu wraps
#: in a script around ldconfig.real; `platform` asks `uname`.
_TOOLS = ("/bin/sh", "/sbin/ldconfig", "/sbin/ldconfig.real", "/usr/bin/uname")
_TERMINALS = frozenset(
    [
        "ansi",
        "dumb",
        "linux",
        "screen",
        "screen-256color",
        "tmux",
        "tmux-256color",
        "vt100",
        "vt220",
        "xterm",
        "xterm-color",
        "xterm-256color",
    ]
)
_TERMINAL_FOLDERS = ("/etc/terminfo", "/lib/terminfo", "/usr/share/terminfo")
#: Data that a library reads at fixed places, by the start of the library's name.
_DATA_OF_LIBRARIES = {
    "libfontconfig.so": ("/etc/fonts", "/usr/share/fontconfig"),
    "libmagic.so": ("/usr/share/misc/magic.mgc", "/usr/lib/file/magic.mgc", "/etc/magic"),
    "libproj.so": ("/usr/share/proj",),
    "libgdal.so": ("/usr/share/gdal",),
    "libtcl": ("/usr/share/tcltk",),
}


def find(
    interpreter: Interpreter,
    *,
    environment: Mapping[str, str],
    imported: Collection[str],
    packages: Owners,
    mapped: Collection[str] = (),
    cache: str | None = None,
) -> tuple[SystemFiles, ...]:
    """Return the groups of system files, in the order of `SystemGroup`, without empty ones.

    `environment` are the kernel's variables as far as recorded, `imported` names of modules
    that the cells import (`tkinter` goes in only then), `mapped` the record's `maps`,
    `cache` a folder for facts kept between captures. Every entry's parent is free of links:
    those on the way (usrmerge's `/lib`, too) are entries of their own.
    """
    compiled_in = ask(interpreter.executable, environment=environment, cache=cache)
    program = elf.read(interpreter.real_executable or interpreter.executable)
    loader = program.interpreter if program else ""
    library, bytecode = standard_library(interpreter, imported=imported)
    groups = (
        _group(SystemGroup.INTERPRETER, interpreter_files(interpreter), "the kernel", packages),
        _group(SystemGroup.STDLIB, library, "the interpreter", packages, bytecode),
        _group(SystemGroup.LOADER, _ways(loader), "the interpreter", packages),
        _group(SystemGroup.CERTIFICATES, _certificates(compiled_in, environment), "ssl", packages),
        _group(SystemGroup.TIME_ZONES, _time_zones(compiled_in), "zoneinfo", packages),
        _group(SystemGroup.LOCALES, _locales(environment), "locale", packages),
        _group(SystemGroup.GCONV, _character_sets(loader), "libc.so.6", packages),
        _group(SystemGroup.OPENSSL, _openssl(compiled_in, environment), "ssl", packages),
        _group(SystemGroup.IDENTITY, _ways(*_IDENTITY), "the interpreter", packages),
        _group(
            SystemGroup.TOOLS, _tools(interpreter, environment, mapped), "the interpreter", packages
        ),
    )
    return tuple(group for group in groups if group.files)


def _group(
    group: SystemGroup,
    files: Iterable[FileEntry],
    required_by: str,
    packages: Owners,
    bytecode: tuple[FileEntry, ...] = (),
) -> SystemFiles:
    entries = tuple(sorted(set(files), key=lambda entry: entry.path))
    owned = [entry.path for entry in entries if entry.kind is FileKind.FILE]
    owners = {packages.owner(path) for path in owned} - {""}
    reasons = (Reason(ReasonKind.REQUIRED, required_by),)
    return SystemFiles(group, entries, bytecode, tuple(sorted(owners)), reasons)


def _ways(*paths: str) -> set[FileEntry]:
    """Return links and files on the ways to `paths`; folders at their ends are not entered."""
    return {entry for path in paths if path.startswith("/") for entry in trail.entries(path)}


def _tree(*paths: str) -> set[FileEntry]:
    """Return the ways to `paths` and everything below those that are folders."""
    found = _ways(*paths)
    folders = [entry.path for entry in found if entry.kind is FileKind.DIRECTORY]
    for folder in folders:
        found.update(trail.below(folder))
    return {entry for entry in found if entry.kind is not FileKind.DIRECTORY}


def _certificates(compiled_in: CompiledIn, environment: Mapping[str, str]) -> set[FileEntry]:
    """Return the bundles; the folder of single certificates only where there is no bundle."""
    bundles = (compiled_in.ca_file, environment.get("SSL_CERT_FILE", ""), *_CA_BUNDLES)
    folders = (compiled_in.ca_folder, environment.get("SSL_CERT_DIR", ""))
    found = _ways(*bundles, *folders)
    if any(entry.kind is FileKind.FILE for entry in found):
        return found
    return found | _tree(*folders)


def _time_zones(compiled_in: CompiledIn) -> set[FileEntry]:
    found = _ways("/etc/localtime", "/etc/timezone")
    for folder in dict.fromkeys((*compiled_in.tz_folders, _ZONEINFO)):
        for entry in trail.entries(folder):
            if entry.kind is FileKind.DIRECTORY:
                found.update(trail.below(entry.path, keep=_no_zone_copies))
            else:
                found.add(entry)
    return found


def _no_zone_copies(path: str, name: str, is_folder: bool) -> bool:
    del path
    return not (is_folder and name in _ZONE_COPIES)


def _locales(environment: Mapping[str, str]) -> set[FileEntry]:
    """Return the compiled locales that the kernel's variables name, and C.UTF-8."""
    names = {value for key, value in environment.items() if _LOCALE_VARIABLES.fullmatch(key)}
    found: set[FileEntry] = set()
    in_archive = False
    for name in {*names, "C.UTF-8"} - {"", "C", "POSIX"}:
        folders = [f"{_LOCALE_FOLDER}/{spelling}" for spelling in _locale_spellings(name)]
        folder = next((path for path in folders if os.path.isdir(path)), "")
        found |= _tree(folder)
        in_archive = in_archive or (not folder and name != "C.UTF-8")
    if in_archive:
        found |= _ways(f"{_LOCALE_FOLDER}/locale-archive")
    return found


def _locale_spellings(name: str) -> tuple[str, ...]:
    """Return the folder names that glibc tries. Source: `_nl_normalize_codeset`, setlocale(3)."""
    rest, at, modifier = name.partition("@")
    language, _, codeset = rest.partition(".")
    plain = re.sub(r"[^a-z0-9]", "", codeset.lower())
    codes = [f".{code}" for code in dict.fromkeys((codeset, plain)) if code] or [""]
    return tuple(f"{language}{code}{at}{modifier}" for code in codes)


def _character_sets(loader: str) -> set[FileEntry]:
    """Return the gconv modules of the libc that belongs to `loader`, and their index."""
    folder = os.path.join(os.path.dirname(trail.real(loader)), "gconv") if loader else ""
    return {
        entry
        for entry in _tree(folder)
        if _CHARACTER_SETS.fullmatch(os.path.basename(entry.path))
        or entry.kind is FileKind.SYMLINK
        or os.path.basename(os.path.dirname(entry.path)) == "gconv-modules.d"
    }


def _openssl(compiled_in: CompiledIn, environment: Mapping[str, str]) -> set[FileEntry]:
    """Return the configuration with what it includes, and the providers and engines."""
    found: set[FileEntry] = set()
    default = os.path.join(os.path.dirname(compiled_in.ca_file), "openssl.cnf")
    for path in (default, environment.get("OPENSSL_CONF", "")):
        found |= _ways(path)
        found |= _tree(*_included_by(path))
    beside = os.path.dirname(compiled_in.libcrypto)
    names = ("ossl-modules", "engines-3", "engines-1.1") if beside else ()
    folders = [os.path.join(beside, name) for name in names]
    return found | _tree(*folders, environment.get("OPENSSL_MODULES", ""))


def _included_by(configuration: str) -> list[str]:
    try:
        with open(configuration, encoding="utf-8", errors="replace") as file:
            text = file.read()
    except OSError:
        return []
    return re.findall(r"^\s*\.include\s*=?\s*(/\S+)", text, re.MULTILINE)


def _tools(
    interpreter: Interpreter, environment: Mapping[str, str], mapped: Collection[str]
) -> set[FileEntry]:
    # IPython gives `x = !command` to the program in SHELL, everything else to sh.
    found = _ways(*_TOOLS, environment.get("SHELL", ""))
    own = os.path.join(interpreter.base_prefix, "share", "terminfo")
    for folder in (*_TERMINAL_FOLDERS, own):
        found |= _ways(*(f"{folder}/{name[0]}/{name}" for name in _TERMINALS))
    names = {os.path.basename(path) for path in mapped}
    for start, places in _DATA_OF_LIBRARIES.items():
        if any(name.startswith(start) for name in names):
            found |= _tree(*places)
    return {entry for entry in found if entry.kind is not FileKind.DIRECTORY}
