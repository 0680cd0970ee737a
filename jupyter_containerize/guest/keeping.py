"""The collector's container: keeps the outputs until they are fetched, or a time has passed.

`send` writes them from any byte on (see `archive`): a connection that was cut is taken up where it broke.
"""

from __future__ import annotations

import argparse
import contextlib
import fcntl
import hashlib
import json
import os
import signal
import stat
import sys
import time
from collections.abc import Iterator
from types import FrameType
from typing import Any

from . import archive
from .attendance import ENDED, RUNNING, STOP, attend

FETCHED = "fetched"
LISTING = "listing.json"
_LOOK_S = 0.3
_CHUNK = 1 << 20
#: A pod gets 30 s to end; the kernel kills what is left then.
_GRACE_S = 25.0


def collect(arguments: list[str]) -> int:
    """Wait for the training's end, then for its outputs to be fetched; always return 0.

    A worker that is not the chief has nothing to keep. A failed attempt that will be
    repeated is kept for `--keep-failed` seconds only.
    """
    parser = argparse.ArgumentParser(prog="collect")
    parser.add_argument("control")
    parser.add_argument("--keep", type=float, default=3600.0)
    parser.add_argument("--keep-failed", type=float, default=None)
    parser.add_argument("--chief-only", action="store_true")
    options = parser.parse_args(arguments)
    leaving = _Leaving()
    if not wait_for_the_end(options.control, leaving):
        return 0
    if options.chief_only and os.environ.get("JOB_COMPLETION_INDEX", "0") != "0":
        return 0
    keep = options.keep
    if options.keep_failed is not None and _code(options.control) != "0":
        keep = min(keep, options.keep_failed)
    _keep(options.control, keep, leaving)
    return 0


def _keep(control: str, seconds: float, leaving: _Leaving) -> None:
    until = time.monotonic() + seconds
    while time.monotonic() < min(until, leaving.until):
        if os.path.exists(os.path.join(control, FETCHED)):
            return
        time.sleep(_LOOK_S)
    print("The outputs were not fetched in time.", file=sys.stderr)


def hold(arguments: list[str]) -> int:
    """Train as `attend` does, then keep the outputs, in one container; return the training's exit code.

    For pods of other controllers, which give us no second container. Only the chief keeps outputs.
    """
    parser = argparse.ArgumentParser(prog="hold")
    parser.add_argument("control")
    parser.add_argument("--keep", type=float, default=3600.0)
    words = arguments.index("--")
    options, others = parser.parse_known_args(arguments[:words])
    code = attend([options.control, *others, *arguments[words:]])
    if os.environ.get("JOB_COMPLETION_INDEX", "0") == "0":
        _keep(options.control, options.keep, _Leaving())
    return code


def ended(arguments: list[str]) -> int:
    """Print the training's exit code; nothing while it trains: `control`."""
    print(_code(arguments[0]), flush=True)
    return 0


class _Leaving:
    """What a pod that is being taken away has left: the time in which outputs can still be fetched."""

    def __init__(self) -> None:
        self.until = float("inf")
        for number in (signal.SIGTERM, signal.SIGINT):
            signal.signal(number, self._ask)

    def _ask(self, number: int, frame: FrameType | None) -> None:
        del number, frame
        self.until = min(self.until, time.monotonic() + _GRACE_S)


def wait_for_the_end(control: str, leaving: _Leaving) -> bool:
    """Return once the training has ended; False if we must leave before it began."""
    path = os.path.join(control, RUNNING)
    while not os.path.exists(path):
        if leaving.until < float("inf"):
            return False
        time.sleep(_LOOK_S)
    descriptor = os.open(path, os.O_RDONLY)
    while time.monotonic() < leaving.until:
        if _is_free(descriptor):
            break
        time.sleep(_LOOK_S)
    os.close(descriptor)
    return True


def _is_free(descriptor: int) -> bool:
    try:
        fcntl.flock(descriptor, fcntl.LOCK_SH | fcntl.LOCK_NB)
    except OSError:
        return False
    return True


def upload(arguments: list[str]) -> int:
    """Wait for the training's end, then copy the outputs to an fsspec URL; 1 if that fails."""
    parser = argparse.ArgumentParser(prog="upload")
    parser.add_argument("control")
    parser.add_argument("outputs")
    parser.add_argument("url")
    parser.add_argument("--by-index", action="store_true")
    parser.add_argument("--chief-only", action="store_true")
    options = parser.parse_args(arguments)
    index = os.environ.get("JOB_COMPLETION_INDEX", "0")
    if not wait_for_the_end(options.control, _Leaving()):
        return 0
    if options.chief_only and index != "0":
        return 0
    url = options.url.rstrip("/")
    if options.by_index and not options.chief_only:
        url += f"/{index}"
    try:
        files, there = _file_system(url)
        files.put(options.outputs.rstrip("/") + "/", there.rstrip("/") + "/", recursive=True)
    except Exception as error:
        print(f"The outputs could not be copied to {url}: {error}", file=sys.stderr)
        return 1
    print(f"The outputs are at {url}.")
    return 0


