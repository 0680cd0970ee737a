"""The README's lines about registries and engines, each run as it stands there.

Only names that no test machine can reach are others here: the registry, the base, and the place of DIR.
"""

from __future__ import annotations

import importlib.util
import json
import os
import platform
import re
import shutil
import subprocess
import sys
from pathlib import Path

import nbformat
import pytest

ROOT = Path(__file__).resolve().parents[2]
README = (ROOT / "README.md").read_text()
LINES = [
    line.partition("#")[0].strip()
    for name, block in re.findall(r"^```(\w*)\n(.*?)^```$", README, re.DOTALL | re.MULTILINE)
    if not name
    for line in block.splitlines()
    if "mine" in line
]
#: What `FROM` names in the Dockerfile of a kernel with Python 3.11 on this Debian.
SLIM = f"python:3.11-slim-{platform.freedesktop_os_release().get('VERSION_CODENAME', 'bookworm')}"
pytestmark = [pytest.mark.timeout(600), pytest.mark.needs_root]


def test_there_are_such_lines():
    words = {line.split()[2] for line in LINES}
    assert words == {"push", "inspect", "build", "run", "export"}
    assert len(LINES) >= 8


@pytest.fixture(scope="module")
def shell(tmp_path_factory, environment, docker_engine, registry, bookworm, qemu):
    """Run one line in a folder with the notebook `mine.ipynb`; return what it printed."""
    del qemu
    source = ROOT / "tests" / "debian_base.py"
    spec = importlib.util.spec_from_file_location("containerize_debian_base", source)
    module = importlib.util.module_from_spec(spec)
    spec.loader.exec_module(module)
    base = module.load(docker_engine, module.wheels(environment("bare"), "bare"))
    docker_engine.docker("tag", base, SLIM)
    folder = tmp_path_factory.mktemp("readme")
    kernel = folder / "jupyter" / "kernels" / "bare"
    kernel.mkdir(parents=True)
    (kernel / "kernel.json").write_text(json.dumps({
        "argv": [environment("bare"), "-m", "ipykernel_launcher", "-f", "{connection_file}"],
        "display_name": "bare", "language": "python",
    }))  # fmt: skip
    notebook = nbformat.v4.new_notebook(cells=[nbformat.v4.new_code_cell("print(6 * 7)")])
    notebook.metadata["kernelspec"] = {"name": "bare", "display_name": "bare"}
    nbformat.write(notebook, folder / "mine.ipynb")
    names = {"ghcr.io": registry.url, "python:3.11-slim": bookworm[0], "DIR": "out"}

    def run(line):
        for name, here in names.items():
            line = re.sub(rf"(?<!\S){re.escape(name)}(?=[/\s]|$)", here, line)
        program, command, *words = line.split()
        assert (program, command) == ("jupyter", "containerize")
        done = subprocess.run(
            [sys.executable, "-m", "jupyter_containerize", *words],
            cwd=folder, capture_output=True, text=True, timeout=500,
            env={**os.environ, "DOCKER_HOST": docker_engine.socket,
                 "JUPYTER_PATH": str(folder / "jupyter"),
                 "JUPYTER_CONTAINERIZE_STORE": str(folder / "store")},
        )  # fmt: skip
        assert done.returncode == 0, done.stdout + done.stderr
        return done.stdout + done.stderr

    # What a line takes for granted, so that each can be run alone.
    run("jupyter containerize build mine.ipynb")
    run("jupyter containerize push ghcr.io/me/mine:1")
    run.folder = folder
    return run


@pytest.mark.parametrize("number", range(len(LINES)), ids=LINES)
def test_the_line_does_what_the_readme_says(shell, docker_engine, number):
    line = LINES[number]
    shutil.rmtree(shell.folder / "out", ignore_errors=True)  # of an earlier try
    said = shell(line)
    if "--verify" in line or "inspect" in line:
        assert re.search("verified|sha256:", said, re.IGNORECASE)
    if "--to docker" in line or "--builder docker" in line:
        assert "42" in docker_engine.docker("run", "--rm", "--network=none", "mine:latest")
    if " run " in line:
        assert "42" in said
    if " push " in line:
        assert "@sha256:" in said
    if " export " in line:
        text = (shell.folder / "out" / "Dockerfile").read_text()
        assert f"ARG BASE={SLIM}" in text
