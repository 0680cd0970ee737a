"""The examples, and the folder that brings them to Binder: each names the other's parts."""

from __future__ import annotations

import json
import os
import re
import subprocess
from pathlib import Path

import pytest

ROOT = Path(__file__).resolve().parents[2]
EXAMPLES = sorted(path for path in (ROOT / "examples").iterdir() if path.is_dir())


@pytest.mark.parametrize("folder", EXAMPLES, ids=lambda path: path.name)
def test_an_example_is_a_notebook_with_its_requirements(folder):
    notebook = folder / f"{folder.name}.ipynb"
    document = json.loads(notebook.read_text())
    assert any(cell["cell_type"] == "code" for cell in document["cells"])
    assert (folder / "requirements.txt").read_text().split()
    assert f"({folder.name}/{notebook.name})" in (ROOT / "examples" / "README.md").read_text()


@pytest.mark.parametrize("folder", EXAMPLES, ids=lambda path: path.name)
def test_binder_installs_what_each_example_imports(folder):
    lines = (ROOT / "binder" / "requirements.txt").read_text().splitlines()
    assert f"-r ../examples/{folder.name}/requirements.txt" in lines


def test_binder_brings_what_runs_images_without_user_namespaces():
    assert (ROOT / "binder" / "apt.txt").read_text().split() == ["proot"]


def test_binder_builds_by_a_script_that_can_be_run():
    script = ROOT / "binder" / "postBuild"
    assert os.access(script, os.X_OK)
    assert script.read_text().startswith("#!")
    subprocess.run(["bash", "-n", script], check=True)
    extras = (ROOT / "pyproject.toml").read_text()
    for name in re.findall(r"'\.\[(\w+)\]'", script.read_text()):
        assert f"\n{name} = [" in extras
