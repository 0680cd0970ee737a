"""Files of this machine as they go into a layer: opened safely, and unchanged while read."""

from __future__ import annotations

import errno
import os
import stat

from ..errors import ContainerizeError
from ..model.plan import FileContent

# A FIFO must not block us, and a file that became a link must not lead elsewhere.
_FLAGS = os.O_RDONLY | os.O_NOFOLLOW | os.O_NONBLOCK | os.O_CLOEXEC
_AGAIN = "Build again once nothing writes to it, or leave it out."


def open_source(content: FileContent) -> int:
    """Open the file and check that it is as the plan says; return the descriptor.

    Errors: `file-vanished`, `file-unreadable`, `not-a-file`, `file-changed`.
    """
    try:
        descriptor = os.open(content.path, _FLAGS)
    except OSError as error:
        raise source_error(content.path, error) from error
    try:
        check_unchanged(content, descriptor)
    except BaseException:
        os.close(descriptor)
        raise
    return descriptor


def check_unchanged(content: FileContent, descriptor: int) -> None:
    """Check kind, size and time against the plan. Errors: `not-a-file`, `file-changed`."""
    status = os.fstat(descriptor)
    if not stat.S_ISREG(status.st_mode):
        raise not_a_file(content.path)
    if status.st_size != content.size_bytes or content.mtime_ns not in (0, status.st_mtime_ns):
        raise file_changed(content.path)


def read_source(content: FileContent) -> bytes:
    """Return the whole of a small file, checked before and after. Errors: as `open_source`."""
    descriptor = open_source(content)
    try:
        with os.fdopen(descriptor, "rb", closefd=False) as file:
            data = file.read()
        check_unchanged(content, descriptor)
    except OSError as error:
        raise source_error(content.path, error) from error
    finally:
        os.close(descriptor)
    if len(data) != content.size_bytes:
        raise file_changed(content.path)
    return data


def source_error(path: str, error: OSError) -> ContainerizeError:
    """Return the error for a file that cannot be opened or read."""
    if error.errno in (errno.ENOENT, errno.ENOTDIR):
        return ContainerizeError(
            "file-vanished",
            what=f"The file {_shown(path)} is gone.",
            why="It was there when the notebook was captured.",
            fix="Put it back, or build again without it.",
        )
    if error.errno == errno.ELOOP:
        return file_changed(path)
    if error.errno == errno.ENXIO:
        return not_a_file(path)
    return ContainerizeError(
        "file-unreadable",
        what=f"The file {_shown(path)} cannot be read.",
        why=str(error.strerror or error),
        fix="Make it readable for you, or leave it out.",
    )


def file_changed(path: str) -> ContainerizeError:
    """Return the error for a file that is not what the plan says."""
    return ContainerizeError(
        "file-changed",
        what=f"The file {_shown(path)} has changed since it was captured, or while it was read.",
        why="Its size, time or kind is another now, so the image would hold a mixture.",
        fix=_AGAIN,
    )


def not_a_file(path: str) -> ContainerizeError:
    """Return the error for a FIFO, socket, device or folder in a file's place."""
    return ContainerizeError(
        "not-a-file",
        what=f"{_shown(path)} is not a regular file.",
        why="A FIFO, socket or device holds nothing that an image could carry.",
        fix="Leave it out.",
    )


def _shown(path: str) -> str:
    """Return the path for people: one line, without undecodable bytes."""
    return ascii(path) if not path.isprintable() else path
