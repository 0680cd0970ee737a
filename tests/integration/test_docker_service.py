"""Inference images in an engine: built from a Dockerfile, healthy, asked, started again."""

from __future__ import annotations

import importlib.util
import json
import os
import shutil
import subprocess
import time
from pathlib import Path

import nbformat
import pytest

from jupyter_containerize import workflow
from jupyter_containerize.model.event import ignore
from jupyter_containerize.model.options import CaptureOptions
from jupyter_containerize.model.request import ExportRequest, RunRequest, ServeRequest, StopRequest
from jupyter_containerize.workflow import services

pytestmark = pytest.mark.timeout(600)
CELL = """
RATE = 25
def price(rooms: int, area: float) -> float:
    return 1000 * rooms + RATE * area
"""
ASK = """
import json, urllib.request
request = urllib.request.Request("http://127.0.0.1:8080/predict", b'{"inputs": {"rooms": 2, "area": 10}}')
print(urllib.request.urlopen(request, timeout=60).read().decode())
"""


@pytest.fixture(scope="module")
def base(require, docker_engine, environment):
    """Debian's Python in the engine."""
    require(shutil.which("mmdebstrap"), "mmdebstrap (Debian: mmdebstrap)")
    source = Path(__file__).resolve().parents[1] / "debian_base.py"
    spec = importlib.util.spec_from_file_location("containerize_debian_base", source)
    module = importlib.util.module_from_spec(spec)
    spec.loader.exec_module(module)
    return module.load(docker_engine, module.wheels(environment("bare"), "bare"))


@pytest.fixture(scope="module")
def place(docker_engine, base, environment, tmp_path_factory):
    """A folder with the store in which the engine has built the service `price:1`."""
    folder = tmp_path_factory.mktemp("service")
    notebook = nbformat.v4.new_notebook(cells=[nbformat.v4.new_code_cell(CELL)])
    nbformat.write(notebook, folder / "flat.ipynb")
    with pytest.MonkeyPatch.context() as patch:
        patch.setenv("DOCKER_HOST", docker_engine.socket)
        request = ServeRequest(
            expression="price",
            notebook=str(folder / "flat.ipynb"),
            capture=CaptureOptions(kernel=environment("bare")),
            name="price:1",
            base=base,
            builder="docker",
            to="docker",
            store=str(folder / "store"),
        )
        made = workflow.perform("serve", request, emit=ignore)
        assert made["verdict"]["state"] == "verified"
        assert made["engine"]["sent_bytes"] == 0, "the engine has built it"
        assert "price:1" in docker_engine.docker("images", "--format", "{{.Repository}}:{{.Tag}}")
        yield folder


def healthy(engine, container):
    """Wait until the engine's own checks say so."""
    deadline = time.monotonic() + 240
    while (state := json.loads(engine.docker("inspect", container))[0]["State"])["Health"][
        "Status"
    ] != "healthy":
        assert state["Running"], engine.docker("logs", container)
        assert time.monotonic() < deadline, state
        time.sleep(0.5)


def test_it_is_healthy_and_answers(place, docker_engine):
    del place
    container = docker_engine.docker("run", "-d", "--read-only", "--tmpfs=/tmp", "price:1").strip()
    healthy(docker_engine, container)
    said = docker_engine.docker("exec", container, "python", "-c", ASK)
    assert "2250" in said
    docker_engine.docker("rm", "-f", container)


def test_an_exported_dockerfile_of_a_service_builds_without_us(
    place, docker_engine, base, tmp_path
):
    request = ExportRequest(
        "price:1", str(tmp_path / "out"), dockerfile=True, store=str(place / "store")
    )
    workflow.perform("export", request, emit=ignore)
    assert "HEALTHCHECK" in (tmp_path / "out" / "Dockerfile").read_text()
    done = subprocess.run(
        [shutil.which("docker", path="/usr/bin"), "-H", docker_engine.socket, "build", "-q",
         "--build-arg", f"BASE={base}", "-t", "price:by-hand", str(tmp_path / "out")],
        env={**os.environ, "DOCKER_BUILDKIT": "1"}, capture_output=True, text=True,
    )  # fmt: skip
    assert done.returncode == 0, done.stderr
    container = docker_engine.docker("run", "-d", "price:by-hand").strip()
    healthy(docker_engine, container)
    assert "2250" in docker_engine.docker("exec", container, "python", "-c", ASK)
    docker_engine.docker("rm", "-f", container)


def test_a_service_that_nobody_follows_is_started_again(place, docker_engine, monkeypatch):
    get = services.get
    inside = docker_engine.inside
    monkeypatch.setattr(services, "get", lambda *args, **more: inside(lambda: get(*args, **more)))
    store = str(place / "store")
    request = RunRequest("price:1", runtime="docker", detach=True, store=store)
    run = workflow.perform("run", request, emit=ignore)["run"]
    try:
        (container,) = docker_engine.docker("ps", "-q", "--filter", f"name={run['id']}").split()
        found = json.loads(docker_engine.docker("inspect", container))[0]
        assert found["HostConfig"]["RestartPolicy"]["Name"] == "on-failure"
        os.kill(found["State"]["Pid"], 9)
        deadline = time.monotonic() + 120
        while json.loads(docker_engine.docker("inspect", container))[0]["RestartCount"] == 0:
            assert time.monotonic() < deadline
            time.sleep(0.2)
    finally:
        workflow.perform("stop", StopRequest(run["id"], store=store), emit=ignore)
