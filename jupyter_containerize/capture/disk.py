"""What lies on this machine's disk, as `FileEntry` values. Nothing here follows a link unasked."""

from __future__ import annotations

import errno
import hashlib
import os
import shlex
import stat
from collections.abc import Callable, Iterator

from ..errors import ContainerizeError
from ..model.files import FileEntry, FileKind

_READ_BYTES = 1 << 20
#: As many symlinks as Linux follows before it answers ELOOP (path_resolution(7)).
_MAX_LINKS = 40


def entry(path: str, *, sha256: str | None = None) -> FileEntry | None:
    """Return what `lstat` sees at `path`; None where nothing is, or neither file, link nor folder."""
    try:
        found = os.lstat(path)
    except (OSError, ValueError):
        return None
    return of_stat(path, found, sha256=sha256)


def of_stat(path: str, found: os.stat_result, *, sha256: str | None = None) -> FileEntry | None:
    """Return the entry for a `lstat` result already at hand; None for devices, pipes, sockets."""
    mode = found.st_mode
    if stat.S_ISREG(mode):
        return FileEntry(
            path, FileKind.FILE, found.st_size, found.st_mtime_ns, bool(mode & 0o111), sha256
        )
    if stat.S_ISLNK(mode):
        try:
            text = os.readlink(path)
        except OSError:
            return None
        return FileEntry(path, FileKind.SYMLINK, len(text), found.st_mtime_ns, link=text)
    if stat.S_ISDIR(mode):
        return FileEntry(path, FileKind.DIRECTORY, 0, found.st_mtime_ns)
    return None


def hashed(path: str) -> FileEntry:
    """Return the regular file at `path` with its SHA-256, read once more if it changed meanwhile.

    Errors: `unreadable-file`, `file-changed-while-read`.
    """
    for _ in range(2):
        try:
            with open(path, "rb", buffering=0) as file:
                before = os.fstat(file.fileno())
                digest = hashlib.sha256()
                while chunk := file.read(_READ_BYTES):
                    digest.update(chunk)
                after = os.fstat(file.fileno())
        except (OSError, ValueError) as error:
            raise unreadable(path, error) from error
        if (before.st_size, before.st_mtime_ns) == (after.st_size, after.st_mtime_ns):
            executable = bool(after.st_mode & 0o111)
            return FileEntry(
                path,
                FileKind.FILE,
                after.st_size,
                after.st_mtime_ns,
                executable,
                digest.hexdigest(),
            )
    raise ContainerizeError(
        "file-changed-while-read",
        what=f"{path!r} keeps changing while it is read.",
        why="Something still writes to it, so no two reads would give the same image.",
        fix="Wait until it is complete, then try again.",
    )


def unreadable(path: str, error: BaseException) -> ContainerizeError:
    """Return the error for a file that cannot be read."""
    if isinstance(error, OSError) and error.errno == errno.ELOOP:
        return symlink_loop(path)
    reason = error.strerror if isinstance(error, OSError) else str(error)
    return ContainerizeError(
        "unreadable-file",
        what=f"{path!r} cannot be read.",
        why=f"The system answers: {reason}.",
        fix=f"Make it readable (chmod u+r), or keep it out at run time with "
        f"--mount {shlex.quote(f'{path}:{path}:ro')}",
    )


def symlink_loop(path: str) -> ContainerizeError:
    """Return the error for links that lead back to themselves."""
    return ContainerizeError(
        "symlink-loop",
        what=f"{path!r} cannot be followed: its symbolic links lead in a circle.",
        fix="Point the link at the real file, or remove it.",
    )


def resolve(path: str) -> tuple[tuple[FileEntry, ...], str]:
    """Return every symlink met on the way to `path`, in order, and the real path behind it.

    The last component counts too. What does not exist ends the walk: the real path then
    names it all the same. Errors: `symlink-loop`.
    """
    links: dict[str, FileEntry] = {}
    pending = [part for part in path.split("/") if part not in ("", ".")][::-1]
    real = ""
    followed = 0
    while pending:
        part = pending.pop()
        if part == "..":
            real = real.rpartition("/")[0]
            continue
        here = f"{real}/{part}"
        found = _link(here)
        if found is None:
            real = here
            continue
        followed += 1
        if followed > _MAX_LINKS:
            raise symlink_loop(path)
        links[here] = found
        text = found.link or ""
        if text.startswith("/"):
            real = ""
        pending.extend([p for p in text.split("/") if p not in ("", ".")][::-1])
    return tuple(links.values()), real or "/"


def _link(path: str) -> FileEntry | None:
    try:
        os.readlink(path)
    except (OSError, ValueError):
        return None
    return entry(path)


def walk(folder: str, *, keep: Callable[[str, str, bool], bool]) -> Iterator[os.DirEntry[str]]:
    """Yield everything below `folder` in name order, folders before what they hold.

    `keep(path, name, is_folder)` decides; a folder that is not kept is not entered. Links
    to folders are yielded, never entered. Errors: `unreadable-file`.
    """
    try:
        with os.scandir(folder) as listing:
            entries = sorted(listing, key=lambda item: item.name)
    except OSError as error:
        raise unreadable(folder, error) from error
    for item in entries:
        is_folder = item.is_dir(follow_symlinks=False)
        if not keep(item.path, item.name, is_folder):
            continue
        yield item
        if is_folder:
            yield from walk(item.path, keep=keep)


def inside(path: str, folder: str) -> bool:
    """Whether `path` is `folder` or lies below it, by their texts alone."""
    return path == folder or path.startswith(folder.rstrip("/") + "/")
