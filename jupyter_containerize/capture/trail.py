"""The way to a file: every symbolic link that must exist for a path to lead where it leads.

Under usrmerge `/lib/x86_64-linux-gnu/libz.so.1` is three facts: `/lib` links to `usr/lib`,
`libz.so.1` links to `libz.so.1.2.13`, and that is a file. Copying those entries, each under
its own path, reproduces the way in an image; nothing else needs to know about usrmerge.
"""

from __future__ import annotations

from collections.abc import Callable, Iterator

from ..errors import ContainerizeError
from ..model.files import FileEntry, FileKind
from . import disk


def entries(path: str) -> tuple[FileEntry, ...]:
    """Return the links on the way to absolute `path`, then what is there (file or folder).

    Every entry's own parent is free of links. Empty if the way leads nowhere, in a circle,
    or to something that is neither file nor folder.
    """
    try:
        links, real = disk.resolve(path)
    except ContainerizeError:
        return ()
    found = disk.entry(real)
    return (*links, found) if found else ()


def real(path: str) -> str:
    """Return the path behind all links, "" if the way leads nowhere."""
    found = entries(path)
    return found[-1].path if found else ""


def below(
    folder: str, *, keep: Callable[[str, str, bool], bool] = lambda _path, _name, _is_folder: True
) -> Iterator[FileEntry]:
    """Yield the files below `folder`, and for links among them the whole way; some twice.

    `keep(path, name, is_folder)` decides. A folder that cannot be read counts as empty.
    """
    try:
        for item in disk.walk(folder, keep=keep):
            if item.is_symlink():
                yield from (way for way in entries(item.path) if way.kind is not FileKind.DIRECTORY)
                continue
            entry = disk.of_stat(item.path, item.stat(follow_symlinks=False))
            if entry is not None and entry.kind is FileKind.FILE:
                yield entry
    except (ContainerizeError, OSError):
        return
