"""A sweep's results as rows: what each run was given, how it ended, what it found."""

from __future__ import annotations

import contextlib
import json
import os
from itertools import product
from typing import Any

from ..model.run import Run

#: A notebook may write it, one JSON object: its entries are columns of the table.
METRICS = "metrics.json"
_LONGEST = 200


def rows(run: Run) -> list[dict[str, Any]]:
    """Return a row for each combination, in order; [] for a run that is no sweep.

    `result` is the text of the last cell's value. Outputs must be on this machine.
    """
    swept = run.spec.cluster.sweep
    if not swept:
        return []
    made = []
    for index, values in enumerate(product(*swept.values())):
        folder = os.path.join(run.outputs, str(index))
        made.append({**dict(zip(swept, values, strict=True)), **_told(folder)})
    return made


def _told(folder: str) -> dict[str, Any]:
    ended: dict[str, Any] = {}
    for line in _text(os.path.join(folder, ".containerize", "cells.jsonl")).splitlines():
        with contextlib.suppress(ValueError):
            event = json.loads(line)
            ended = event if event.get("event") == "run-end" else ended
    code = ended.get("exit_code")
    told = {
        "state": "unknown" if code is None else "failed" if code else "succeeded",
        "seconds": ended.get("seconds"),
        "result": _last_value(folder),
    }
    with contextlib.suppress(ValueError, AttributeError):
        found = json.loads(_text(os.path.join(folder, "files", METRICS)) or "{}")
        told |= {str(name): value for name, value in found.items()}
    return told


def _text(path: str) -> str:
    try:
        with open(path, encoding="utf-8", errors="replace") as file:
            return file.read()
    except OSError:
        return ""


def _last_value(folder: str) -> str:
    with contextlib.suppress(ValueError, KeyError, IndexError):
        cells = json.loads(_text(os.path.join(folder, "executed.ipynb")) or "{}")["cells"]
        for output in reversed(cells[-1].get("outputs", [])):
            if output["output_type"] == "execute_result":
                text = output["data"].get("text/plain", "")
                return ("".join(text) if isinstance(text, list) else str(text))[:_LONGEST]
    return ""
