"""The end of a run in an engine: its log and outputs to the run's folder, its last record."""

from __future__ import annotations

import contextlib
import io
import os
import tarfile
import time
from collections.abc import Iterator
from dataclasses import replace
from typing import Any

from ...engine.client import Engine
from ...errors import ContainerizeError
from ...model.run import Run, RunState
from .. import run_folder
from ..records import on_disk
from ..watch import out_of_memory, timed_out
from .container import OUTPUTS
from .link import Link
from .outputs import unpack_entry

#: Files in a run's folder: somebody asked it to stop; it took too long.
STOPPED_FILE = "stopped"
TIMED_OUT_FILE = "timed-out"
_BUFFER_BYTES = 1 << 20
_KILLED = 137
_NOT_STARTED = (126, 127)


def is_over(found: dict[str, Any] | None) -> bool:
    """Whether a container (as inspected; None: gone) has ended for good."""
    if found is None:
        return True
    state = found["State"]
    return state.get("Status") in ("exited", "dead", "stopped") and not state.get("Restarting")


def finish(folder: str, run: Run, container: str, engine: Engine) -> Run:
    """Bring home what an ended run left, write its final record, remove its container.

    The caller holds the run's lock. Errors: those of the engine; then the record stays as it
    is, and the next who looks tries again.
    """
    found = engine.inspect(container)
    if found is None:
        ended = replace(
            run,
            state=RunState.LOST,
            ended_at=time.time(),
            reason="its container is gone: somebody removed it, or the engine lost its data",
        )
    else:
        problems = [
            *_save_log(folder, container, engine),
            *_save_outputs(folder, container, engine),
        ]
        ended = _ended(folder, run, found, problems)
    run_folder.write_record(folder, on_disk(ended))
    engine.remove(container)
    Link.cut(folder)
    run_folder.discard(os.path.join(folder, run_folder.SCRATCH))
    for name in (STOPPED_FILE, TIMED_OUT_FILE):
        with contextlib.suppress(FileNotFoundError):
            os.unlink(os.path.join(folder, name))
    return ended


def _ended(folder: str, run: Run, found: dict[str, Any], problems: list[str]) -> Run:
    state = found["State"]
    code = int(state.get("ExitCode") or 0)
    reason = ""
    limit = run.spec.limits.memory_bytes
    timed = os.path.exists(os.path.join(folder, TIMED_OUT_FILE))
    stopped = os.path.exists(os.path.join(folder, STOPPED_FILE))
    if timed:
        reason = timed_out(run.spec.limits.timeout_s or 0.0)
    elif state.get("OOMKilled") and code:
        reason = out_of_memory(limit, limit) if limit else "out of memory: the machine has no more"
    elif code == _KILLED and limit and not stopped:
        # podman does not always notice; nobody asked for this end.
        reason = f"killed, probably out of memory ({limit / 1e6:.0f} MB allowed); raise --memory"
    elif state.get("Error"):
        reason = str(state["Error"])
    elif code in _NOT_STARTED:
        command = " ".join(run.spec.entrypoint or ("the image's command",))
        reason = f"a command was not found or may not be executed; it began with: {command}"
    if stopped and not timed:
        final = RunState.STOPPED
    else:
        final = RunState.FAILED if code or timed else RunState.SUCCEEDED
    return replace(
        run,
        state=final,
        exit_code=code,
        ended_at=time.time(),
        reason="; ".join(filter(None, [reason, *problems])),
    )


def _save_log(folder: str, container: str, engine: Engine) -> list[str]:
    """Copy the log; return what is wrong with the copy."""
    try:
        with open(os.path.join(folder, run_folder.LOG), "wb") as file:
            file.writelines(engine.logs(container, follow=False))
    except ContainerizeError as error:
        if error.code != "engine-refused":
            raise
        # A log driver that keeps nothing to read, for example.
        return [f"the log is not here: {error.why}"]
    except OSError as error:
        return [f"the log is incomplete: {error.strerror}"]
    return []


def _save_outputs(folder: str, container: str, engine: Engine) -> list[str]:
    """Unpack `/outputs` for the caller; return what could not be."""
    target = os.path.join(folder, run_folder.OUTPUTS)
    stream = _Stream(engine.get(container, OUTPUTS))
    refused = []
    try:
        with tarfile.open(fileobj=stream, mode="r|", bufsize=_BUFFER_BYTES) as tar:
            for member in tar:
                member.name = member.name.partition("/")[2]
                if member.islnk():
                    member.linkname = member.linkname.partition("/")[2]
                if member.name and (problem := unpack_entry(tar, member, target)):
                    refused.append(problem)
    except tarfile.ReadError:
        # Nothing at all: an image whose `/outputs` went away.
        if stream.read_bytes:
            raise
    except OSError as error:
        return [f"outputs are incomplete: {error.strerror or error}"]
    told = [f"not fetched: {one}" for one in refused[:3]]
    return told + ([f"and {len(refused) - 3} more"] if len(refused) > 3 else [])  # noqa: PLR2004


class _Stream(io.RawIOBase):
    """Chunks as a file to read from."""

    def __init__(self, chunks: Iterator[bytes]) -> None:
        self._chunks = chunks
        self._rest = b""
        self.read_bytes = 0

    def readable(self) -> bool:
        """Return True."""
        return True

    def readinto(self, buffer: Any) -> int:
        """Fill `buffer` from the chunks; 0 at their end."""
        if not self._rest:
            self._rest = next(filter(None, self._chunks), b"")
        count = min(len(buffer), len(self._rest))
        buffer[:count] = self._rest[:count]
        self._rest = self._rest[count:]
        self.read_bytes += count
        return count
