"""Runs as the store keeps them: read, list, wait, remove. Shared by all runtimes on this machine."""

from __future__ import annotations

import contextlib
import os
import secrets
import time
from collections.abc import Callable, Iterator
from dataclasses import dataclass, replace
from typing import Any

from ..errors import ContainerizeError
from ..model.codec import from_json, to_json
from ..model.run import RUN_VERSION, Run, RunState
from . import run_folder

_POLL_S = 0.05
_END_TIMEOUT_S = 60.0


def _lost(folder: str, run: Run) -> Run:
    del folder
    return replace(
        run,
        state=RunState.LOST,
        reason="the process that watched over this run is gone (killed, or the machine restarted)",
    )


@dataclass(frozen=True, slots=True)
class Records:
    """The run folders below `folder` (the store's `runs/`).

    With a `runtime`, its runs only; those whose record cannot be read may be anybody's.
    `abandoned` tells what has become of a run that nobody on this machine watches over: it gets
    the folder and the last record.
    """

    folder: str
    runtime: str = ""
    abandoned: Callable[[str, Run], Run] = _lost

    def path(self, run_id: str) -> str:
        """Return the run's folder. `run_id` may be a unique beginning. Errors: `no-such-run`."""
        names = self._ids()
        matches = [run_id] if run_id in names else [n for n in names if n.startswith(run_id)]
        if len(matches) == 1 and run_id:
            return os.path.join(self.folder, matches[0])
        if not matches or not run_id:
            raise _no_such_run(run_id)
        raise ContainerizeError(
            "no-such-run",
            what=f"{run_id!r} is the beginning of {len(matches)} runs: {', '.join(matches[:5])}.",
            fix="Write more of the id.",
        )

    @staticmethod
    def written(folder: str) -> Run:
        """Return the record in a run's folder as it is written. Errors: `bad-run-record`."""
        return _parse(folder)

    def made(self) -> str:
        """Return the folder, made if absent. Errors: `store-not-writable`."""
        try:
            os.makedirs(self.folder, exist_ok=True)
        except OSError as error:
            raise store_not_writable(self.folder, error) from error
        return self.folder

    def create(self, run: Callable[[str, str], Run]) -> tuple[Run, str, int]:
        """Make a folder, write `run(id, folder)` into it; return both and the held lock.

        The folder appears under its id only when it is complete. Errors: `store-not-writable`.
        """
        run_id = secrets.token_hex(4)
        folder = os.path.join(self.folder, run_id)
        half = os.path.join(self.made(), f".{run_id}")
        try:
            lock = run_folder.create(half)
            record = run(run_id, folder)
            run_folder.write_record(half, on_disk(record))
            os.rename(half, folder)
        except OSError as error:
            run_folder.discard(half)
            raise store_not_writable(self.folder, error) from error
        return record, folder, lock

    def read(self, run_id: str) -> Run:
        """Return the run, `lost` if its supervisor died. Errors: `no-such-run`, `bad-run-record`."""
        folder = self.path(run_id)
        run = _parse(folder)
        if self.runtime not in ("", run.runtime):
            raise _no_such_run(run_id)
        if not run.state.final and not run_folder.is_held(folder):
            # The supervisor writes its last record before it lets go of the lock.
            run = _parse(folder)
            if not run.state.final:
                run = self.abandoned(folder, run)
        return run

    def all(self) -> tuple[Run, ...]:
        """Return all readable runs, newest first; unreadable ones are left out (see `problems`)."""
        runs = [found for found in self._read_all() if isinstance(found, Run)]
        return tuple(sorted(runs, key=lambda run: (-(run.started_at or 0.0), run.id)))

    def problems(self) -> tuple[ContainerizeError, ...]:
        """Return an error for each run whose record cannot be read."""
        return tuple(found for found in self._read_all() if not isinstance(found, Run))

    def _read_all(self) -> Iterator[Run | ContainerizeError]:
        for name in self._ids():
            try:
                yield self.read(name)
            except ContainerizeError as error:  # noqa: PERF203 - one bad record hides no other
                # A run that was removed meanwhile is no problem.
                if error.code != "no-such-run":
                    yield error

    def wait(self, run_id: str, *, timeout_s: float | None) -> Run:
        """Return the run once its state is final, or as it is after `timeout_s`."""
        deadline = None if timeout_s is None else time.monotonic() + timeout_s
        pause_s = 0.005
        while not (run := self.read(run_id)).state.final:
            if deadline is not None and time.monotonic() >= deadline:
                return run
            time.sleep(pause_s)
            pause_s = min(pause_s * 1.5, _POLL_S)
        return run

    def logs(self, run_id: str, *, follow: bool) -> Iterator[str]:
        """Yield the log's lines with their line ends; with `follow`, until the run has ended."""
        folder = self.path(run_id)
        path = os.path.join(folder, run_folder.LOG)
        try:
            file = open(path, encoding="utf-8", errors="replace", newline="")  # noqa: SIM115
        except OSError as error:
            raise _unreadable(folder, error) from error
        with file:
            while True:
                ended = not follow or self.read(os.path.basename(folder)).state.final
                yield from iter(lambda: file.readline(65536), "")
                if ended:
                    return
                time.sleep(_POLL_S)

    def remove(self, run_id: str) -> None:
        """Delete an ended run with its outputs. Errors: `no-such-run`, `run-is-running`."""
        folder = self.path(run_id)
        if self._is_running(folder):
            raise ContainerizeError(
                "run-is-running",
                what=f"Run {os.path.basename(folder)} is still running.",
                fix=f"Stop it first: jupyter containerize stop {os.path.basename(folder)}",
            )
        run_folder.discard(folder)
        if os.path.exists(folder):
            raise ContainerizeError(
                "run-not-removed",
                what=f"Some files of run {os.path.basename(folder)} could not be deleted.",
                why="They belong to another user.",
                fix=f"Delete {folder} as the user who owns them.",
            )

    def _is_running(self, folder: str) -> bool:
        deadline = time.monotonic() + _END_TIMEOUT_S
        while run_folder.is_held(folder):
            with contextlib.suppress(ContainerizeError):
                if not _parse(folder).state.final or time.monotonic() > deadline:
                    return True
            # Its outcome is known; the supervisor is tidying up.
            time.sleep(_POLL_S)
        return False

    def _ids(self) -> list[str]:
        try:
            return sorted(name for name in os.listdir(self.folder) if not name.startswith("."))
        except FileNotFoundError:
            return []
        except OSError as error:
            raise _unreadable(self.folder, error) from error


