"""Several processes that train together: each is told who it is, and who the others are.

Every worker gets `WORKER_INDEX` and `WORKER_COUNT`, `TF_CONFIG` (TensorFlow's
MultiWorkerMirroredStrategy), and what `torchrun` sets (`RANK`, `WORLD_SIZE`, `MASTER_ADDR`,
`MASTER_PORT`, ...). In a cluster each is a pod; elsewhere one container starts them all.

Sources: https://www.tensorflow.org/api_docs/python/tf/distribute/cluster_resolver/TFConfigClusterResolver,
https://docs.pytorch.org/docs/stable/elastic/run.html#environment-variables
"""

from __future__ import annotations

import contextlib
import json
import os
import signal
import socket
import subprocess
import sys
import threading
import time
from typing import Any

from .problem import CannotStart

COUNT = "CONTAINERIZE_WORKERS"
#: A template with `{index}`: the host name of each worker in a cluster.
HOSTS = "CONTAINERIZE_WORKER_HOSTS"
PORT = 29500
_PEERS_S = float(os.environ.get("CONTAINERIZE_PEERS_TIMEOUT", "600"))
_GRACE_S = 10.0
#: How long the others may go on once the chief has succeeded.
_AFTER_CHIEF_S = 60.0
_LOOK_S = 0.1


def wanted() -> int:
    """Return how many workers this process must start itself; 0 if it is one of them, or alone."""
    if os.environ.get(HOSTS) or "WORKER_INDEX" in os.environ:
        return 0
    count = _number(os.environ.get(COUNT, "1"))
    return count if count > 1 else 0


def join() -> None:
    """In a pod that is one worker of several: wait for the others' names, set the environment.

    Raises `CannotStart` when the others cannot be found.
    """
    template, count = os.environ.get(HOSTS), _number(os.environ.get(COUNT, "1"))
    if not template or count < 1:
        return
    index = int(os.environ.get("JOB_COMPLETION_INDEX", "0"))
    hosts = [template.replace("{index}", str(number)) for number in range(count)]
    _wait_for(hosts)
    os.environ.update(environment(index, [f"{host}:{PORT}" for host in hosts]))


def environment(index: int, addresses: list[str]) -> dict[str, str]:
    """Return what worker `index` is told; `addresses` are `host:port`, the chief's first."""
    host, _, port = addresses[0].rpartition(":")
    config = {
        "cluster": {"worker": addresses},
        "task": {"type": "worker", "index": index},
    }
    count = str(len(addresses))
    return {
        "WORKER_INDEX": str(index),
        "WORKER_COUNT": count,
        "TF_CONFIG": json.dumps(config),
        "RANK": str(index),
        "WORLD_SIZE": count,
        "LOCAL_RANK": "0",
        "LOCAL_WORLD_SIZE": "1",
        "GROUP_RANK": str(index),
        "GROUP_WORLD_SIZE": count,
        "ROLE_RANK": str(index),
        "ROLE_WORLD_SIZE": count,
        # PyTorch's store listens on a port of its own, beside TensorFlow's servers.
        "MASTER_ADDR": host,
        "MASTER_PORT": str(int(port) + 1),
    }


def _number(text: str) -> int:
    try:
        return int(text)
    except ValueError as error:
        raise CannotStart(f"{COUNT}={text} is not a number of workers.") from error


def _wait_for(hosts: list[str]) -> None:
    until = time.monotonic() + _PEERS_S
    missing = list(hosts)
    told = False
    while missing:
        missing = [host for host in missing if not _resolves(host)]
        if missing and time.monotonic() > until:
            raise CannotStart(
                f"{len(missing)} of {len(hosts)} workers did not appear within {_PEERS_S:.0f} s: "
                f"{', '.join(missing[:3])}. Perhaps not all of them fit on the cluster at once."
            )
        if missing and not told:
            told = True
            print(f"Waiting for {len(missing)} of {len(hosts)} workers ...", flush=True)
        if missing:
            time.sleep(1.0)


