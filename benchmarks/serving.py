"""`make bench-serving`: the service beside its peers, same models, same inputs, same machine.

`python benchmarks/serving.py [--quick] [--models keras,sklearn,numpy] [--folder FOLDER]`. wrk asks,
/proc tells the servers' CPU time. Sides run by turns, one at a time; the table shows medians and
goes to standard output and `.artifacts/serving.md`. All of it takes about fifteen minutes, so a side
is measured again only at the numbers of connections at which it was not far behind the best peer.
"""

from __future__ import annotations

import argparse
import json
import math
import os
import platform
import statistics
import subprocess
import sys
import tempfile
import time
from dataclasses import dataclass, field, replace
from pathlib import Path

import serving_sides as sides
from serving_load import Load, running
from serving_sides import Side
from table import Row, markdown

CONNECTIONS = (1, 16, 64)
_IDLE_S = 5.0
#: Times what the best peer needed: of its time for one connection, of CPU for more.
_FAR_BEHIND = {1: 2.0, 16: 4.0, 64: 4.0}
_COLD_START = 1.1


@dataclass
class Seen:
    """What the rounds showed of one side."""

    loads: dict[int, list[Load]] = field(default_factory=dict)
    ready_s: list[float] = field(default_factory=list)
    memory_mb: list[float] = field(default_factory=list)
    idle: list[float] = field(default_factory=list)

    def of(self, connections: int, what: str) -> float:
        """The median of one measure."""
        found = [getattr(load, what) for load in self.loads.get(connections, ())]
        return statistics.median(found) if found else float("nan")

    def errors(self, connections: int) -> int:
        """Answers that were not 200, all rounds together."""
        return sum(load.errors for load in self.loads.get(connections, ()))


def measure(
    side: Side,
    model: str,
    folder: str,
    seen: Seen,
    *,
    seconds: int,
    connections: tuple[int, ...] = CONNECTIONS,
) -> None:
    """Start a side once and load it; a side that does not start is told and left out."""
    _say(f"{model}: {side.name}")
    try:
        with running(side, model, folder) as server:
            seen.ready_s.append(server.ready_s)
            server.load(4, 1, folder)
            for count in connections:
                seen.loads.setdefault(count, []).append(server.load(count, seconds, folder))
            seen.memory_mb.append(server.memory_mb())
            if not seen.idle:
                time.sleep(1)
                seen.idle.append(server.idle_percent(_IDLE_S))
    except (RuntimeError, subprocess.SubprocessError) as error:
        _say(f"{side.name} cannot be measured: {error}")


def compare(model: str, folder: str, *, rounds: int, seconds: int, only: set[str]) -> list[Row]:
    """Return the rows of a model that answers rows: all peers."""
    ask = sides.rows_json(model)
    every = [
        sides.ours(model, folder, ask),
        sides.litserve(model),
        sides.mlserver(model, folder, sides.v2_json(model)),
        sides.bentoml(model),
        sides.mlflow(model, folder),
        sides.fastapi(ask),
    ]
    every = [one for one in every if not only or one.name in {*only, "this service"}]
    seen = {one.name: Seen() for one in every}
    for _ in range(rounds):
        for one in every:
            at = tuple(n for n in CONNECTIONS if not _is_far_behind(one.name, n, seen))
            if at:
                measure(one, model, folder, seen[one.name], seconds=seconds, connections=at)
    return _rows(model, seen)


def _is_far_behind(name: str, connections: int, seen: dict[str, Seen]) -> bool:
    """Whether a peer has shown that it cannot be the best at this number of connections."""
    if name == "this service" or connections not in seen[name].loads:
        return False
    what = "p50_ms" if connections == 1 else "cpu_ms"
    best = min(
        (
            one.of(connections, what)
            for other, one in seen.items()
            if other != "this service" and connections in one.loads and not one.errors(connections)
        ),
        default=math.inf,
    )
    return seen[name].of(connections, what) > _FAR_BEHIND[connections] * best


