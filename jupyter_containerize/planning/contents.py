"""From recorded files to image entries: contents, modes, compiled files, private ones apart."""

from __future__ import annotations

import posixpath
from collections.abc import Iterable

from ..model.files import FileEntry, FileKind
from ..model.plan import (
    BytecodeContent,
    Content,
    Entry,
    FileContent,
    FolderContent,
    LinkContent,
)
from .placement import Folder, Placement

#: Files of an installation that name the folder they were installed to, or who installed them.
_PRIVATE_NAMES = frozenset(
    {
        "pyvenv.cfg",
        "direct_url.json",
        "uv_cache.json",
        "uv_build.json",
        "Makefile",
        "build-details.json",
    }
)
_PRIVATE_ENDINGS = (".pth", ".egg-link", ".pc")
_PRIVATE_STARTS = ("__editable__", "_sysconfigdata_", "_sysconfig_vars_")
#: Scripts carry the interpreter's path in their first line; larger files are programs.
_SCRIPT_MAX_BYTES = 65_536


class Sorted:
    """Entries of one group of files, by where they may lie.

    `shared` may be in a layer that people share; `links` carry a path of the kernel and are
    small; `private` lie at a path that may hold a user's name. All map target to entry.
    """

    __slots__ = ("links", "private", "shared")

    def __init__(self) -> None:
        self.shared: dict[str, Entry] = {}
        self.links: dict[str, Entry] = {}
        self.private: dict[str, Entry] = {}


def sort_files(
    files: Iterable[FileEntry],
    placement: Placement,
    *,
    bytecode: Iterable[FileEntry] = (),
    cache_tag: str = "",
) -> Sorted:
    """Return the image entries of installed `files`, with a `.pyc` for each module.

    `bytecode` are existing compiled files; without a `cache_tag` nothing gets compiled.
    """
    result = Sorted()
    compiled = {entry.path: entry for entry in bytecode}
    found_private = False
    records = []
    for entry in files:
        parent, _, name = entry.path.rpartition("/")
        folder = placement.folder(parent or "/")
        if entry.kind is not FileKind.FILE:
            _add_special(result, entry, name, folder, placement)
            continue
        if name == "RECORD" and folder.moved is not None:
            records.append((entry, folder))
            continue
        content = file_content(entry)
        target = f"{folder.target}/{name}"
        into = result.private
        if folder.shared:
            into = result.shared
            if folder.moved is not None and _is_private(entry, name, folder):
                into, found_private = result.links, True
        into[target] = Entry(target, content, 0o755 if entry.executable else 0o644)
        if cache_tag and _is_module(name):
            module = _compiled(entry, content, target, cache_tag, compiled)
            into[module.target] = module
    # A RECORD holds the hashes of the scripts and settings that carry the kernel's paths.
    for entry, folder in records:
        into = result.links if found_private else result.shared
        target = f"{folder.target}/RECORD"
        into[target] = Entry(target, file_content(entry))
    return result


def kept_entries(
    files: Iterable[FileEntry], placement: Placement, *, cache_tag: str = ""
) -> dict[str, Entry]:
    """Return entries for `files` at the kernel's own paths: local code and data."""
    result: dict[str, Entry] = {}
    for entry in files:
        parent, name = posixpath.split(entry.path)
        target = posixpath.join(placement.kept(parent).target, name)
        if entry.kind is not FileKind.FILE:
            content: Content = FolderContent()
            if entry.kind is FileKind.SYMLINK:
                content = LinkContent(entry.link or "")
            result[target] = Entry(target, content, 0o755)
            continue
        source = file_content(entry)
        result[target] = Entry(target, source, 0o755 if entry.executable else 0o644)
        if cache_tag and _is_module(name):
            module = _compiled(entry, source, target, cache_tag, {})
            result[module.target] = module
    return result


def file_content(entry: FileEntry) -> FileContent:
    """Return the content that is the file itself."""
    return FileContent(entry.path, entry.size_bytes, entry.mtime_ns, entry.sha256)


def _is_private(entry: FileEntry, name: str, folder: Folder) -> bool:
    if name in _PRIVATE_NAMES or name.endswith(_PRIVATE_ENDINGS):
        return True
    if name.startswith(_PRIVATE_STARTS):
        return True
    moved = folder.moved
    return (
        moved is not None
        and entry.executable
        and folder.target == f"{moved.image}/bin"
        and entry.size_bytes < _SCRIPT_MAX_BYTES
    )


def _is_module(name: str) -> bool:
    # Python's own `_sysconfigdata__linux_x86_64-linux-gnu` is imported by such a name.
    return name.endswith(".py") and name[:-3].replace("-", "_").isidentifier()


def _compiled(
    entry: FileEntry,
    source: FileContent,
    target: str,
    cache_tag: str,
    compiled: dict[str, FileEntry],
) -> Entry:
    """Return the entry of a module's `.pyc` beside it. Source: PEP 3147."""
    tail = f"/__pycache__/{target.rpartition('/')[2][:-3]}.{cache_tag}.pyc"
    existing = compiled.get(entry.path.rpartition("/")[0] + tail) if compiled else None
    pyc = file_content(existing) if existing is not None else None
    return Entry(target.rpartition("/")[0] + tail, BytecodeContent(source, target, pyc))


def _add_special(
    result: Sorted, entry: FileEntry, name: str, folder: Folder, placement: Placement
) -> None:
    """Add a folder or a symlink."""
    if entry.kind is FileKind.DIRECTORY:
        target = placement.folder(entry.path).target
        into = result.shared if folder.shared else result.private
        into[target] = Entry(target, FolderContent(), 0o755)
        return
    text = entry.link or ""
    target = f"{folder.target.rstrip('/')}/{name}"
    if not text.startswith("/") and folder.moved is not None:
        # A relative link that leaves the moved prefix would lead elsewhere: make it absolute.
        end = posixpath.normpath(posixpath.join(folder.kernel, text))
        if placement.folder(posixpath.dirname(end)).moved != folder.moved:
            text = end
    # Links at the root (/lib to usr/lib) lie in no system folder, but are of the system.
    into = result.shared if folder.shared or placement.is_shared(target) else result.private
    if text.startswith("/") and not placement.is_shared(text):
        into = result.links
    into[target] = Entry(target, LinkContent(text), 0o755)
