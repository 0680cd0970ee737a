"""The folder that repo2docker reads, as it reads it: a fresh environment, an ordinary copy of the repository."""

from __future__ import annotations

import os
import re
import shutil
import subprocess
import sys
from pathlib import Path

REPOSITORY = Path(__file__).parents[2]
BINDER = REPOSITORY / "binder"


def test_what_binder_does_after_its_build_installs_package_widget_and_panel(require, tmp_path):
    require(shutil.which("git"), "git, which tells what is the repository's")
    tracked = subprocess.run(
        ["git", "ls-files", "-z"], cwd=REPOSITORY, stdout=subprocess.PIPE, check=True
    )
    copy = tmp_path / "repository"
    for name in filter(None, os.fsdecode(tracked.stdout).split("\0")):
        (copy / name).parent.mkdir(parents=True, exist_ok=True)
        shutil.copy2(REPOSITORY / name, copy / name)
    environment = tmp_path / "environment"
    subprocess.run([sys.executable, "-m", "venv", environment], check=True)
    done = subprocess.run(
        ["bash", "binder/postBuild"],
        cwd=copy,
        env={**os.environ, "PATH": f"{environment}/bin:/usr/bin:/bin"},
        stdout=subprocess.PIPE,
        stderr=subprocess.STDOUT,
        text=True,
        check=False,
        timeout=900,
    )
    assert done.returncode == 0, done.stdout[-4000:]
    assert "sandbox" in done.stdout, "the doctor's table"
    panel = environment / "share/jupyter/labextensions/jupyter-containerize/package.json"
    assert panel.is_file(), done.stdout[-4000:]
    for module in ("ipywidgets", "jupyter_containerize"):
        subprocess.run([environment / "bin/python", "-c", f"import {module}"], check=True)
    assert not (environment / "bin/node").exists(), "what only the build needed is gone"


def test_every_example_has_its_requirements_on_binder():
    listed = re.findall(r"^-r \.\./(.+)$", (BINDER / "requirements.txt").read_text(), re.MULTILINE)
    there = {
        str(path.relative_to(REPOSITORY)) for path in REPOSITORY.glob("examples/*/requirements.txt")
    }
    assert set(listed) == there
    folders = {path.parent for path in REPOSITORY.glob("examples/*/*.ipynb")}
    assert folders == {(REPOSITORY / path).parent for path in listed}
