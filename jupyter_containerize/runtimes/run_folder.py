"""A run's folder on disk: names, atomic writes, the lock.

The supervisor imports this, so it needs only the standard library and little of it.

```
<store>/runs/<id>/
  run.json   the record (model.run.Run), replaced atomically
  lock       held by the supervisor for its whole life
  log        everything the container wrote
  control    FIFO: "stop <grace seconds>" lines for the supervisor
  outputs/   /outputs in the container
  scratch/   what the container may write elsewhere; removed when it ends
```
"""

from __future__ import annotations

import contextlib
import errno
import fcntl
import json
import os
from typing import Any

RECORD = "run.json"
LOCK = "lock"
LOG = "log"
CONTROL = "control"
OUTPUTS = "outputs"
SCRATCH = "scratch"


def create(folder: str) -> int:
    """Make an empty run folder (0700) and return its lock, held, as a file descriptor."""
    os.mkdir(folder, 0o700)
    for name in (OUTPUTS, SCRATCH):
        os.mkdir(os.path.join(folder, name), 0o755)
    os.mkfifo(os.path.join(folder, CONTROL), 0o600)
    os.close(os.open(os.path.join(folder, LOG), os.O_WRONLY | os.O_CREAT | os.O_CLOEXEC, 0o600))
    lock = os.open(os.path.join(folder, LOCK), os.O_RDWR | os.O_CREAT | os.O_CLOEXEC, 0o600)
    fcntl.flock(lock, fcntl.LOCK_EX | fcntl.LOCK_NB)
    return lock


def take(folder: str) -> int | None:
    """Return the lock, held, as a file descriptor; None when a living process has it."""
    lock = os.open(os.path.join(folder, LOCK), os.O_RDWR | os.O_CLOEXEC)
    try:
        fcntl.flock(lock, fcntl.LOCK_EX | fcntl.LOCK_NB)
    except OSError as error:
        os.close(lock)
        if error.errno in (errno.EWOULDBLOCK, errno.EACCES):
            return None
        raise
    return lock


def is_held(folder: str) -> bool:
    """Tell whether a living process holds the run's lock."""
    try:
        lock = os.open(os.path.join(folder, LOCK), os.O_RDONLY | os.O_CLOEXEC)
    except (FileNotFoundError, NotADirectoryError):
        return False
    try:
        fcntl.flock(lock, fcntl.LOCK_SH | fcntl.LOCK_NB)
    except OSError as error:
        if error.errno in (errno.EWOULDBLOCK, errno.EACCES):
            return True
        raise
    finally:
        os.close(lock)
    return False


def write_record(folder: str, data: dict[str, Any]) -> None:
    """Replace `run.json`: a reader sees the old record or the new one, never a part."""
    path = os.path.join(folder, RECORD)
    half = f"{path}.{os.getpid()}"
    descriptor = os.open(half, os.O_WRONLY | os.O_CREAT | os.O_TRUNC | os.O_CLOEXEC, 0o600)
    with open(descriptor, "w", encoding="ascii") as file:
        json.dump(data, file)
    os.replace(half, path)


def read_record(folder: str) -> dict[str, Any]:
    """Return `run.json` as plain data. Errors: `OSError`, `ValueError`."""
    with open(os.path.join(folder, RECORD), encoding="ascii") as file:
        data = json.load(file)
    if not isinstance(data, dict):
        raise ValueError("not an object")  # noqa: TRY004 - one kind of error for "not a record"
    return data


def send(folder: str, line: str) -> bool:
    """Write one line to the supervisor; False when nobody listens."""
    try:
        control = os.open(os.path.join(folder, CONTROL), os.O_WRONLY | os.O_NONBLOCK | os.O_CLOEXEC)
    except OSError as error:
        if error.errno in (errno.ENXIO, errno.ENOENT):
            return False
        raise
    try:
        os.write(control, line.encode("ascii") + b"\n")
    except BrokenPipeError:
        return False
    finally:
        os.close(control)
    return True


def discard(folder: str) -> None:
    """Delete a tree, also folders that their owner may not enter. Best effort, never raises."""
    import shutil  # noqa: PLC0415 - only needed at the end of a run

    # Overlay file systems leave folders of mode 000, and cells may make their own.
    with contextlib.suppress(OSError):
        for place, folders, _ in os.walk(folder):
            for name in folders:
                below = os.path.join(place, name)
                if not os.path.islink(below):
                    os.chmod(below, 0o700)
    shutil.rmtree(folder, ignore_errors=True)