def _rows(model: str, seen: dict[str, Seen]) -> list[Row]:
    own = seen.pop("this service")
    target = 2.5 if model == "keras" else 2.0
    rows = []
    for count in (16, 64):
        costs = {
            name: one.of(count, "cpu_ms") for name, one in seen.items() if not one.errors(count)
        }
        costs = {name: cost for name, cost in costs.items() if not math.isnan(cost)}
        best = min(costs, key=costs.__getitem__)
        ratio = costs[best] / own.of(count, "cpu_ms")
        rows.append(
            Row(
                f"{model}, {count} connections: CPU a request",
                f"{own.of(count, 'cpu_ms'):.3f} ms ({_rate(own, count)})",
                ", ".join(
                    f"{name} {cost:.2f} ms ({_rate(seen[name], count)})"
                    for name, cost in costs.items()
                ),
                f"{ratio:.1f} x {best}",
                f"≥ {target:g} x",
                ratio >= target and not own.errors(count),
            )
        )
        theirs = seen[best].of(count, "p99_ms")
        rows.append(
            Row(
                f"{model}, {count} connections: p99",
                f"{own.of(count, 'p99_ms'):.1f} ms",
                f"{best} {theirs:.1f} ms",
                f"{own.of(count, 'p99_ms') / theirs:.2f}",
                "≤ 1 x",
                own.of(count, "p99_ms") <= theirs,
            )
        )
    medians = {name: one.of(1, "p50_ms") for name, one in seen.items() if one.loads}
    best = min(medians, key=medians.__getitem__)
    rows.append(
        Row(
            f"{model}, 1 connection: p50",
            f"{own.of(1, 'p50_ms'):.2f} ms",
            ", ".join(f"{name} {value:.2f} ms" for name, value in medians.items()),
            f"{own.of(1, 'p50_ms') / medians[best]:.2f}",
            "≤ 1 x the best",
            own.of(1, "p50_ms") <= medians[best],
        )
    )
    idle = {name: statistics.median(one.idle) for name, one in seen.items() if one.idle}
    rows.append(
        Row(
            f"{model}: idle, of a core",
            f"{statistics.median(own.idle):.2f} %",
            ", ".join(f"{name} {value:.1f} %" for name, value in idle.items()),
            target="≤ 1 %",
            met=statistics.median(own.idle) <= 1,
        )
    )
    memory = {name: statistics.median(one.memory_mb) for name, one in seen.items() if one.memory_mb}
    rows.append(
        Row(
            f"{model}: memory, one worker",
            f"{statistics.median(own.memory_mb):.0f} MB",
            ", ".join(f"{name} {value:.0f} MB" for name, value in memory.items()),
        )
    )
    return rows


def _rate(seen: Seen, count: int) -> str:
    rates = [load.requests / load.seconds for load in seen.loads.get(count, ())]
    return f"{statistics.median(rates):.0f}/s"


def large(folder: str, *, rounds: int, seconds: int) -> list[Row]:
    """Return the rows of the callable on 4 MB: bytes and JSON."""
    binary, text = sides.large_binary(), sides.v2_json("numpy")
    ours_binary = sides.ours("numpy", folder, binary)
    ours_text = replace(  # in an environment with simdjson, which an image gets where ours has it
        sides.ours("numpy", folder, text, name="this service, JSON"), environment="numbers"
    )
    plain = sides.fastapi(sides.Ask("/predict", sides.large_plain()))
    raw = sides.raw(sides.Ask("/", sides.large_plain()))
    mlserver = sides.mlserver("numpy", folder, text)
    every = (ours_binary, plain, raw, ours_text, mlserver)
    seen = {one.name: Seen() for one in every}
    for _ in range(rounds):
        for one in every:
            measure(one, "numpy", folder, seen[one.name], seconds=seconds + 2, connections=(4,))

    def speed(name: str, size: int) -> float:
        """Megabytes for a second of CPU."""
        return size / 1e6 / (seen[name].of(4, "cpu_ms") / 1000)

    size = 4 * sides.LARGE
    own, theirs = speed("this service", size), speed("FastAPI", size)
    own_text, their_text = speed("this service, JSON", size), speed("MLServer", size)
    return [
        Row(
            "4 MB by the binary extension: bytes per CPU second",
            f"{own:.0f} MB/s",
            f"uvicorn, plain body: {theirs:.0f} MB/s; raw `recv_into`: {speed('raw', size):.0f} MB/s",
            f"{own / theirs:.1f} x",
            "≥ 2 x",
            own >= 2 * theirs,
        ),
        Row(
            "4 MB as JSON (a million numbers): bytes of the tensor per CPU second",
            f"{own_text:.1f} MB/s",
            f"MLServer {their_text:.1f} MB/s",
            f"{own_text / their_text:.1f} x",
            "≥ 2 x",
            own_text >= 2 * their_text,
        ),
    ]


