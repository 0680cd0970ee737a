"""The Keras example: build, into a Docker engine, run there, verified."""

from __future__ import annotations

import json
import os
import shutil
import subprocess
import sys
from pathlib import Path

import pytest

EXAMPLE = Path(__file__).resolve().parents[2] / "examples" / "keras_classifier"


@pytest.mark.slow
@pytest.mark.timeout(900)
def test_build_to_docker_run_verify(docker_engine, environment, open_folder):
    folder = open_folder / "keras"
    shutil.copytree(EXAMPLE, folder / "example")
    # TensorFlow behaves otherwise where it sees pytest's variables, which no container has.
    variables = {
        name: value for name, value in os.environ.items() if not name.startswith("PYTEST_")
    }
    done = subprocess.run(
        [sys.executable, "-m", "jupyter_containerize", "build",
         str(folder / "example" / "keras_classifier.ipynb"), "--kernel", environment("keras"),
         "--store", str(folder / "store"), "--tag", "keras:1", "--to", "docker",
         "--runtime", "docker", "--run", "--verify", "--json"],
        env={**variables, "DOCKER_HOST": docker_engine.socket},
        capture_output=True, text=True,
    )  # fmt: skip
    result = json.loads(done.stdout.splitlines()[-1])
    assert "data" in result, result
    verdict = result["data"]["verdict"]
    assert verdict["state"] == "verified", json.dumps([verdict, result["data"]["run"]])
    assert result["data"]["run"]["runtime"] == "docker"
    assert result["data"]["engine"]["sent_layers"] == result["data"]["image"]["layers"]
    assert "keras" in docker_engine.docker("images", "keras:1")
