"""The inference guest as a plain process, over artifacts made by hand."""

from __future__ import annotations

import http.client
import json
import os
import shutil
import signal
import socket
import subprocess
import sys
import tempfile
import textwrap
import time
from pathlib import Path

import jupyter_containerize.guest

SERVE = Path(jupyter_containerize.guest.__file__).parent / "serve.py"

#: An adapter whose `predict` is given as source; it may use `artifact`.
_ADAPTER = """
class Model:
    def __init__(self, artifact):
        self.artifact = artifact

    def predict(self, inputs):
{body}

def load(folder, artifact):
{load}
    return Model(artifact)
"""


def tensor(name, dtype="FP32", shape=(-1, 3), **more):
    return {"name": name, "dtype": dtype, "shape": list(shape), **more}


class Answer:
    """One answer: status, headers (lower case), body; `.json` parses it strictly."""

    def __init__(self, response):
        self.status = response.status
        self.headers = {name.lower(): value for name, value in response.getheaders()}
        self.body = response.read()

    @property
    def json(self):
        def refuse(name):
            raise ValueError(f"{name} is no JSON")

        return json.loads(self.body, parse_constant=refuse)

    def __repr__(self):
        return f"<{self.status} {self.headers} {self.body[:500]}>"


class _UnixConnection(http.client.HTTPConnection):
    def __init__(self, path):
        super().__init__("localhost", timeout=30)
        self._path = path

    def connect(self):
        self.sock = socket.socket(socket.AF_UNIX)
        self.sock.settimeout(30)
        self.sock.connect(self._path)


class ServiceRun:
    """A service that answers with `predict` (source text of a method's body)."""

    def __init__(self, predict, *, inputs, outputs, python=sys.executable, style="tensors",
                 load="pass", unix=False, artifact=None, **fields):  # fmt: skip
        self.folder = Path(tempfile.mkdtemp(prefix="cs-"))
        self.python = str(python)
        module = self.folder / "lib" / "made"
        module.mkdir(parents=True)
        (module / "__init__.py").write_text("")
        (module / "adapter.py").write_text(
            _ADAPTER.format(
                body=textwrap.indent(textwrap.dedent(predict), " " * 8),
                load=textwrap.indent(textwrap.dedent(load), " " * 4),
            )
        )
        (self.folder / "artifact.json").write_text(
            json.dumps(
                {
                    "version": 1,
                    "name": "model",
                    "adapter": "made.adapter",
                    "framework": {"name": "test", "version": "1"},
                    "signature": {"style": style, "inputs": inputs, "outputs": outputs},
                    "batches": True,
                    "max_batch_size": 64,
                    "example": None,
                    "fork_safe": True,
                    **fields,
                }
            )
        )
        (self.folder / "guest.json").write_text(
            json.dumps(
                {
                    "version": 1,
                    "kind": "inference",
                    "artifact": str(artifact or self.folder),
                    "cwd": str(self.folder),
                    "sys_path": [],
                }
            )
        )
        self.log_file = self.folder / "log"
        self.sockets = self.folder / "s"
        if unix:
            self.sockets.mkdir()
        with socket.create_server(("127.0.0.1", 0)) as free:
            self.port = free.getsockname()[1]
        self.process = None

    def start(self, *, wait=True, **environment):
        """Start it with settings (`workers=2` is CONTAINERIZE_WORKERS); wait until it is ready."""
        settings = {
            f"CONTAINERIZE_{name.upper()}": str(value) for name, value in environment.items()
        }
        with open(self.log_file, "ab") as log:
            self.process = subprocess.Popen(
                [self.python, str(SERVE)],
                env={
                    **os.environ,
                    "PYTHONPATH": str(self.folder / "lib"),
                    "CONTAINERIZE_GUEST_CONFIG": str(self.folder / "guest.json"),
                    "CONTAINERIZE_PORT": str(self.port),
                    "CONTAINERIZE_HOST": "127.0.0.1",
                    "CONTAINERIZE_SOCKETS": str(self.sockets),
                    **settings,
                },
                stdin=subprocess.DEVNULL,
                stdout=log,
                stderr=log,
            )
        if wait:
            self.wait_ready()
        return self

    def wait_ready(self, timeout_s=60):
        deadline = time.monotonic() + timeout_s
        while time.monotonic() < deadline:
            assert self.process.poll() is None, self.log
            try:
                if self.get("/v2/health/ready").status == 200:
                    return
            except OSError:
                pass
            time.sleep(0.02)
        raise AssertionError(f"not ready within {timeout_s} s: {self.log}")

    def connect(self):
        """A connection of one's own."""
        if self.sockets.exists():
            return _UnixConnection(str(self.sockets / str(self.port)))
        return http.client.HTTPConnection("127.0.0.1", self.port, timeout=30)

    def raw(self):
        """A bare socket."""
        sock = socket.create_connection(("127.0.0.1", self.port), timeout=30)
        sock.settimeout(30)
        return sock

    def ask(self, method, path, body=None, headers=None):
        connection = self.connect()
        try:
            connection.request(method, path, body, headers or {})
            return Answer(connection.getresponse())
        finally:
            connection.close()

    def get(self, path, **headers):
        return self.ask("GET", path, headers=headers)

    def post(self, path, body, **headers):
        data = body if isinstance(body, (bytes, str)) else json.dumps(body)
        return self.ask("POST", path, data, {"Content-Type": "application/json", **headers})

    def predict(self, body):
        return self.post("/predict", body)

    def infer(self, *inputs, **fields):
        return self.post("/v2/models/model/infer", {"inputs": list(inputs), **fields})

    @property
    def log(self):
        return self.log_file.read_text(errors="replace")

    @property
    def events(self):
        """The log's JSON lines."""
        lines = (line for line in self.log.splitlines() if line.startswith("{"))
        return [json.loads(line) for line in lines]

    def events_of(self, kind):
        return [event for event in self.events if event["event"] == kind]

    def worker_pids(self):
        """The pids of the living workers, as the log tells them."""
        gone = {event["pid"] for event in self.events_of("worker-exit")}
        ready = [event["pid"] for event in self.events_of("worker-ready")]
        return [pid for pid in ready if pid not in gone]

    def metric(self, start):
        """The value of the metric whose line starts so; 0 without."""
        for line in self.get("/metrics").body.decode().splitlines():
            if line.startswith(start):
                return float(line.rsplit(" ", 1)[1])
        return 0.0

    def stop(self, number=signal.SIGTERM, timeout_s=20):
        """End it; return its exit code."""
        if self.process.poll() is None:
            self.process.send_signal(number)
        return self.process.wait(timeout_s)

    def __enter__(self):
        return self

    def __exit__(self, *_):
        if self.process is not None and self.process.poll() is None:
            self.process.terminate()
            try:
                self.process.wait(10)
            except subprocess.TimeoutExpired:
                self.process.kill()
                self.process.wait()
        shutil.rmtree(self.folder, ignore_errors=True)
