"""A built image in a real Docker engine: by its own user, locked down, and as any user of group 0."""

from __future__ import annotations

import shutil
import subprocess
import sys
from pathlib import Path

import pytest

NOTEBOOK = Path(__file__).resolve().parents[1] / "notebooks" / "local_package"

LOCKED_DOWN = (
    *("--read-only", "--cap-drop=ALL", "--security-opt=no-new-privileges", "--network=none"),
    *("--tmpfs=/tmp", "--tmpfs=/outputs:mode=777"),
)
#: OpenShift runs containers as a user id of its choice, in group 0.
ANY_USER = ("--user=54321:0", "--network=none")


@pytest.fixture(scope="module")
def image(docker_engine, environment, open_folder):
    # Not below /tmp: a tmpfs that Docker mounts there hides what the image has.
    folder = open_folder / "in-docker" / "local_package"
    shutil.copytree(NOTEBOOK, folder)
    archive = folder.parent / "image.tar"
    subprocess.run(
        [sys.executable, "-m", "jupyter_containerize", "build", str(folder / "local_package.ipynb"),
         "--kernel", environment("bare"), "--store", str(folder.parent / "store"),
         "--tag", "shop:1", "--output", f"docker-archive:{archive}"],
        check=True, capture_output=True,
    )  # fmt: skip
    docker_engine.docker("load", "-i", archive)
    return "shop:1"


@pytest.mark.parametrize("options", [("--network=none",), LOCKED_DOWN, ANY_USER])
def test_the_image_runs(docker_engine, image, options):
    said = docker_engine.docker("run", "--rm", *options, image)
    assert "That makes 1.75." in said
    assert "12.566370614359172" in said


def test_parameters_that_nobody_knows_are_refused(docker_engine, image):
    with pytest.raises(RuntimeError, match="epochs"):
        docker_engine.docker("run", "--rm", "--network=none", image, "-p", "epochs=5")
