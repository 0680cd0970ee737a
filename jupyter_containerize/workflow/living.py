"""Living runs, for surfaces that show them: what they use, and what they answer."""

from __future__ import annotations

import contextlib
import json
import os
import socket
import time
import urllib.error
import urllib.parse
import urllib.request
from collections.abc import Iterator
from typing import Any

from ..errors import ContainerizeError
from ..model.codec import to_json
from ..model.plan import ARTIFACT_FOLDER
from ..model.run import Run
from ..oci.store import Store
from ..runtimes import usage as measured
from ..runtimes.protocol import Runtime
from ..runtimes.run_folder import LOG
from .records import file_in_image, open_store, resolve
from .running import find_run

_ANSWER_S = 60.0
_FRESH_S = 2.0
_MOST_BYTES = 10_000_000

#: A run's port is on loopback: no proxy, whatever the environment says.
_OPENER = urllib.request.build_opener(urllib.request.ProxyHandler({}))


def usage(run: str, *, store: str) -> dict[str, Any] | None:
    """Return processor time and memory of a run on this machine, None when it does not live here."""
    opened = open_store(store)
    found = measured.usage(f"{opened.runs_folder}/{find_run(opened, run)[1].id}")
    return None if found is None else {**to_json(found), "at": time.time()}


def log_so_far(run: str, *, store: str) -> str:
    """Return a file with what a run has written so far.

    A run on this machine writes it itself. Of one in an engine or a cluster whose log has not come
    home a copy is brought up to date, not more often than every two seconds.
    """
    opened = open_store(store)
    runtime, found = find_run(opened, run)
    # Where a run of a cluster is told of by the cluster, its record does not name the log kept here.
    for kept in (found.log, os.path.join(opened.runs_folder, found.id, LOG)):
        if kept and os.path.exists(kept) and os.path.getsize(kept):
            return kept
    if found.state.final and found.log:
        return found.log
    folder = os.path.join(opened.root, "cache", "logs")
    os.makedirs(folder, mode=0o700, exist_ok=True)
    path = os.path.join(folder, found.id)
    with opened.lock(f"log-{found.id}"), open(path, "ab") as copy:
        state = os.fstat(copy.fileno())
        if not state.st_size or time.time() - state.st_mtime > _FRESH_S:
            known = state.st_size
            for text in runtime.logs(found.id, store=opened):
                line = text.encode("utf-8", "backslashreplace")
                copy.write(line[known:])
                known = max(0, known - len(line))
            os.utime(path)
    return path


def example(run: str, *, store: str) -> Any:
    """Return a request that the run's model understands, None if its image names none."""
    opened = open_store(store)
    image = resolve(opened, find_run(opened, run)[1].spec.image)
    data = file_in_image(opened, image, f"{ARTIFACT_FOLDER}/artifact.json")
    return None if data is None else json.loads(data).get("example")


def predict(run: str, body: str, *, store: str) -> dict[str, Any]:
    """Return what a run answers to a POST of `body` to /predict. Errors: `no-endpoint`, `no-answer`."""
    opened = open_store(store)
    runtime, found = find_run(opened, run)
    with _reachable(runtime, found, opened) as endpoint:
        return _answer(run, endpoint, body)


@contextlib.contextmanager
def _reachable(runtime: Runtime, run: Run, store: Store) -> Iterator[str]:
    """Give the address by which this machine reaches a run: a cluster's names mean nothing outside it."""
    host = urllib.parse.urlsplit(run.endpoint).hostname or ""
    forward = getattr(runtime, "forwarded", None)
    if forward is None or not host.endswith(".svc") or _knows(host):
        yield run.endpoint
        return
    with forward(run.id, store=store) as port:
        yield f"http://127.0.0.1:{port}"


def _knows(host: str) -> bool:
    """Tell whether this process is in a cluster where a service has this name."""
    if "KUBERNETES_SERVICE_HOST" not in os.environ:
        return False
    try:
        socket.getaddrinfo(host, None)
    except OSError:
        return False
    return True


def _answer(run: str, endpoint: str, body: str) -> dict[str, Any]:
    if not endpoint.startswith(("http://", "https://")):
        raise ContainerizeError(
            "no-endpoint",
            what=f"Run {run} has no endpoint.",
            why="It serves nothing, or its port is not published.",
            fix="Start an inference image.",
        )
    request = urllib.request.Request(  # noqa: S310 - the endpoint of a run of ours
        f"{endpoint}/predict", data=body.encode(), headers={"Content-Type": "application/json"}
    )
    started = time.monotonic()
    try:
        with _OPENER.open(request, timeout=_ANSWER_S) as answer:
            status, said = answer.status, answer.read(_MOST_BYTES)
    except urllib.error.HTTPError as error:
        status, said = error.code, error.read(_MOST_BYTES)
    except OSError as error:
        raise ContainerizeError(
            "no-answer",
            what=f"Run {run} does not answer.",
            why=str(error),
            fix="Look into its log: it may still be starting, or have ended.",
        ) from error
    took_ms = round(1000 * (time.monotonic() - started))
    return {"status": status, "milliseconds": took_ms, "body": said.decode("utf-8", "replace")}
