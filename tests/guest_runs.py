"""Notebooks for the guest's tests, run by a real kernel (nbclient) and by the guest."""

from __future__ import annotations

import json
import os
import subprocess
from pathlib import Path

import nbformat
from jupyter_client import KernelManager
from nbclient import NotebookClient

import jupyter_containerize.guest

NOTEBOOKS = Path(__file__).parent / "notebooks" / "guest"
TRAIN = Path(jupyter_containerize.guest.__file__).parent / "train.py"


def notebook(*cells):
    """A notebook of sources, or of (source, tags)."""
    made = nbformat.v4.new_notebook()
    for number, cell in enumerate(cells, 1):
        source, tags = (cell, []) if isinstance(cell, str) else cell
        new = nbformat.v4.new_code_cell(source, id=f"cell-{number}")
        if tags:
            new.metadata["tags"] = list(tags)
        made.cells.append(new)
    return made


def written(name):
    """The notebook in `tests/notebooks/guest/NAME.cells`: sources behind `# %% tags` lines."""
    cells = []
    for line in (NOTEBOOKS / f"{name}.cells").read_text().splitlines(keepends=True):
        if line.startswith("# %%"):
            cells.append(("", line[4:].split()))
        else:
            cells[-1] = (cells[-1][0] + line, cells[-1][1])
    return notebook(*((source.rstrip("\n"), tags) for source, tags in cells))


def run_in_kernel(made, *, python, folder):
    """Run a copy of the notebook in a real kernel of `python`; return it with outputs."""
    os.makedirs(folder, exist_ok=True)
    copy = nbformat.from_dict(json.loads(json.dumps(made)))
    manager = KernelManager()
    command = [str(python), "-m", "ipykernel_launcher", "-f", "{connection_file}"]
    manager.kernel_spec.argv = command
    client = NotebookClient(
        copy, km=manager, timeout=300, resources={"metadata": {"path": str(folder)}}
    )
    # ipykernel leaves file descriptors alone when it sees pytest
    hidden = ("PYTEST_CURRENT_TEST", "MPLBACKEND")
    return client.execute(env={k: v for k, v in os.environ.items() if k not in hidden})


class GuestRun:
    """The guest as a plain process, its settings pointing into `folder`."""

    def __init__(self, made, *, python, folder, **settings):
        self.folder = Path(folder)
        self.work = self.folder / "work"
        self.outputs = self.folder / "outputs"
        self.work.mkdir(parents=True, exist_ok=True)
        (self.folder / "notebook.ipynb").write_text(nbformat.writes(made))
        config = {
            "version": 1,
            "kind": "training",
            "notebook": str(self.folder / "notebook.ipynb"),
            "notebook_name": "notebook.ipynb",
            "folder": str(self.work),
            "cwd": str(self.work),
            "sys_path": [],
            "parameters": [],
            "matplotlib_backend": "",
            "outputs": str(self.outputs),
            "large_files": [],
            **settings,
        }
        (self.folder / "guest.json").write_text(json.dumps(config))
        self.python = str(python)

    def start(self, *arguments, **environment):
        """Start it; return the process, its log a pipe of text."""
        inherited = {k: v for k, v in os.environ.items() if k != "MPLBACKEND"}
        return subprocess.Popen(
            [self.python, str(TRAIN), *arguments],
            env={
                **inherited,
                "CONTAINERIZE_GUEST_CONFIG": str(self.folder / "guest.json"),
                **environment,
            },
            stdin=subprocess.DEVNULL,
            stdout=subprocess.PIPE,
            stderr=subprocess.STDOUT,
            text=True,
        )

    def run(self, *arguments, **environment):
        """Run it to the end; return (exit code, log)."""
        process = self.start(*arguments, **environment)
        log, _ = process.communicate(timeout=300)
        return process.returncode, log

    @property
    def executed(self):
        """The executed notebook, checked against nbformat's schema."""
        made = nbformat.read(self.outputs / "executed.ipynb", as_version=4)
        nbformat.validate(made)
        return made

    @property
    def trail(self):
        """The events of cells.jsonl."""
        lines = (self.outputs / ".containerize" / "cells.jsonl").read_text().splitlines()
        return [json.loads(line) for line in lines]
