"""How long a capture takes, as the magic does it: the kernel's record, while a worker starts."""

from __future__ import annotations

import json
import os
import subprocess
import sys
import time

from table import Row, at_most
from timing import stopwatch

_SCAN_BYTES = 64 << 20


def rows(connection: str, folder: str, *, rounds: int) -> list[Row]:
    """Measure captures of a live kernel; leave the last record in `folder`/record.json."""
    first, scan_s = _capture(connection, folder, "store-0")
    again = [_capture(connection, folder, "store-0") for _ in range(rounds)]
    import statistics  # noqa: PLC0415 - the worker has no need of it

    repeated = statistics.median(seconds for seconds, _ in again)
    return [
        at_most("capture, first (starts a fresh kernel to compare with)", first, 3),
        at_most("capture, repeated in a warm kernel", repeated, 1),
        at_most("secret scan of the notebook, apart", scan_s),
        _scanning(folder),
    ]


def _capture(connection: str, folder: str, store: str) -> tuple[float, float]:
    """Return the seconds of a capture without the secret scan, and those of the scan."""
    from jupyter_containerize.capture import kernel  # noqa: PLC0415 - the worker has no need of it

    started = time.perf_counter()
    path = os.path.join(folder, "record.json")
    command = [sys.executable, __file__, os.path.join(folder, store)]
    with subprocess.Popen(command, stdin=subprocess.PIPE, stdout=subprocess.PIPE) as worker:
        record = kernel.attach(connection)
        with open(path, "w", encoding="ascii") as file:
            file.write(json.dumps(record))
        assert worker.stdin is not None and worker.stdout is not None  # noqa: PT018 - both pipes
        with worker.stdin as pipe:
            pipe.write(os.fsencode(path))
        scan_s = float(worker.stdout.readline())
        seconds = time.perf_counter() - started - scan_s
    return seconds, scan_s


def _worker(store_path: str) -> None:
    """Be the worker: everything from the record to the snapshot; print the scan's seconds."""
    from jupyter_containerize.capture import assemble, record, secrets  # noqa: PLC0415 - is timed
    from jupyter_containerize.model.options import CaptureOptions  # noqa: PLC0415 - is timed
    from jupyter_containerize.oci.store import Store  # noqa: PLC0415 - is timed
    from jupyter_containerize.workflow.collector import at_rest  # noqa: PLC0415 - is timed

    spent = [0.0]
    scan = secrets.scan

    def timed(**options: object) -> object:
        started = time.perf_counter()
        found = scan(**options)
        spent[0] += time.perf_counter() - started
        return found

    secrets.scan = timed
    with open(sys.stdin.read(), "rb") as file:
        found = record.parse(file.read())
    with at_rest():
        assemble.snapshot(
            found, notebook="", options=CaptureOptions(), store=Store.open(store_path)
        )
    print(spent[0], flush=True)


def _scanning(folder: str) -> Row:
    """Search a large table and a large text file, half each."""
    from jupyter_containerize.capture import secrets  # noqa: PLC0415 - not the worker's concern
    from jupyter_containerize.model.files import FileEntry  # noqa: PLC0415 - same

    table = b"id,name,measured,note\n" + b"17,north-east,0.70710678,as before\n"
    text = b"It was a bright cold day, and the clocks were striking thirteen; see page 17 of it.\n"
    files = []
    for name, line in (("table.csv", table), ("notes.txt", text)):
        path = os.path.join(folder, name)
        with open(path, "wb") as file:
            file.write(line * (_SCAN_BYTES // 2 // len(line)))
        files.append(FileEntry(path, size_bytes=os.path.getsize(path)))
    megabytes = sum(entry.size_bytes for entry in files) / 1e6
    speed = megabytes / stopwatch(lambda: secrets.scan(files=files))
    for entry in files:
        os.unlink(entry.path)
    what = "secret scan of data files"
    return Row(what, f"{speed:.0f} MB/s", target="≥ 50 MB/s", met=speed >= 50)  # noqa: PLR2004


if __name__ == "__main__":
    _worker(sys.argv[1])
