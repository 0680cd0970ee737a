"""Files of our own on disk: atomic small files, and errors that say what to do."""

from __future__ import annotations

import contextlib
import errno
import os
import secrets
from collections.abc import Iterator

from ..errors import ContainerizeError

_FULL = {errno.ENOSPC, errno.EDQUOT, errno.EFBIG}
_COPY_BYTES = 1 << 20
_REFUSED = {errno.EACCES, errno.EPERM, errno.EROFS}


@contextlib.contextmanager
def writing(path: str) -> Iterator[None]:
    """Turn the `OSError`s of writing below `path` into ours.

    Errors: `no-space`, `store-read-only`, `write-failed`.
    """
    try:
        yield
    except OSError as error:
        raise _explain(path, error) from error


def _explain(path: str, error: OSError) -> ContainerizeError:
    why = f"{error.strerror or error}: {error.filename or path}"
    if error.errno in _FULL:
        return no_space(path, why=why)
    if error.errno in _REFUSED:
        return ContainerizeError(
            "store-read-only",
            what=f"Nothing can be written below {path}.",
            why=why,
            fix=(
                "Make the folder writable for you, or choose another one: set "
                "JUPYTER_CONTAINERIZE_STORE for the store, or another --output."
            ),
        )
    return ContainerizeError(
        "write-failed",
        what=f"Writing below {path} failed.",
        why=why,
        fix="Check the disk, or choose another folder.",
    )


def no_space(path: str, *, why: str) -> ContainerizeError:
    """Return the error for a full disk or a quota."""
    return ContainerizeError(
        "no-space",
        what=f"There is not enough space below {path}.",
        why=why,
        fix=(
            "Free some (`jupyter containerize gc` removes what nothing uses), or set "
            "JUPYTER_CONTAINERIZE_STORE to a folder on a larger disk."
        ),
    )


def require_space(folder: str, need_bytes: int) -> None:
    """Check that `need_bytes` fit below `folder`. Errors: `no-space`."""
    status = os.statvfs(folder)
    free_bytes = status.f_bavail * status.f_frsize
    if need_bytes > free_bytes:
        need_mb, free_mb = need_bytes / 1e6, free_bytes / 1e6
        raise no_space(folder, why=f"{need_mb:,.1f} MB are needed and {free_mb:,.1f} MB are free.")


def write_atomically(path: str, data: bytes, *, durable: bool = True) -> None:
    """Write `data` to `path` so that readers see the old file, the new one, or none.

    The bytes are on disk before the name is: for small files that others trust. What may be lost when
    the machine's power is, because it is made anew where it is missing or damaged, needs not be
    `durable`: a wait for the disk is longer than everything else here.
    """
    temporary = f"{path}.{secrets.token_hex(6)}.tmp"
    try:
        with open(temporary, "xb") as file:
            file.write(data)
            if durable:
                file.flush()
                os.fsync(file.fileno())
        os.replace(temporary, path)
    except BaseException:
        with contextlib.suppress(OSError):
            os.unlink(temporary)
        raise


def read_or_none(path: str) -> bytes | None:
    """Return the bytes of a small file, None if there is no such file."""
    try:
        with open(path, "rb") as file:
            return file.read()
    except FileNotFoundError:
        return None


def copy_bytes(source: int, target: int, offset: int, size_bytes: int) -> int:
    """Copy from `offset` of `source` to where `target` stands; return how many bytes it gave.

    Inside the kernel where the file system can (then even without copying, on some).
    """
    in_kernel = hasattr(os, "copy_file_range")
    left = size_bytes
    while left:
        if in_kernel:
            try:
                count = os.copy_file_range(source, target, left, offset_src=offset)
            except OSError:
                in_kernel = False  # a disk's real problem shows again below
                continue
        else:
            count = os.write(target, os.pread(source, min(left, _COPY_BYTES), offset))
        if count == 0:
            break
        offset += count
        left -= count
    return size_bytes - left
