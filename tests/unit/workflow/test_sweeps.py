"""A sweep's table: what each combination was given, how it ended, what it found."""

from __future__ import annotations

import json

from jupyter_containerize.model.cluster import ClusterOptions
from jupyter_containerize.model.run import Run, RunSpec
from jupyter_containerize.workflow import sweeps


def told(folder, *, code, value=None, metrics=None):
    (folder / ".containerize").mkdir(parents=True)
    (folder / "files").mkdir()
    events = [{"event": "cell"}, {"event": "run-end", "exit_code": code, "seconds": 1.5}]
    lines = [*map(json.dumps, events), "a line that was cut {"]
    (folder / ".containerize" / "cells.jsonl").write_text("\n".join(lines))
    output = {"output_type": "execute_result", "data": {"text/plain": [value]}} if value else {}
    cells = [{"outputs": [output] if output else []}]
    (folder / "executed.ipynb").write_text(json.dumps({"cells": cells}))
    if metrics:
        (folder / "files" / "metrics.json").write_text(metrics)


def test_each_combination_has_a_row_whatever_came_of_it(tmp_path):
    told(tmp_path / "0", code=0, value="0.9", metrics='{"accuracy": 0.9}')
    told(tmp_path / "1", code=1)
    told(tmp_path / "2", code=0, value="0.7", metrics="[no object]")
    options = ClusterOptions(sweep={"lr": ("0.1", "0.2"), "deep": ("1", "2")})
    run = Run("1", RunSpec("x", cluster=options), "kubernetes", outputs=str(tmp_path))
    assert sweeps.rows(run) == [
        {"lr": "0.1", "deep": "1", "state": "succeeded", "seconds": 1.5, "result": "0.9", "accuracy": 0.9},
        {"lr": "0.1", "deep": "2", "state": "failed", "seconds": 1.5, "result": ""},
        {"lr": "0.2", "deep": "1", "state": "succeeded", "seconds": 1.5, "result": "0.7"},
        {"lr": "0.2", "deep": "2", "state": "unknown", "seconds": None, "result": ""},
    ]  # fmt: skip


def test_what_is_no_sweep_has_no_table(tmp_path):
    assert sweeps.rows(Run("1", RunSpec("x"), "kubernetes", outputs=str(tmp_path))) == []
