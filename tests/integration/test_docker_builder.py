"""Images built from a Dockerfile by a real engine: with BuildKit, by the SDK, and by hand."""

from __future__ import annotations

import importlib.util
import json
import os
import shutil
import subprocess
import sys
from pathlib import Path

import pytest

from jupyter_containerize import workflow
from jupyter_containerize.engine import buildkit
from jupyter_containerize.engine.client import Engine
from jupyter_containerize.model.event import LogLine, Progress, ignore
from jupyter_containerize.model.options import CaptureOptions
from jupyter_containerize.model.request import BuildRequest, ExportRequest, VerifyRequest

#: The first test makes the base, its wheels and an engine as well.
pytestmark = pytest.mark.timeout(900)
NOTEBOOK = Path(__file__).resolve().parents[1] / "notebooks" / "local_package"


@pytest.fixture(scope="module")
def base(require, docker_engine, environment):
    """Debian's Python with the wheels of the kernel `bare`, in the engine."""
    require(shutil.which("mmdebstrap"), "mmdebstrap (Debian: mmdebstrap)")
    module = _module("debian_base")
    return module.load(docker_engine, module.wheels(environment("bare"), "bare"))


def _module(name):
    source = Path(__file__).resolve().parents[1] / f"{name}.py"
    spec = importlib.util.spec_from_file_location(f"containerize_{name}", source)
    module = importlib.util.module_from_spec(spec)
    spec.loader.exec_module(module)
    return module


@pytest.fixture(scope="module")
def place(docker_engine, base, environment, tmp_path_factory):
    """A folder with the notebook, and a function that builds it."""
    folder = tmp_path_factory.mktemp("study")
    shutil.copytree(NOTEBOOK, folder / "local_package")
    store = str(folder / "store")

    def build(*, name, builder="docker", emit=ignore):
        request = BuildRequest(
            notebook=str(folder / "local_package" / "local_package.ipynb"),
            capture=CaptureOptions(kernel=environment("bare")),
            name=name,
            base=base if builder == "docker" else "host",
            builder=builder,
            store=store,
        )
        return workflow.perform("build", request, emit=emit)

    with pytest.MonkeyPatch.context() as patch:
        patch.setenv("DOCKER_HOST", docker_engine.socket)
        yield folder, store, build


@pytest.mark.parametrize("way", ["buildkit", "buildx", "sdk"])
def test_it_does_what_the_notebook_did(place, docker_engine, monkeypatch, tmp_path, way):
    _, store, build = place
    if way == "buildx":
        # A client from 23 on: it builds by its plugin, and ours has to find that out.
        for name, value in _module("docker_engine").buildx(tmp_path / "client").items():
            monkeypatch.setenv(name, value)
        chosen = buildkit.command(Engine.connect())
        assert chosen == buildkit.Command(str(tmp_path / "client/bin/docker"))
    else:
        # Debian's own docker command has BuildKit; what else is on PATH may not.
        program = buildkit.Command(shutil.which("docker", path="/usr/bin"))
        monkeypatch.setattr(buildkit, "command", lambda _: program if way == "buildkit" else None)
    said = []
    built = build(name=f"shop:{way}", emit=said.append)
    steps = [event for event in said if isinstance(event, Progress) and event.unit == "steps"]
    assert steps[-1].done == steps[-1].total
    # Another test, or this one's first try, may have built the same steps in this engine; of steps
    # that were built before, buildx says no more than that they are done.
    told = [one.text for one in said if isinstance(one, LogLine)]
    assert way == "buildx" or any(
        words in text
        for text in told
        for words in ("Successfully installed", "Using cache", "CACHED")
    ), told
    verdict = workflow.perform("verify", VerifyRequest(f"shop:{way}", store=store), emit=ignore)
    assert verdict["verdict"]["state"] == "verified"
    assert built["image"]["names"] == [f"shop:{way}"]
    user = docker_engine.docker("inspect", "--format", "{{.Config.User}}", f"shop:{way}")
    assert user.strip() == "1000:0"


def test_an_exported_dockerfile_builds_without_us(place, docker_engine, base):
    folder, store, build = place
    build(name="shop:own", builder="daemonless")
    request = ExportRequest("shop:own", str(folder / "out"), dockerfile=True, store=store)
    made = workflow.perform("export", request, emit=ignore)
    text = (folder / "out" / "Dockerfile").read_text()
    assert "--mount=type=cache" in text
    assert "Dockerfile" in made["files"]
    done = subprocess.run(
        [shutil.which("docker", path="/usr/bin"), "-H", docker_engine.socket, "build", "-q",
         "--build-arg", f"BASE={base}", "-t", "shop:by-hand", str(folder / "out")],
        env={**os.environ, "DOCKER_BUILDKIT": "1"}, capture_output=True, text=True,
    )  # fmt: skip
    assert done.returncode == 0, done.stderr
    said = docker_engine.docker("run", "--rm", "--network=none", "shop:by-hand")
    assert "That makes 1.75." in said
    assert "12.566370614359172" in said


def test_a_base_that_cannot_be_had_is_named(place, docker_engine, environment):
    folder, store, _ = place
    done = subprocess.run(
        [sys.executable, "-m", "jupyter_containerize", "build",
         str(folder / "local_package" / "local_package.ipynb"), "--no-execute",
         "--kernel", environment("bare"), "--store", store, "--builder", "docker",
         "--base", "no.such.host.invalid/x:1", "--json"],
        env={**os.environ, "DOCKER_HOST": docker_engine.socket}, capture_output=True, text=True,
    )  # fmt: skip
    assert json.loads(done.stdout.splitlines()[-1])["error"]["code"] == "base-not-found", (
        done.stdout
    )
