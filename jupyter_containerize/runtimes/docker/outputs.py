"""Outputs out of a container's tar: as the caller's own files, and nowhere but in their folder.

A container made the archive, so nothing in it is trusted. (Python's own filter for this came
with 3.11.4; Debian 12 has 3.11.2.)
"""

from __future__ import annotations

import os
import posixpath
import shutil
import tarfile


def unpack_entry(tar: tarfile.TarFile, entry: tarfile.TarInfo, target: str) -> str:  # noqa: PLR0911 - a return for each reason
    """Unpack one entry of a streamed tar below the folder `target`; return why not, or "".

    Folders, files and links within `target` come along; permissions are the owner's, owners
    are the caller. Errors: `OSError`.
    """
    root = os.path.realpath(target)
    name = posixpath.normpath(entry.name)
    path = os.path.join(root, name)
    if name.startswith(("/", "../")) or name == "..":
        return f"{entry.name}: it would lie outside"
    if not _inside(os.path.realpath(os.path.dirname(path)), root):
        return f"{name}: a link on the way leads outside"
    if entry.isdir():
        if not os.path.isdir(path) or os.path.islink(path):
            os.mkdir(path)
        return ""
    if os.path.lexists(path):
        return f"{name}: it is there twice"
    if entry.issym():
        return _link(name, entry.linkname, path, root)
    if entry.islnk():
        return _hard_link(name, entry.linkname, path, root)
    source = tar.extractfile(entry) if entry.isfile() else None
    if source is None:
        return f"{name}: it is no file, folder or link"
    mode = 0o755 if entry.mode & 0o100 else 0o644
    descriptor = os.open(path, os.O_WRONLY | os.O_CREAT | os.O_EXCL | os.O_NOFOLLOW, mode)
    with open(descriptor, "wb") as file:
        shutil.copyfileobj(source, file, 1 << 20)
    os.utime(path, (entry.mtime, entry.mtime))
    return ""


def _link(name: str, text: str, path: str, root: str) -> str:
    parts = text.split("/")
    ups = next((n for n, part in enumerate(parts) if part not in ("..", ".")), len(parts))
    # `..` behind a name may mean anything once that name is a link.
    if text.startswith("/") or ".." in parts[ups:]:
        return f"{name}: it links to {text}"
    if not _inside(os.path.normpath(os.path.join(os.path.dirname(path), text)), root):
        return f"{name}: it links to {text}"
    os.symlink(text, path)
    return ""


def _hard_link(name: str, text: str, path: str, root: str) -> str:
    source = os.path.join(root, posixpath.normpath(text))
    parent = os.path.realpath(os.path.dirname(source))
    if not _inside(parent, root) or os.path.islink(source) or not os.path.isfile(source):
        return f"{name}: it is one with {text}"
    os.link(source, path)
    return ""


def _inside(path: str, root: str) -> bool:
    return path == root or path.startswith(f"{root}/")
