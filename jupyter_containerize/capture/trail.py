"""The way to a file: every symbolic link that must exist for a path to lead where it leads.

Under usrmerge `/lib/x86_64-linux-gnu/libz.so.1` is three facts: `/lib` links to `usr/lib`,
`libz.so.1` links to `libz.so.1.2.13`, and that is a file. Copying those entries, each under
its own path, reproduces the way in an image; nothing else needs to know about usrmerge.
"""

from __future__ import annotations

from ..errors import ContainerizeError
from ..model.files import FileEntry
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