def _resolves(host: str) -> bool:
    try:
        socket.getaddrinfo(host, None)
    except OSError:
        return False
    return True


def run_all(count: int, arguments: list[str], *, outputs: str) -> int:
    """Start `count` workers in this container and return the exit code of them all.

    The first that fails ends the others; the chief's success is the whole's.
    """
    try:
        addresses = [f"127.0.0.1:{port}" for port in _free_ports(count)]
    except OSError as error:
        raise CannotStart(
            f"The workers cannot speak to one another here: {error}. Run with --network, "
            "where this machine isolates no networks (PRoot)."
        ) from error
    workers = [_Worker(index, addresses, arguments, outputs) for index in range(count)]

    def pass_on(number: int, _: Any) -> None:
        for worker in workers:
            worker.signal(number)

    for number in (signal.SIGTERM, signal.SIGINT):
        signal.signal(number, pass_on)
    code = _first_verdict(workers)
    for worker in workers:
        worker.end(_GRACE_S)
    return code


def _first_verdict(workers: list[_Worker]) -> int:
    chief_done: float | None = None
    while True:
        codes = [worker.code() for worker in workers]
        failed = next(((i, code) for i, code in enumerate(codes) if code), None)
        if failed is not None:
            # A worker that lost its peer fails too: let the one that failed first be named.
            print(f"Worker {failed[0]} ended with exit code {failed[1]}: all are stopped.")
            return int(failed[1] or 1)
        if all(code == 0 for code in codes):
            return 0
        now = time.monotonic()
        chief_done = now if codes[0] == 0 and chief_done is None else chief_done
        if chief_done is not None and now - chief_done > _AFTER_CHIEF_S:
            return 0
        time.sleep(_LOOK_S)


class _Worker:
    """One worker's process; its lines come out with its number before them."""

    def __init__(
        self, index: int, addresses: list[str], arguments: list[str], outputs: str
    ) -> None:
        own = outputs if index == 0 else os.path.join(outputs, "workers", str(index))
        os.makedirs(own, exist_ok=True)
        self._process = subprocess.Popen(
            [sys.executable, os.path.join(os.path.dirname(__file__), "train.py"), *arguments],
            env={**os.environ, **environment(index, addresses), "CONTAINERIZE_OUTPUTS": own},
            stdout=subprocess.PIPE,
            stderr=subprocess.STDOUT,
            bufsize=0,
        )
        self._reader = threading.Thread(target=self._print, args=(index,), daemon=True)
        self._reader.start()

    def _print(self, index: int) -> None:
        stream = self._process.stdout
        if stream is None:
            return
        for line in iter(stream.readline, b""):
            text = line if line.endswith(b"\n") else line + b"\n"
            os.write(1, f"[worker {index}] ".encode() + text)

    def code(self) -> int | None:
        """Return the exit code as a shell has it, None while the process runs."""
        code = self._process.poll()
        return 128 - code if code is not None and code < 0 else code

    def signal(self, number: int) -> None:
        """Pass a signal on."""
        with contextlib.suppress(ProcessLookupError):
            self._process.send_signal(number)

    def end(self, grace_s: float) -> None:
        """Make sure that it has ended and that all it wrote is out."""
        if self._process.poll() is None:
            self.signal(signal.SIGTERM)
            try:
                self._process.wait(grace_s)
            except subprocess.TimeoutExpired:
                self._process.kill()
                self._process.wait()
        self._reader.join(1.0)


def _free_ports(count: int) -> list[int]:
    """Return a free port for each of `count` workers."""
    with contextlib.ExitStack() as held:  # all at once, or one port would be given twice
        sockets = [held.enter_context(socket.create_server(("127.0.0.1", 0))) for _ in range(count)]
        return [one.getsockname()[1] for one in sockets]
