"""Notebooks run by a real kernel and by the guest: the outputs must be the same.

The notebooks are in tests/notebooks/guest; each holds what one kind of author does.
"""

from __future__ import annotations

import importlib.util
import json
import sys
from pathlib import Path

import nbformat
import pytest

from jupyter_containerize.model.verdict import CellOutcome
from jupyter_containerize.proof import compare

#: Notebook to the environment it runs in; "" is the one that runs the tests.
CASES = {
    "plain": "",
    "magics": "",
    "streams": "",
    "displays": "",
    "asynchronous": "",
    "rich_text": "",
    "last_exit": "",
    "plots": "science",
    "frames": "science",
    "learning": "science",
    "keras_training": "science",
    "comms": "",
    "widgets": "interactive",
    "charts": "interactive",
    "bars": "corpus",
}


def load(name):
    spec = importlib.util.spec_from_file_location(name, Path(__file__).parent.parent / f"{name}.py")
    module = importlib.util.module_from_spec(spec)
    spec.loader.exec_module(module)
    return module


def kinds(cell):
    """What a cell put out, streams last: they interleave anew each time."""
    return [
        [(out.output_type, sorted(out.get("data", ())), out.get("metadata"), out.get("execution_count"))
         for out in cell.outputs if out.output_type != "stream"],
        sorted({out.name for out in cell.outputs if out.output_type == "stream"}),
    ]  # fmt: skip


@pytest.mark.parametrize("name", CASES)
def test_the_guest_gives_what_the_kernel_gives(name, environment, tmp_path):
    runs = load("guest_runs")
    python = environment(CASES[name]) if CASES[name] else sys.executable
    made = runs.written(name)
    kernel = runs.run_in_kernel(made, python=python, folder=tmp_path / "kernel" / "work")
    guest = runs.GuestRun(made, python=python, folder=tmp_path / "guest")
    code, log = guest.run()
    assert code == 0, log
    executed = guest.executed
    verdicts = compare(json.loads(nbformat.writes(kernel)), json.loads(nbformat.writes(executed)))
    wrong = [v for v in verdicts if v.outcome not in (CellOutcome.EQUAL, CellOutcome.UNPROVEN)]
    assert not wrong, "\n".join(f"cell {v.number}:\n{v.detail}" for v in wrong)
    assert sum(v.outcome is CellOutcome.EQUAL for v in verdicts) >= len(verdicts) * 0.6
    for theirs, ours in zip(kernel.cells, executed.cells, strict=True):
        assert kinds(ours) == kinds(theirs), ours.source
        assert ours.execution_count == theirs.execution_count
