"""A server process under load: its own and its children's CPU time, memory, and wrk's latencies."""

from __future__ import annotations

import contextlib
import os
import re
import signal
import socket
import subprocess
import time
import urllib.request
from collections.abc import Iterator
from dataclasses import dataclass
from pathlib import Path

import psutil
from serving_sides import PEERS, Ask, Side, python_of

_START_S = 180
_UNITS = {"us": 1e-3, "ms": 1.0, "s": 1e3, "m": 6e4}


@dataclass(frozen=True)
class Load:
    """What one run of wrk showed; CPU is the server's alone."""

    requests: int
    errors: int
    seconds: float
    cpu_s: float
    p50_ms: float
    p99_ms: float

    @property
    def cpu_ms(self) -> float:
        """CPU milliseconds of the server for one request."""
        return 1000 * self.cpu_s / max(self.requests, 1)


@dataclass
class Running:
    """A started server."""

    side: Side
    process: subprocess.Popen[bytes]
    port: int
    ready_s: float

    def cpu_s(self) -> float:
        """CPU time of the whole process tree so far, of children that ended too."""
        total = 0.0
        for one in self._tree():
            with contextlib.suppress(psutil.Error):
                times = one.cpu_times()
                total += times.user + times.system + times.children_user + times.children_system
        return total

    def memory_mb(self) -> float:
        """Proportional memory of the process tree: shared pages count once."""
        total = 0
        for one in self._tree():
            with contextlib.suppress(psutil.Error):
                total += one.memory_full_info().pss
        return total / 1e6

    def _tree(self) -> list[psutil.Process]:
        root = psutil.Process(self.process.pid)
        return [root, *root.children(recursive=True)]

    def load(self, connections: int, seconds: float, folder: str) -> Load:
        """Run wrk against it."""
        script = _script(self.side.ask, folder)
        before = self.cpu_s()
        done = subprocess.run(
            ["wrk", "-t1", f"-c{connections}", f"-d{seconds}s", "--timeout", "60s", "--latency",
             "-s", script, f"http://127.0.0.1:{self.port}{self.side.ask.path}"],
            capture_output=True, text=True, check=True,
        )  # fmt: skip
        cpu = self.cpu_s() - before
        text = done.stdout
        number = re.search(r"(\d+) requests in ([\d.]+)(m?s)", text)
        if number is None:
            raise RuntimeError(text + done.stderr)
        bad = re.search(r"Non-2xx or 3xx responses: (\d+)", text)
        broken = re.search(
            r"Socket errors: connect (\d+), read (\d+), write (\d+), timeout (\d+)", text
        )
        errors = (int(bad.group(1)) if bad else 0) + sum(
            map(int, broken.groups() if broken else ())
        )
        return Load(
            int(number.group(1)), errors, float(number.group(2)), cpu,
            _latency(text, "50%"), _latency(text, "99%"),
        )  # fmt: skip

    def idle_percent(self, seconds: float) -> float:
        """How much of a core it uses while nobody asks."""
        before = self.cpu_s()
        time.sleep(seconds)
        return 100 * (self.cpu_s() - before) / seconds


def _latency(text: str, which: str) -> float:
    found = re.search(rf"^\s+{re.escape(which)}\s+([\d.]+)(us|ms|s|m)\s*$", text, re.MULTILINE)
    return float(found.group(1)) * _UNITS[found.group(2)] if found else float("nan")


def _script(ask: Ask, folder: str) -> str:
    body, script = Path(folder, "body"), Path(folder, "wrk.lua")
    body.write_bytes(ask.body)
    headers = {"Content-Type": "application/json", **ask.headers}
    lines = [f'wrk.headers["{name}"] = "{value}"' for name, value in headers.items()]
    script.write_text(
        f'wrk.method = "POST"\nlocal file = io.open("{body}", "rb")\n'
        'wrk.body = file:read("*a")\n' + "\n".join(lines) + "\n"
    )
    return str(script)


@contextlib.contextmanager
def running(side: Side, model: str, folder: str) -> Iterator[Running]:
    """Start a server and wait until it answers the very request it will be measured with."""
    ports = [_free_port() for _ in range(3)]
    python = python_of(side.environment)
    names = {
        "python": python,
        "bin": os.path.dirname(python),
        "port": str(ports[0]),
        "port1": str(ports[1]),
        "port2": str(ports[2]),
    }
    command = [part.format(**names) for part in side.command]
    environ = {
        **os.environ,
        "PYTHONPATH": str(PEERS),
        "PATH": f"{os.path.dirname(python)}:{os.environ['PATH']}",
        "BENCH_MODEL": model,
        "BENCH_FOLDER": folder,
        "TF_CPP_MIN_LOG_LEVEL": "3",
        **{name: value.format(**names) for name, value in side.settings.items()},
    }
    with open(os.path.join(folder, f"log-{side.name}-{model}"), "wb") as log:
        started = time.monotonic()
        process = subprocess.Popen(
            command, env=environ, cwd=PEERS, stdout=log, stderr=log, stdin=subprocess.DEVNULL,
            start_new_session=True,
        )  # fmt: skip
    try:
        _wait(ports[0], side, process)
        ready_s = time.monotonic() - started
        yield Running(side, process, ports[0], ready_s)
    finally:
        tree = []
        with contextlib.suppress(psutil.NoSuchProcess):
            root = psutil.Process(process.pid)
            tree = [one.pid for one in (root, *root.children(recursive=True))]
        process.send_signal(signal.SIGTERM)
        with contextlib.suppress(subprocess.TimeoutExpired):
            process.wait(10)
        for pid in tree:
            with contextlib.suppress(ProcessLookupError):
                os.kill(pid, signal.SIGKILL)
        process.wait()


def _wait(port: int, side: Side, process: subprocess.Popen[bytes]) -> None:
    deadline = time.monotonic() + _START_S
    while time.monotonic() < deadline:
        if process.poll() is not None:
            raise RuntimeError(f"{side.name} ended with {process.returncode}")
        try:
            with urllib.request.urlopen(f"http://127.0.0.1:{port}{side.ready}", timeout=5):
                return
        except OSError:
            time.sleep(0.02)
    raise RuntimeError(f"{side.name} was not ready within {_START_S} s")


def _free_port() -> int:
    with socket.create_server(("127.0.0.1", 0)) as free:
        return int(free.getsockname()[1])
