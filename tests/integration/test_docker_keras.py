"""The Keras examples: built, into a Docker engine, run there, verified; pushed, pulled, run; by workers."""

from __future__ import annotations

import json
import os
import re
import shutil
import subprocess
import sys
from pathlib import Path

import pytest

EXAMPLE = Path(__file__).resolve().parents[2] / "examples" / "keras_classifier"
pytestmark = [pytest.mark.slow, pytest.mark.timeout(1500)]


@pytest.fixture(scope="module")
def shell(docker_engine, environment, open_folder):
    """Run our command beside a copy of the example; return its result."""
    folder = open_folder / "keras"
    shutil.copytree(EXAMPLE, folder / "example")
    shutil.copy(EXAMPLE.parent / "keras_workers" / "keras_workers.ipynb", folder / "example")
    # TensorFlow behaves otherwise where it sees pytest's variables, which no container has.
    variables = {
        name: value for name, value in os.environ.items() if not name.startswith("PYTEST_")
    }

    def run(*words):
        done = subprocess.run(
            [sys.executable, "-m", "jupyter_containerize", *words, "--store", str(folder / "store"),
             "--json"],
            cwd=folder / "example", env={**variables, "DOCKER_HOST": docker_engine.socket},
            capture_output=True, text=True,
        )  # fmt: skip
        result = json.loads(done.stdout.splitlines()[-1])
        assert "data" in result, result
        return result["data"]

    run.kernel = environment("keras")
    return run


@pytest.fixture(scope="module")
def built(shell):
    """What `build --to docker --run --verify` told."""
    return shell("build", "keras_classifier.ipynb", "--kernel", shell.kernel, "--tag", "keras:1",
                 "--to", "docker", "--runtime", "docker", "--run", "--verify")  # fmt: skip


def test_build_to_docker_run_verify(built, docker_engine):
    assert built["verdict"]["state"] == "verified", json.dumps([built["verdict"], built["run"]])
    assert built["run"]["runtime"] == "docker"
    # Another test may have given this engine some of them.
    assert 0 < built["engine"]["sent_layers"] <= built["image"]["layers"]
    assert "keras" in docker_engine.docker("images", "keras:1")


@pytest.mark.usefixtures("built")
def test_build_push_docker_pull_run(shell, docker_engine, registry, registries):
    pushed = shell("push", "keras:1", f"{registry.url}/me/keras:1")
    # Or nothing would have to be pulled. Some disks are slow to free so much.
    docker_engine.docker("image", "rm", "-f", "keras:1", timeout=600)
    with registries.relayed(registry, docker_engine) as there:
        name = pushed["reference"].replace(registry.url, there)
        docker_engine.docker("pull", "-q", name, timeout=600)
    said = docker_engine.docker("run", "--rm", "--network=none", name, timeout=300)
    assert "saved classifier.keras" in said
    assert "accuracy on unseen points" in said


@pytest.mark.usefixtures("built")
def test_workers_train_one_model(shell):
    """The other Keras example, which shares all but its cells with the first."""
    shell(
        "build",
        "keras_workers.ipynb",
        "--kernel",
        shell.kernel,
        "--no-execute",
        "--tag",
        "several:1",
    )
    options = ("--workers", "2", "-p", "epochs=2")
    run = shell("run", "several:1", "--runtime", "docker", *options)["run"]
    assert (run["state"], run["exit_code"]) == ("succeeded", 0), run
    outputs = Path(run["outputs"])
    chief, other = (
        (outputs / place / "executed.ipynb").read_text() for place in (".", "workers/1")
    )
    assert "trained by 2" in chief
    losses = [set(re.findall(r"epoch 1: loss [\d.]+", text)) for text in (chief, other)]
    assert len(losses[0]) == 1
    assert losses[0] == losses[1]
    assert (outputs / "files" / "classifier.keras").exists()
