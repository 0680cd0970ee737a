"""The lowest versions that pyproject.toml allows; Colab has some of them."""

from __future__ import annotations

import json
import os
import re
import subprocess
import sys
from pathlib import Path

import pytest

if sys.version_info >= (3, 11):
    import tomllib

ROOT = Path(__file__).resolve().parents[2]
INSTALLED = """
import importlib.metadata, json, sys
print(json.dumps({name: importlib.metadata.version(name) for name in sys.argv[1:]}))
"""
EXECUTED = """
import sys, nbclient
from nbformat.v4 import new_code_cell, new_notebook
notebook = new_notebook(cells=[new_code_cell(source) for source in sys.argv[1:]])
nbclient.NotebookClient(notebook, kernel_name="python3", timeout=240).execute()
print(notebook.cells[-1].outputs)
"""
CELLS = [
    "%load_ext jupyter_containerize",
    "import math\nprint(round(math.pi, 3))\n{'answer': 42}",
    "%containerize build --run --verify",
]


@pytest.mark.skipif(sys.version_info < (3, 11), reason="tomllib came with Python 3.11")
def test_the_environment_has_the_lowest_versions(environment):
    project = tomllib.loads((ROOT / "pyproject.toml").read_text())["project"]
    lowest = dict(
        re.match(r"([\w-]+)>=([\d.]+)", one).groups()
        for one in [*project["dependencies"], *project["optional-dependencies"]["widget"]]
    )
    asked = [environment("oldest"), "-c", INSTALLED, *lowest]
    installed = json.loads(subprocess.run(asked, capture_output=True, check=True).stdout)
    assert all(f"{installed[name]}.".startswith(f"{lowest[name]}.") for name in lowest), installed


def test_the_magic_from_cells_to_a_verified_run(environment, tmp_path):
    done = subprocess.run(
        [environment("oldest"), "-c", EXECUTED, *CELLS],
        cwd=tmp_path,
        env={**os.environ, "PYTHONPATH": str(ROOT)},
        capture_output=True,
        text=True,
        timeout=280,
    )
    assert done.returncode == 0, done.stderr[-3000:]
    assert "Verified: the image does what the notebook did" in done.stdout
