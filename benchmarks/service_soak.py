"""Soak: a service under load for minutes, its workers killed at random, 5 % of requests malformed.

`python benchmarks/service_soak.py [--seconds 600] [--seed N] [--python PYTHON]` measures what the
service can do, then asks 80 % of that, and exits with 1 unless: no answer was wrong, every request
was answered in time, memory stayed flat, and at the end all is well. What a worker held when it
was killed is answered with 500 for it; a connection that is closed without an answer is a mistake.
"""

from __future__ import annotations

import argparse
import contextlib
import http.client
import importlib.util
import json
import os
import random
import signal
import sys
import threading
import time
from collections import Counter
from dataclasses import dataclass, field
from pathlib import Path
from typing import Any

ROOT = Path(__file__).resolve().parents[1]
CLIENTS = 8
SHARE = 0.8  # of what it can do
MALFORMED = 0.05
STUCK_SECONDS = 20.0
_OK, _FAILED = 200, 500
GROWTH = 1.15  # memory at the end over memory after the first part
_BAD = (
    (b'{"rows": [[1, 2', {400}),
    (b'{"rows": [[1, 2, "x"]]}', {422}),
    (b'{"rows": [{"z": 1}]}', {422}),
    (b"\xff\xfe", {400}),
    (b'{"inputs": {"x": 7}}', {422}),
    (b"[" * 5000, {400}),
)


@dataclass
class Tally:
    """What clients saw."""

    counts: Counter[str] = field(default_factory=Counter)
    wrong: list[str] = field(default_factory=list)
    slowest_s: float = 0.0
    lock: threading.Lock = field(default_factory=threading.Lock)

    def note(self, what: str, seconds: float = 0.0) -> None:
        with self.lock:
            self.counts[what] += 1
            self.slowest_s = max(self.slowest_s, seconds)

    def mistake(self, text: str) -> None:
        with self.lock:
            self.wrong.append(text)


class Client(threading.Thread):
    """Asks at a steady pace on a connection that it keeps as long as it lives."""

    def __init__(self, port: int, pace_s: float, until: float, tally: Tally, seed: int) -> None:
        super().__init__(daemon=True)
        self._port, self._pace_s, self._until, self._tally = port, pace_s, until, tally
        self._random = random.Random(seed)
        self._connection = self._connect()

    def _connect(self) -> http.client.HTTPConnection:
        return http.client.HTTPConnection("127.0.0.1", self._port, timeout=STUCK_SECONDS)

    def run(self) -> None:
        due = time.monotonic()
        while time.monotonic() < self._until:
            self._ask()
            due = max(due + self._random.uniform(0.5, 1.5) * self._pace_s, time.monotonic() - 0.1)
            time.sleep(max(0.0, due - time.monotonic()))
        self._connection.close()

    def _ask(self) -> None:
        body, wanted, allowed = self._question()
        started = time.monotonic()
        try:
            self._connection.request("POST", "/predict", body)
            answer = self._connection.getresponse()
            data = answer.read()
        except TimeoutError:
            self._tally.mistake(f"stuck for {STUCK_SECONDS:g} s: {body[:60]!r}")
            self._renew()
            return
        except (OSError, http.client.HTTPException) as error:
            self._tally.note("lost")
            self._tally.mistake(f"lost: {error!r}")
            self._renew()
            return
        self._tally.note(str(answer.status), time.monotonic() - started)
        if answer.status == _OK:
            if wanted is None or json.loads(data) != wanted:
                self._tally.mistake(f"{body[:80]!r} was answered with {data[:200]!r}")
        elif answer.status not in allowed | {500, 503}:
            self._tally.mistake(f"{body[:80]!r} got {answer.status} {data[:200]!r}")
        elif answer.status == _FAILED and "died" not in json.loads(data)["error"]:
            self._tally.mistake(f"{body[:80]!r} got {data[:200]!r}")

    def _question(self) -> tuple[bytes, object, set[int]]:
        if self._random.random() < MALFORMED:
            body, allowed = self._random.choice(_BAD)
            return body, None, allowed
        count = self._random.choice((1, 1, 1, 3, 20))
        rows = [[self._random.randint(-1000, 1000) for _ in range(3)] for _ in range(count)]
        wanted = {"rows": [[value + 1 for value in row] for row in rows]}
        return json.dumps({"rows": rows}).encode(), wanted, set()

    def _renew(self) -> None:
        self._connection.close()
        self._connection = self._connect()