def cold_start(model: str, folder: str, *, rounds: int) -> Row:
    """Return the row of the time to ready beside importing the framework and loading the model."""
    python = sides.python_of("peer-fastapi")
    side = sides.ours(model, folder, sides.rows_json(model))
    env = {
        **os.environ,
        "PYTHONPATH": str(sides.PEERS),
        "BENCH_FOLDER": folder,
        "BENCH_MODEL": model,
    }
    code = f"import models; models.load_{model}()"
    floor, own = [], []
    for _ in range(rounds):
        started = time.monotonic()
        subprocess.run([python, "-c", code], env=env, cwd=sides.PEERS, check=True,
                       stderr=subprocess.DEVNULL)  # fmt: skip
        floor.append(time.monotonic() - started)
        with running(side, model, folder) as server:
            own.append(server.ready_s)
    ratio = statistics.median(own) / statistics.median(floor)
    return Row(
        f"{model}: process start to ready, warmed up",
        f"{statistics.median(own):.2f} s",
        f"importing and loading alone: {statistics.median(floor):.2f} s",
        f"{ratio:.2f}",
        "≤ 1.1 x",
        ratio <= _COLD_START,
    )


def shared_memory(folder: str) -> Row:
    """Return the row of one worker's memory beside four's."""
    ask = sides.rows_json("sklearn")
    found = {}
    for workers in ("1", "4"):
        side = sides.ours("sklearn", folder, ask, CONTAINERIZE_WORKERS=workers)
        with running(side, "sklearn", folder) as server:
            server.load(8, 3, folder)
            found[workers] = server.memory_mb()
    each = (found["4"] - found["1"]) / 3
    return Row(
        "sklearn: memory of 4 workers",
        f"{found['4']:.0f} MB",
        f"of one: {found['1']:.0f} MB",
        f"{each:.0f} MB for each more",
    )


def _say(what: str) -> None:
    print(f"# {time.strftime('%H:%M:%S')} load {os.getloadavg()[0]:.1f}: {what}", file=sys.stderr)


def main() -> int:
    """Measure, print and keep the table."""
    parser = argparse.ArgumentParser(description=__doc__)
    parser.add_argument("--quick", action="store_true", help="one short round instead of three")
    parser.add_argument("--models", default="keras,sklearn,numpy")
    parser.add_argument("--peers", default="", help="only these, by name and comma")
    parser.add_argument("--folder")
    args = parser.parse_args()
    rounds, seconds = (1, 3) if args.quick else (3, 4)
    only = {name for name in args.peers.split(",") if name}
    os.environ.pop("PYTHONDONTWRITEBYTECODE", None)
    before, started = os.getloadavg()[0], time.monotonic()
    rows: list[Row] = []
    with tempfile.TemporaryDirectory(prefix="containerize-serving-", dir=args.folder) as folder:
        python = sides.python_of("peer-fastapi")
        subprocess.run([python, str(sides.PEERS / "models.py")], check=True,
                       env={**os.environ, "BENCH_FOLDER": folder}, stderr=subprocess.DEVNULL)  # fmt: skip
        for model in args.models.split(","):
            if model == "numpy":
                rows += large(folder, rounds=rounds, seconds=seconds)
                continue
            rows += compare(model, folder, rounds=rounds, seconds=seconds, only=only)
            rows.append(cold_start(model, folder, rounds=rounds))
        if "sklearn" in args.models:
            rows.append(shared_memory(folder))
    minutes = (time.monotonic() - started) / 60
    text = (
        f"{markdown(rows)}\n"
        f"`make bench-serving` on {os.cpu_count()} cores, Linux {platform.release()}, Python "
        f"{platform.python_version()}; load average {before:.1f} before, {os.getloadavg()[0]:.1f} "
        f"after {minutes:.1f} minutes; {'one round' if args.quick else 'medians of three rounds by turns'}.\n"
    )
    artifacts = Path(sides.ROOT, ".artifacts")
    artifacts.mkdir(exist_ok=True)
    (artifacts / "serving.md").write_text(text, encoding="utf-8")
    print(text, end="")
    print(
        json.dumps(
            {
                "met": sum(row.met is True for row in rows),
                "missed": sum(row.met is False for row in rows),
            }
        )
    )
    return 0


if __name__ == "__main__":
    sys.exit(main())
