"""The interpreter's own files: executable and links to it, standard library, bytecode."""

from __future__ import annotations

import os
import re
from collections.abc import Collection

from ..model.files import FileEntry, FileKind
from ..model.snapshot import Interpreter
from . import trail

#: Folders of distributions, which are captured one by one.
_SITE_FOLDERS = frozenset({"site-packages", "dist-packages"})
#: Parts for developing Python itself, or for a screen: in only when cells import them.
_ONLY_IF_IMPORTED = frozenset({"test", "tests", "idlelib", "turtledemo", "tkinter", "_tkinter"})
_LEFT_OUT = re.compile(
    r"config-\d.* | _bundled | _?xx.* | _test.*\.so | _ctypes_test.*\.so | .*\.a", re.VERBOSE
)
_PYTHON_NAME = re.compile(r"python(\d+(\.\d+)?t?)?")


def interpreter_files(interpreter: Interpreter) -> tuple[FileEntry, ...]:
    """Return what makes `sys.executable` start: it, its other names, links on the way, `pyvenv.cfg`."""
    paths = {interpreter.executable, *_names_of(interpreter)}
    if interpreter.prefix != interpreter.base_prefix:
        paths.add(os.path.join(interpreter.prefix, "pyvenv.cfg"))
    if interpreter.conda:
        paths.add(os.path.join(interpreter.prefix, "conda-meta", "history"))
    entries = {entry for path in paths for entry in trail.entries(path)}
    folders = {
        os.path.join(interpreter.prefix, "lib64"),
        *(interpreter.prefix, interpreter.base_prefix, interpreter.purelib, interpreter.platlib),
        *interpreter.sys_path,
    }
    for folder in folders:
        if os.path.isabs(folder):
            entries.update(entry for entry in trail.entries(folder) if _is_link_or_archive(entry))
    return tuple(sorted(entries, key=lambda entry: entry.path))


def standard_library(
    interpreter: Interpreter, *, imported: Collection[str]
) -> tuple[tuple[FileEntry, ...], tuple[FileEntry, ...]]:
    """Return the files of the standard library, and their `.pyc` files for this interpreter.

    Left out: `test`, `idlelib`, `turtledemo`, `tkinter` (unless among the `imported`
    modules), test extensions, static libraries, build configuration, ensurepip's wheels.
    """
    wanted = {name.partition(".")[0] for name in imported}
    if "turtle" in wanted or "tkinter" in wanted:
        wanted |= {"tkinter", "_tkinter"}
    unwanted = _SITE_FOLDERS | (_ONLY_IF_IMPORTED - wanted)

    def keep(path: str, name: str, is_folder: bool) -> bool:
        del path, is_folder
        return name.partition(".")[0] not in unwanted and not _LEFT_OUT.fullmatch(name)

    files: dict[str, FileEntry] = {}
    extensions = [path for path in interpreter.sys_path if path.endswith("/lib-dynload")]
    for folder in (interpreter.stdlib, interpreter.platstdlib, *extensions):
        for entry in trail.entries(folder):
            if entry.kind is not FileKind.DIRECTORY:
                files[entry.path] = entry
            else:
                files.update((found.path, found) for found in trail.below(entry.path, keep=keep))
    suffix = f".{interpreter.cache_tag}{_optimization(interpreter.optimize)}.pyc"
    bytecode = [entry for path, entry in files.items() if path.endswith(suffix)]
    sources = [entry for path, entry in files.items() if not path.endswith(".pyc")]
    return _sorted(sources), _sorted(
        [entry for entry in bytecode if _source_of(entry.path, suffix) in files]
    )


def _names_of(interpreter: Interpreter) -> set[str]:
    """Return every name of the interpreter beside it and in its prefixes: scripts use any of them."""
    real = os.path.realpath(interpreter.real_executable or interpreter.executable)
    folders = {
        *(os.path.dirname(interpreter.executable), os.path.dirname(real)),
        *(os.path.join(p, "bin") for p in (interpreter.prefix, interpreter.base_prefix)),
    }
    found = {real}
    for folder in folders:
        try:
            names = os.listdir(folder)
        except OSError:
            continue
        paths = [os.path.join(folder, name) for name in names if _PYTHON_NAME.fullmatch(name)]
        found.update(path for path in paths if os.path.realpath(path) == real)
    return found


def _is_link_or_archive(entry: FileEntry) -> bool:
    return entry.kind is FileKind.SYMLINK or entry.path.endswith(".zip")


def _optimization(level: int) -> str:
    return f".opt-{level}" if level else ""


def _source_of(pyc: str, suffix: str) -> str:
    folder, name = os.path.split(pyc)
    return f"{os.path.dirname(folder)}/{name.removesuffix(suffix)}.py"


def _sorted(entries: Collection[FileEntry]) -> tuple[FileEntry, ...]:
    return tuple(sorted(entries, key=lambda entry: entry.path))
