"""Jobs: commands in worker processes that outlive the page, and the server, that asked.

```
<store>/jobs/<id>/
  job.json   {version, id, command, title, notebook, image, run, created_at, pid}; never the
             options, which may hold secrets: they reach the worker through a pipe
  events     what the worker says: one event, as JSON, a line; the last is `result` or `failed`
  errors     its standard error
  lock       held by the worker for its whole life
```
"""

from __future__ import annotations

import contextlib
import fcntl
import json
import os
import secrets
import shutil
import signal
import subprocess
import sys
import threading
import time
from collections.abc import Iterator, Mapping
from typing import Any

from ...errors import ContainerizeError, interrupted

_VERSION = 1
_KEPT = 50
_LAST_BYTES = 4 << 20
_SAID_CHARS = 2000


class Jobs:
    """The jobs of one store."""

    def __init__(self, store_root: str) -> None:
        self.folder = os.path.join(store_root, "jobs")
        self._started: dict[str, subprocess.Popen[bytes]] = {}
        self._lock = threading.Lock()

    def start(
        self,
        command: str,
        options: Mapping[str, Any],
        *,
        title: str,
        notebook: str = "",
        image: str = "",
        run: str = "",
    ) -> dict[str, Any]:
        """Start a worker on a request and return its job. Errors: `worker-not-started`."""
        self._forget_old()
        job_id = f"{time.time_ns() // 1_000_000:013x}-{secrets.token_hex(4)}"
        folder = self._make(job_id)
        record = {
            "version": _VERSION,
            "id": job_id,
            "command": command,
            "title": title,
            "notebook": notebook,
            "image": image,
            "run": run,
            "created_at": time.time(),
            "pid": 0,
        }
        request = json.dumps({"command": command, "options": options}).encode()
        try:
            process = _spawn(folder)
        except OSError as error:
            shutil.rmtree(folder, ignore_errors=True)
            raise ContainerizeError(
                "worker-not-started",
                what="The process that does the work could not be started.",
                why=f"{sys.executable}: {error}",
                fix="Check memory and process limits of this machine, then try again.",
            ) from error
        record["pid"] = process.pid
        _write(os.path.join(folder, "job.json"), record)
        with self._lock:
            self._started[job_id] = process
        threading.Thread(target=_feed, args=(process, request), daemon=True).start()
        return {**record, "state": "running"}

    def all(self) -> list[dict[str, Any]]:
        """Return all jobs, the newest first."""
        found = []
        for job_id in self._ids():
            with contextlib.suppress(ContainerizeError):
                found.append(self.get(job_id))
        return found

    def get(self, job_id: str) -> dict[str, Any]:
        """Return a job with its `state`: running, done, failed, cancelled or lost.

        An ended one has its last event too, as `last`. Errors: `no-such-job`.
        """
        folder = self._folder(job_id)
        try:
            with open(os.path.join(folder, "job.json"), encoding="utf-8") as file:
                record: dict[str, Any] = json.load(file)
        except (OSError, ValueError) as error:
            raise _none(job_id) from error
        self._reap(job_id)
        if _is_held(folder):
            return {**record, "state": "running"}
        last = _last_event(folder) or self._silent(folder, record)
        return {**record, "state": _state(last), "last": last}

    def events_file(self, job_id: str) -> str:
        """Return the file of a job's events. Errors: `no-such-job`."""
        return os.path.join(self._folder(job_id), "events")

    def alive(self, job_id: str) -> bool:
        """Whether the job's worker still lives. Errors: `no-such-job`."""
        self._reap(job_id)
        return _is_held(self._folder(job_id))

    def cancel(self, job_id: str, *, force: bool = False) -> dict[str, Any]:
        """Ask the worker to stop and clean up; with `force` end it at once. Errors: `no-such-job`."""
        job = self.get(job_id)
        # The lock is held, so this is the worker's pid and nobody else's.
        if job["state"] == "running" and job["pid"] > 1:
            with contextlib.suppress(ProcessLookupError, PermissionError):
                if force:
                    os.killpg(job["pid"], signal.SIGKILL)
                else:
                    os.kill(job["pid"], signal.SIGINT)
            _write(os.path.join(self._folder(job_id), "cancelled"), {"at": time.time()})
        return self.get(job_id)

    def forget(self, job_id: str) -> None:
        """Remove an ended job's record. Errors: `no-such-job`, `job-running`."""
        folder = self._folder(job_id)
        if self.alive(job_id):
            raise ContainerizeError(
                "job-running",
                what="This job is still running.",
                fix="Cancel it first.",
            )
        shutil.rmtree(folder, ignore_errors=True)

    # -- inside -------------------------------------------------------------------------

    def _make(self, job_id: str) -> str:
        folder = os.path.join(self.folder, job_id)
        try:
            os.makedirs(self.folder, mode=0o700, exist_ok=True)
            os.mkdir(folder, 0o700)
        except OSError as error:
            raise ContainerizeError(
                "store-read-only",
                what=f"The store cannot be written: {folder}",
                why=str(error.strerror),
                fix="Free some space, or choose another store with JUPYTER_CONTAINERIZE_STORE.",
            ) from error
        return folder

    def _ids(self) -> list[str]:
        try:
            return sorted(os.listdir(self.folder), reverse=True)
        except OSError:
            return []

    def _folder(self, job_id: str) -> str:
        folder = os.path.join(self.folder, job_id)
        if "/" in job_id or job_id in ("", ".", "..") or not os.path.isdir(folder):
            raise _none(job_id)
        return folder

    def _reap(self, job_id: str) -> None:
        """Let an ended child go: only its parent can."""
        with self._lock:
            process = self._started.get(job_id)
            if process is not None and process.poll() is not None:
                del self._started[job_id]

    def _forget_old(self) -> None:
        for job_id in self._ids()[_KEPT:]:
            with contextlib.suppress(ContainerizeError):
                self.forget(job_id)

    def _silent(self, folder: str, record: Mapping[str, Any]) -> dict[str, Any]:
        """Return the last event of a worker that ended without one."""
        if os.path.exists(os.path.join(folder, "cancelled")):
            # A worker that is told to stop before it has begun says nothing.
            return {"is": "failed", "error": interrupted(str(record["command"])).to_json()}
        with contextlib.suppress(OSError), open(os.path.join(folder, "errors"), "rb") as file:
            said = file.read()[-_SAID_CHARS:].decode("utf-8", "replace").strip()
            problem = ContainerizeError(
                "worker-crashed",
                what="The worker process ended without a result.",
                why=said or "It was killed, or the machine was restarted.",
                fix="If memory ran out, free some and try again; what was finished is reused.",
            )
            return {"is": "failed", "error": problem.to_json(), "lost": True}
        raise _none(str(record["id"]))


