"""What the README shows is what happens."""

from __future__ import annotations

import json
import re
import subprocess
import sys
from pathlib import Path

import nbclient
import nbformat
import pytest

from jupyter_containerize.surfaces import arguments

ROOT = Path(__file__).resolve().parents[2]
README = (ROOT / "README.md").read_text()


def blocks(language: str) -> list[str]:
    found = re.findall(r"^```(\w*)\n(.*?)^```$", README, re.DOTALL | re.MULTILINE)
    return [text for name, text in found if name == language]


def test_the_magic_does_what_the_readme_says(tmp_path):
    (python,) = blocks("python")
    lines = python.replace("# ... your cells ...", "answer = 6 * 7\nprint(answer)").splitlines()
    cells = [lines[0], "\n".join(lines[1:-1]), lines[-1]]
    notebook = nbformat.v4.new_notebook(cells=[nbformat.v4.new_code_cell(cell) for cell in cells])
    nbformat.write(notebook, tmp_path / "mine.ipynb")
    client = nbclient.NotebookClient(
        notebook, timeout=300, resources={"metadata": {"path": str(tmp_path)}}
    )
    client.execute()
    shown = json.dumps(notebook.cells[-1].outputs, ensure_ascii=False)
    assert "Verified" in shown


def test_the_command_does_what_the_readme_says(tmp_path):
    (line,) = [block.strip() for block in blocks("") if "notebook.ipynb" in block]
    notebook = nbformat.v4.new_notebook(cells=[nbformat.v4.new_code_cell("print(6 * 7)")])
    nbformat.write(notebook, tmp_path / "notebook.ipynb")
    assert line.startswith("jupyter containerize ")
    command = [sys.executable, "-m", "jupyter_containerize", *line.split()[2:]]
    done = subprocess.run(command, cwd=tmp_path, capture_output=True, text=True, timeout=300)
    assert done.returncode == 0, done.stdout + done.stderr
    assert "Verified" in done.stdout


def test_serving_does_what_the_readme_says(tmp_path):
    (text,) = blocks("ipython")
    *lines, last = text.splitlines()
    sources = ["%load_ext jupyter_containerize", "\n".join(lines), last, "%containerize stop"]
    notebook = nbformat.v4.new_notebook(cells=[nbformat.v4.new_code_cell(one) for one in sources])
    nbformat.write(notebook, tmp_path / "mine.ipynb")
    client = nbclient.NotebookClient(
        notebook, timeout=300, resources={"metadata": {"path": str(tmp_path)}}
    )
    client.execute()
    shown = json.dumps(notebook.cells[2].outputs, ensure_ascii=False)
    assert "Verified" in shown
    assert "curl -s http://127.0.0.1:" in shown


def test_the_table_of_commands_is_complete():
    table = README[README.index("| command | does |") :]
    table = table[: table.index("\n\n")]
    named = set(re.findall(r"[`,] ?`?([a-z]+)(?: |`)", table))
    assert set(arguments.parser().subcommands()) <= named | {"validate"}


@pytest.mark.parametrize("page", re.findall(r"\]\(([^)#:]+)\)", README))
def test_links_lead_somewhere(page):
    assert (ROOT / page).exists()
