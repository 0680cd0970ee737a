"""What docs/adr/0015-http-service.md decided by: HTTP servers and JSON libraries, CPU a request.

`python benchmarks/http_choices.py [--seconds N]`. Every server reads one JSON row of ten numbers and
answers with it; ours also checks it against a signature, batches, counts and logs.
"""

from __future__ import annotations

import argparse
import os
import subprocess
import tempfile

import serving_sides as sides
from serving_load import running
from serving_sides import Side

_JSON = """
import json, time, random
import msgspec, orjson
random.seed(7)
small = {"rows": [{"x": [random.random() for _ in range(10)]}]}
large = {"inputs": [{"name": "x", "data": [random.random() for _ in range(1 << 20)]}]}
own = json.JSONEncoder(separators=(",", ":"), allow_nan=False, check_circular=False).encode
for name, loads, dumps in (
    ("json", json.loads, own),
    ("orjson", orjson.loads, orjson.dumps),
    ("msgspec", msgspec.json.decode, msgspec.json.encode),
):
    line = []
    for value, times in ((small, 20000), (large, 3)):
        text = json.dumps(value).encode()
        for work, argument in ((loads, text), (dumps, value)):
            best = 1e9
            for _ in range(3):
                started = time.process_time()
                for _ in range(times):
                    work(argument)
                best = min(best, (time.process_time() - started) / times)
            line.append(best)
    print(name, *line)
"""


def servers(folder: str) -> list[Side]:
    """Return the candidates."""
    ask = sides.rows_json("keras")
    uvicorn = ("{python}", "-m", "uvicorn", "asgi_app:app", "--port", "{port}", "--no-access-log",
               "--log-level", "warning")  # fmt: skip
    granian = ("{bin}/granian", "--interface", "asgi", "--port", "{port}", "--workers", "1",
               "--no-access-log", "asgi_app:app")  # fmt: skip
    env = "peer-fastapi"
    return [
        Side(
            "uvicorn, h11, asyncio", env, (*uvicorn, "--http", "h11", "--loop", "asyncio"), "/", ask
        ),
        Side("uvicorn, httptools, uvloop", env, uvicorn, "/", ask),
        Side("granian", env, granian, "/", ask),
        sides.ours("echo", folder, ask, name="ours"),
        sides.ours(
            "echo", folder, ask, name="ours, without access log", CONTAINERIZE_ACCESS_LOG="0"
        ),
    ]


def main() -> None:
    """Measure and print both tables."""
    parser = argparse.ArgumentParser(description=__doc__)
    parser.add_argument("--seconds", type=int, default=4)
    args = parser.parse_args()
    print("| server | CPU a request, 64 connections | at 1 | memory |\n| --- | --- | --- | --- |")
    with tempfile.TemporaryDirectory(prefix="containerize-http-") as folder:
        for side in servers(folder):
            with running(side, "echo", folder) as server:
                server.load(8, 1, folder)
                many, one = (
                    server.load(64, args.seconds, folder),
                    server.load(1, args.seconds, folder),
                )
                cells = f"{1000 * many.cpu_ms:.0f} µs | {1000 * one.cpu_ms:.0f} µs"
                print(f"| {side.name} | {cells} | {server.memory_mb():.0f} MB |", flush=True)
    print("\n| JSON | parse 10 numbers | write | parse 1 M numbers | write |")
    print("| --- | --- | --- | --- | --- |")
    python = sides.python_of("peer-fastapi")
    done = subprocess.run([python, "-c", _JSON], capture_output=True, text=True, check=True,
                          env=os.environ)  # fmt: skip
    for line in done.stdout.splitlines():
        name, *times = line.split()
        small, large = [float(one) for one in times[:2]], [float(one) for one in times[2:]]
        cells = [f"{1e6 * one:.1f} µs" for one in small] + [f"{1000 * one:.0f} ms" for one in large]
        print(f"| {name} | {' | '.join(cells)} |")


if __name__ == "__main__":
    main()