def _spawn(folder: str) -> subprocess.Popen[bytes]:
    """Start a worker that has no tie to us but the pipe with its request."""
    with contextlib.ExitStack() as stack:
        lock = os.open(os.path.join(folder, "lock"), os.O_RDWR | os.O_CREAT | os.O_CLOEXEC, 0o600)
        stack.callback(os.close, lock)
        fcntl.flock(lock, fcntl.LOCK_EX)
        events, errors = (
            stack.enter_context(open(os.path.join(folder, name), "ab"))
            for name in ("events", "errors")
        )
        stack.enter_context(_kept_for_later(signal.SIGINT))
        return subprocess.Popen(
            [sys.executable, "-m", "jupyter_containerize.worker"],
            stdin=subprocess.PIPE,
            stdout=events,
            stderr=errors,
            pass_fds=[lock],  # it is locked as long as the worker lives, whoever else does
            cwd="/",  # `-m` puts the folder on sys.path: it may hold a json.py
            start_new_session=True,
        )


@contextlib.contextmanager
def _kept_for_later(number: signal.Signals) -> Iterator[None]:
    """Within, processes start with a signal blocked: one that comes early waits until they unblock it.

    Else a worker that is cancelled in its first moments would die without a word, or, where the
    server ignores the signal (it was started in the background of a script), never hear of it.
    """
    before = signal.pthread_sigmask(signal.SIG_BLOCK, {number})
    try:
        yield
    finally:
        signal.pthread_sigmask(signal.SIG_SETMASK, before)


def _feed(process: subprocess.Popen[bytes], request: bytes) -> None:
    with contextlib.suppress(BrokenPipeError):  # it died already; its job tells why
        if process.stdin is not None:
            with process.stdin as pipe:
                pipe.write(request)
    process.wait()


def _write(path: str, data: Mapping[str, Any]) -> None:
    temporary = f"{path}.new"
    with open(temporary, "w", encoding="utf-8") as file:
        json.dump(data, file)
    os.replace(temporary, path)


def _is_held(folder: str) -> bool:
    try:
        lock = os.open(os.path.join(folder, "lock"), os.O_RDONLY | os.O_CLOEXEC)
    except OSError:
        return False
    try:
        fcntl.flock(lock, fcntl.LOCK_SH | fcntl.LOCK_NB)
    except BlockingIOError:
        return True
    finally:
        os.close(lock)
    return False


def _last_event(folder: str) -> dict[str, Any] | None:
    """Return the last line of the events if it ends a job."""
    try:
        with open(os.path.join(folder, "events"), "rb") as file:
            size = file.seek(0, os.SEEK_END)
            file.seek(max(0, size - _LAST_BYTES))
            lines = file.read().splitlines()
    except OSError:
        return None
    with contextlib.suppress(ValueError, IndexError):
        last: dict[str, Any] = json.loads(lines[-1])
        if last.get("is") in ("result", "failed"):
            return last
    return None


def _state(last: Mapping[str, Any]) -> str:
    if last["is"] == "result":
        return "done"
    if last.get("lost"):
        return "lost"
    return "cancelled" if last["error"]["code"] == "interrupted" else "failed"


def _none(job_id: str) -> ContainerizeError:
    return ContainerizeError(
        "no-such-job",
        what=f"There is no job {job_id!r}.",
        why="Only the newest jobs are remembered.",
        fix="Start it again; what was finished is reused.",
    )
