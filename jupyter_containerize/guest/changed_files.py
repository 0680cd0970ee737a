"""The files that cells created or changed in the notebook's folder, brought to the outputs."""

from __future__ import annotations

import os
import shutil
import stat

LEFT_OUT = {"__pycache__", ".ipynb_checkpoints"}

Listing = dict[str, tuple[int, int, int, str]]


def listing(folder: str, *, besides: str) -> Listing:
    """Return path to (size, mtime_ns, inode, link text) of the files and links under `folder`.

    What lies under `besides` (the outputs' own folder) is left out, as are caches.
    """
    found: Listing = {}
    for here, folders, files in os.walk(folder):
        links = [name for name in folders if os.path.islink(os.path.join(here, name))]
        folders[:] = [
            name
            for name in folders
            if name not in LEFT_OUT and name not in links and os.path.join(here, name) != besides
        ]
        for name in files + links:
            path = os.path.join(here, name)
            try:
                status = os.lstat(path)
                link = os.readlink(path) if stat.S_ISLNK(status.st_mode) else ""
            except OSError:
                continue  # gone meanwhile
            if link or stat.S_ISREG(status.st_mode):
                relative = os.path.relpath(path, folder)
                found[relative] = (status.st_size, status.st_mtime_ns, status.st_ino, link)
    return found


def bring_out(folder: str, before: Listing, outputs: str) -> tuple[int, list[str]]:
    """Put new and changed files under `outputs`/files; return how many, and what went wrong.

    A file is linked where the file system allows it, else copied; a link stays a link.
    """
    problems: list[str] = []
    count = 0
    for relative, facts in listing(folder, besides=outputs).items():
        if before.get(relative) == facts:
            continue
        target = os.path.join(outputs, "files", relative)
        try:
            os.makedirs(os.path.dirname(target), exist_ok=True)
            if os.path.lexists(target):
                os.unlink(target)
            _put(os.path.join(folder, relative), target)
            count += 1
        except OSError as error:
            problems.append(f"{relative}: {error.strerror}")
    return count, problems


def _put(source: str, target: str) -> None:
    try:
        os.link(source, target, follow_symlinks=False)
    except OSError:
        shutil.copy2(source, target, follow_symlinks=False)