def fetch(arguments: list[str]) -> int:
    """Copy each `URL=TARGET` (a file or a folder) to `TARGET/data`; return the exit code."""
    for argument in arguments:
        url, _, target = argument.rpartition("=")
        try:
            files, there = _file_system(url)
            os.makedirs(target, exist_ok=True)
            files.get(there, os.path.join(target, "data"), recursive=files.isdir(there))
        except Exception as error:
            print(f"{url} could not be fetched: {error}", file=sys.stderr)
            return 1
    return 0


def _file_system(url: str) -> tuple[Any, str]:
    try:
        from fsspec.core import url_to_fs  # noqa: PLC0415 - the image's, if it has one
    except ImportError as error:
        raise RuntimeError(
            "fsspec is not in the image. Import it (and the package of the protocol, such as "
            "s3fs) in a cell, and build again."
        ) from error
    files, there = url_to_fs(url)
    return files, there


def _code(control: str) -> str:
    with contextlib.suppress(OSError), open(os.path.join(control, ENDED)) as file:
        return file.read().strip()
    return ""  # killed before it could say


def listing(arguments: list[str]) -> int:
    """Print what there is to fetch as one JSON document, made once: `control`, `outputs`."""
    control, outputs = arguments
    path = os.path.join(control, LISTING)
    if not os.path.exists(path):
        document = {"version": 1, "files": [_facts(outputs, name) for name in _names(outputs)]}
        half = f"{path}.{os.getpid()}"
        with open(half, "w") as file:
            json.dump(document, file)
        os.replace(half, path)
    with open(path) as file:
        print(file.read(), flush=True)
    return 0


def _names(outputs: str) -> Iterator[str]:
    for place, folders, files in os.walk(outputs):
        folders.sort()
        inside = os.path.relpath(place, outputs)
        links = [name for name in folders if os.path.islink(os.path.join(place, name))]
        for name in sorted([*files, *links, *(["."] if inside != "." else [])]):
            yield os.path.normpath(os.path.join(inside, name))


def _facts(outputs: str, name: str) -> dict[str, Any]:
    path = os.path.join(outputs, name)
    facts = os.lstat(path)
    found: dict[str, Any] = {"path": name, "mode": stat.S_IMODE(facts.st_mode), "size": 0}
    found["mtime"] = int(facts.st_mtime)
    if stat.S_ISLNK(facts.st_mode):
        return {**found, "kind": "link", "to": os.readlink(path)}
    if stat.S_ISDIR(facts.st_mode):
        return {**found, "kind": "folder"}
    if not stat.S_ISREG(facts.st_mode):
        return {**found, "kind": "other"}
    digest = hashlib.sha256()
    size = 0
    try:
        with open(path, "rb") as file:
            while data := file.read(_CHUNK):
                digest.update(data)
                size += len(data)
    except OSError as error:
        return {**found, "kind": "unreadable", "why": str(error.strerror)}
    return {**found, "kind": "file", "size": size, "sha256": digest.hexdigest()}


def send(arguments: list[str]) -> int:
    """Write the tar archive of the listed files to standard output, from byte OFFSET on."""
    control, outputs, offset = arguments[0], arguments[1], int(arguments[2])
    with open(os.path.join(control, LISTING)) as file:
        facts = json.load(file)["files"]
    skip = offset
    for length, pieces in archive.parts(outputs, facts):
        if skip >= length:
            skip -= length
            continue
        for piece in pieces(skip):
            _write(piece)
        skip = 0
    return 0


def _write(data: bytes) -> None:
    view = memoryview(data)
    while view:
        view = view[os.write(1, view) :]


def release(arguments: list[str]) -> int:
    """Tell the collector in `control` that it may end."""
    with open(os.path.join(arguments[0], FETCHED), "w"):
        return 0


def stop(arguments: list[str]) -> int:
    """Ask the training to end within `GRACE` seconds: `control`, `grace`."""
    with open(os.path.join(arguments[0], STOP), "w") as file:
        file.write(arguments[1])
    return 0


STEPS = {
    "collect": collect,
    "hold": hold,
    "ended": ended,
    "upload": upload,
    "fetch": fetch,
    "list": listing,
    "send": send,
    "release": release,
    "stop": stop,
}
