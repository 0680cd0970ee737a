"""Real Jupyter servers with the extension, each in a process of its own, for tests.

`running(folder)` gives a `Server` that serves `folder/root` and keeps everything else (store,
configuration, kernels' connection files) below `folder` too.
"""

from __future__ import annotations

import contextlib
import json
import os
import signal
import socket
import subprocess
import sys
import time
from collections.abc import Iterator, Mapping
from dataclasses import dataclass, field
from pathlib import Path
from typing import Any

import httpx

TOKEN = "test-token-9f3c"
START_S = 180

#: An authorizer that lets everybody do what `ALLOWED` names, as `action:resource`, and nothing else.
_AUTHORIZER = '''
import os
from jupyter_server.auth import Authorizer

class Listed(Authorizer):
    """Allows what the environment lists; with an empty list, everything."""

    def is_authorized(self, handler, user, action, resource):
        with open(os.environ["ALLOWED_FILE"]) as file:
            allowed = file.read().split()
        return not allowed or f"{action}:{resource}" in allowed

c.ServerApp.authorizer_class = Listed
'''

#: Every rule of the server's web application, for the test that walks them.
_RULES = """
import atexit, json, os, threading, time

def _write(server):
    rules = []
    for rule in server.web_app.default_router.rules:
        for inner in rule.target.rules:
            rules.append(inner.matcher.regex.pattern)
    with open(os.environ["RULES_FILE"], "w") as file:
        json.dump(rules, file)

import jupyter_containerize.surfaces.server.extension as extension
_load = extension.load
def load(server):
    _load(server)
    _write(server)
extension.load = load
"""


@dataclass
class Server:
    """A running server."""

    folder: Path
    port: int
    app: str
    process: subprocess.Popen[bytes]
    python: str = sys.executable
    environment: Mapping[str, str] = field(default_factory=dict)

    @property
    def url(self) -> str:
        return f"http://127.0.0.1:{self.port}/"

    @property
    def root(self) -> Path:
        return self.folder / "root"

    @property
    def store(self) -> Path:
        return self.folder / "store"

    def ask(self, method: str, path: str, body: Any = None, **keywords: Any) -> httpx.Response:
        """Ask the API, with the token unless headers are given."""
        keywords.setdefault("headers", {"Authorization": f"token {TOKEN}"})
        content = None if body is None else json.dumps(body)
        return httpx.request(
            method, f"{self.url}containerize/api/{path}", content=content, timeout=60, **keywords
        )

    def job(self, body: Any, *, timeout_s: float = 240) -> dict[str, Any]:
        """Start a job and return it as it ended."""
        started = self.ask("POST", "jobs", body)
        assert started.status_code == 201, started.text
        return self.ended(started.json()["id"], timeout_s=timeout_s)

    def ended(self, job: str, *, timeout_s: float = 240) -> dict[str, Any]:
        end = time.monotonic() + timeout_s
        while time.monotonic() < end:
            found = self.ask("GET", f"jobs/{job}").json()
            if found["state"] != "running":
                return found
            time.sleep(0.1)
        raise AssertionError(f"job {job} still runs after {timeout_s} s")

    def allow(self, *what: str) -> None:
        """From now on allow only `action:resource`s; nothing given: everything."""
        (self.folder / "allowed").write_text("\n".join(what))

    def rules(self) -> list[str]:
        return json.loads((self.folder / "rules.json").read_text())

    def stop(self) -> None:
        """End the server as an administrator does, at once: its jobs are not told."""
        self.process.send_signal(signal.SIGKILL)
        self.process.wait()

    def start(self) -> None:
        """Start it (again) on its port."""
        environment = {
            **{name: os.environ[name] for name in os.environ if name != "PYTEST_CURRENT_TEST"},
            "JUPYTER_CONTAINERIZE_STORE": str(self.store),
            "JUPYTER_CONFIG_DIR": str(self.folder / "config"),
            "JUPYTER_DATA_DIR": str(self.folder / "data"),
            "JUPYTER_RUNTIME_DIR": str(self.folder / "runtime"),
            "ALLOWED_FILE": str(self.folder / "allowed"),
            "RULES_FILE": str(self.folder / "rules.json"),
            **self.environment,
        }
        with open(self.folder / "server.log", "ab") as log:
            self.process = subprocess.Popen(
                [self.python, "-m", self.app, "--no-browser", f"--port={self.port}",
                 "--ServerApp.port_retries=0", "--ServerApp.ip=127.0.0.1", "--allow-root",
                 f"--IdentityProvider.token={TOKEN}", f"--ServerApp.root_dir={self.root}"],
                env=environment, stdout=log, stderr=log, cwd=self.folder,
            )  # fmt: skip
        end = time.monotonic() + START_S
        while time.monotonic() < end:
            with contextlib.suppress(httpx.TransportError):
                if httpx.get(f"{self.url}api", timeout=5).status_code == 200:
                    return
            if self.process.poll() is not None:
                break
            time.sleep(0.1)
        raise AssertionError((self.folder / "server.log").read_text()[-3000:])


@contextlib.contextmanager
def running(
    folder: Path,
    *,
    app: str = "jupyter_server",
    python: str = sys.executable,
    environment: Mapping[str, str] | None = None,
    config: str = "",
) -> Iterator[Server]:
    """Start a server below `folder`, give it, and end it; `config` is Python that it runs first."""
    for name in ("root", "config", "data", "runtime"):
        (folder / name).mkdir(parents=True, exist_ok=True)
    (folder / "allowed").write_text("")
    file = folder / "config" / "jupyter_server_config.py"
    file.write_text(config + (_AUTHORIZER + _RULES if app == "jupyter_server" else ""))
    server = Server(folder, _free_port(), app, None, python, dict(environment or {}))
    server.start()
    try:
        yield server
    finally:
        server.process.terminate()
        try:
            server.process.wait(20)
        except subprocess.TimeoutExpired:
            server.process.kill()
            server.process.wait()


def kernelspec(server_folder: Path, name: str, python: str) -> None:
    """Let the servers below this folder start kernels of another environment."""
    place = server_folder / "data" / "kernels" / name
    place.mkdir(parents=True, exist_ok=True)
    argv = [python, "-m", "ipykernel_launcher", "-f", "{connection_file}"]
    (place / "kernel.json").write_text(
        json.dumps({"argv": argv, "display_name": name, "language": "python"})
    )


def notebook(*sources: str, kernel: str = "python3", outputs: Any = None) -> dict[str, Any]:
    """Return a notebook with these cells, never run."""
    return {
        "nbformat": 4,
        "nbformat_minor": 5,
        "metadata": {
            "kernelspec": {"name": kernel, "display_name": kernel, "language": "python"}
        },
        "cells": [
            {"id": f"c{number}", "cell_type": "code", "metadata": {}, "source": source,
             "execution_count": None, "outputs": outputs or []}
            for number, source in enumerate(sources, 1)
        ],
    }  # fmt: skip


def _free_port() -> int:
    with socket.socket() as probe:
        probe.bind(("127.0.0.1", 0))
        return probe.getsockname()[1]
