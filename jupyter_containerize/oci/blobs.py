"""Content-addressed blobs: written beside, hashed on the way, renamed when whole."""

from __future__ import annotations

import contextlib
import fcntl
import hashlib
import os
import secrets
from collections.abc import Iterator
from dataclasses import dataclass
from typing import TYPE_CHECKING

from .disk import writing
from .locks import is_locked, locked

if TYPE_CHECKING:
    from _typeshed import ReadableBuffer


@dataclass(frozen=True, slots=True)
class Blob:
    """A stored blob: `digest` is `sha256:<hex>`."""

    digest: str
    size_bytes: int


class BlobWriter:
    """Takes bytes, hashes and stores them; `commit()` makes them a blob. Not thread-safe."""

    def __init__(self, descriptor: int, path: str, blobs: str) -> None:
        self._descriptor = descriptor
        self._path = path
        self._blobs = blobs
        self._hash = hashlib.sha256()
        self.size_bytes = 0
        self.committed = False

    def write(self, data: ReadableBuffer) -> None:
        """Append all of `data`. Errors: `no-space`, `store-read-only`."""
        view = memoryview(data)
        self._hash.update(view)
        with writing(self._blobs):
            done = 0
            while done < len(view):
                done += os.write(self._descriptor, view[done:])
        self.size_bytes += len(view)

    @property
    def digest(self) -> str:
        """The digest of what was written so far."""
        return f"sha256:{self._hash.hexdigest()}"

    def commit(self) -> Blob:
        """Give the bytes their name. An equal blob that is already there stays."""
        hexdigest = self._hash.hexdigest()
        with writing(self._blobs):
            os.fchmod(self._descriptor, 0o444)
            os.replace(self._path, os.path.join(self._blobs, hexdigest))
        self.committed = True
        return Blob(f"sha256:{hexdigest}", self.size_bytes)


@contextlib.contextmanager
def blob_writer(*, blobs: str, temporary: str, sweep_lock: str) -> Iterator[BlobWriter]:
    """Open a `BlobWriter` for the folder `blobs`; what is not committed is removed.

    Its temporary file is locked while the writer lives, so `sweep` can tell a dead
    writer's from a living one's; `sweep_lock` covers the moment before that lock is held.
    """
    path = os.path.join(temporary, secrets.token_hex(8))
    with writing(blobs):
        os.makedirs(blobs, exist_ok=True)
        with locked(sweep_lock, shared=True):
            flags = os.O_WRONLY | os.O_CREAT | os.O_EXCL | os.O_CLOEXEC
            descriptor = os.open(path, flags, 0o600)
            fcntl.flock(descriptor, fcntl.LOCK_EX)
    writer = BlobWriter(descriptor, path, blobs)
    try:
        yield writer
    finally:
        os.close(descriptor)
        if not writer.committed:
            with contextlib.suppress(OSError):
                os.unlink(path)


def dead_temporaries(temporary: str) -> list[str]:
    """List the half-made files and folders whose makers are gone (hold the sweep lock)."""
    with os.scandir(temporary) as entries:
        return [entry.path for entry in entries if not is_locked(entry.path)]