def on_disk(run: Run) -> dict[str, Any]:
    """Return the record's JSON, with the values of environment variables left out.

    `--env TOKEN=...` is a usual way to hand over a secret; the store must not keep it.
    """
    data: dict[str, Any] = to_json(run)
    data["spec"]["environment"] = dict.fromkeys(data["spec"]["environment"], "…")
    return data


def _parse(folder: str) -> Run:
    try:
        data = run_folder.read_record(folder)
        version = data.get("version")
    except (OSError, ValueError) as error:
        raise _unreadable(folder, error) from error
    if not isinstance(version, int) or version > RUN_VERSION:
        raise ContainerizeError(
            "bad-run-record",
            what=f"Run {os.path.basename(folder)} was recorded in format {version}.",
            why=f"This jupyter-containerize knows formats up to {RUN_VERSION}.",
            fix="Update jupyter-containerize, or remove the run.",
        )
    try:
        return from_json(Run, data)
    except ContainerizeError as error:
        raise _unreadable(folder, error) from error


def _no_such_run(run_id: str) -> ContainerizeError:
    return ContainerizeError(
        "no-such-run",
        what=f"There is no run {run_id!r} in this store.",
        fix="`jupyter containerize runs` lists the runs.",
    )


def _unreadable(folder: str, error: Exception) -> ContainerizeError:
    return ContainerizeError(
        "bad-run-record",
        what=f"The record of run {os.path.basename(folder)} cannot be read.",
        why=str(getattr(error, "why", "") or error),
        fix=f"Look into {folder}, or remove the run.",
    )


def store_not_writable(folder: str, error: OSError) -> ContainerizeError:
    """Return the error for a store in which no run can be made."""
    return ContainerizeError(
        "store-not-writable",
        what="The run's folder could not be made in the store.",
        why=f"{folder}: {error.strerror or error}",
        fix="Free space or permit writing there, or set JUPYTER_CONTAINERIZE_STORE to another folder.",
    )