def memory_mb(pids: list[int]) -> float:
    """Return the memory of processes, shared pages counted once."""
    total = 0
    for pid in pids:
        with contextlib.suppress(OSError), open(f"/proc/{pid}/smaps_rollup") as file:
            total += next(int(line.split()[1]) for line in file if line.startswith("Pss:"))
    return total / 1024


def load(port: int, seconds: float, pace_s: float, seed: int) -> Tally:
    """Let all clients ask for a while."""
    tally = Tally()
    until = time.monotonic() + seconds
    clients = [Client(port, pace_s, until, tally, seed + n) for n in range(CLIENTS)]
    for client in clients:
        client.start()
    for client in clients:
        client.join(seconds + 3 * STUCK_SECONDS)
        if client.is_alive():
            tally.mistake("a client never came back")
    return tally


def soak(service: Any, *, seconds: float, seed: int, kill_every_s: float) -> tuple[dict, list[str]]:
    """Return what was seen, and what was wrong with it."""
    capacity = load(service.port, min(5.0, seconds / 4), 0.0, seed)
    most = capacity.counts["200"] / min(5.0, seconds / 4)
    pace_s = CLIENTS / (SHARE * most)
    stop = threading.Event()
    kills: list[int] = []
    memory: list[float] = []

    def trouble() -> None:
        chance = random.Random(seed)
        while not stop.wait(chance.uniform(0.5, 1.5) * kill_every_s):
            pids = service.worker_pids()
            if len(pids) > 1:
                kills.append(chance.choice(pids))
                with contextlib.suppress(ProcessLookupError):
                    os.kill(kills[-1], signal.SIGKILL)

    def watch() -> None:
        while not stop.wait(max(seconds / 60, 0.5)):
            memory.append(memory_mb([service.process.pid, *service.worker_pids()]))

    threads = [threading.Thread(target=work, daemon=True) for work in (trouble, watch)]
    for thread in threads:
        thread.start()
    tally = load(service.port, seconds, pace_s, seed + 1000)
    stop.set()
    for thread in threads:
        thread.join()
    wrong = capacity.wrong + tally.wrong
    part = max(len(memory) // 4, 1)
    early, late = sorted(memory[part : 2 * part] or memory), sorted(memory[-part:])
    growth = late[len(late) // 2] / early[len(early) // 2]
    if growth > GROWTH:
        wrong.append(f"memory grew to {growth:.2f} times")
    if seconds > 3 * kill_every_s and not kills:
        wrong.append("no worker was killed: nothing was tried")
    if service.predict({"rows": [[1, 2, 3]]}).status != _OK:
        wrong.append("it does not answer at the end")
    if service.events_of("error"):
        wrong.append(f"the model failed: {service.events_of('error')[0]}")
    seen = {
        "seconds": seconds,
        "asked_per_s": round(sum(tally.counts.values()) / seconds, 1),
        "capacity_per_s": round(most, 1),
        "answers": dict(sorted(tally.counts.items())),
        "kills": len(kills),
        "slowest_s": round(tally.slowest_s, 3),
        "memory_mb": [round(early[len(early) // 2], 1), round(late[len(late) // 2], 1)],
        "growth": round(growth, 3),
    }
    return seen, wrong


def _service_runs() -> Any:
    spec = importlib.util.spec_from_file_location("service_runs", ROOT / "tests/service_runs.py")
    module = importlib.util.module_from_spec(spec)
    spec.loader.exec_module(module)
    return module


def main() -> int:
    """Soak and say what was seen."""
    parser = argparse.ArgumentParser(description=__doc__)
    parser.add_argument("--seconds", type=float, default=600.0)
    parser.add_argument("--kill-every", type=float, default=5.0)
    parser.add_argument("--seed", type=int, default=int(time.time()))
    parser.add_argument("--python", default=sys.executable)
    args = parser.parse_args()
    runs = _service_runs()
    run = runs.ServiceRun(
        "return {'y': [[v + 1 for v in row] for row in inputs['x']]}",
        inputs=[runs.tensor("x")],
        outputs=[runs.tensor("y")],
        python=args.python,
    )
    with run:
        run.start(workers=2, access_log=0)
        seen, wrong = soak(run, seconds=args.seconds, seed=args.seed, kill_every_s=args.kill_every)
        code = run.stop()
    if code:
        wrong.append(f"exit code {code}")
    print(json.dumps({"seed": args.seed, **seen, "wrong": wrong[:20]}, indent=1))
    return 1 if wrong else 0


if __name__ == "__main__":
    sys.exit(main())
