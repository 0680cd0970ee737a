"""Cells, expressions and what saving makes of them, without the cost of a whole capture.

`Kernel(python, folder).save(CELLS, [("model", "X.head()"), ...])` runs cells in a real IPython
shell of that environment and saves each object with the very text that kernels are given.
`Saved.tried()` loads it in a fresh process, as a build does before it builds.
"""

from __future__ import annotations

import json
import subprocess
from pathlib import Path

from jupyter_containerize.capture import injection, serving, trial
from jupyter_containerize.capture.probe import facts
from jupyter_containerize.errors import ContainerizeError
from jupyter_containerize.model.event import ignore
from jupyter_containerize.workflow import trying

_DRIVER = """
import json, os, sys
asked = json.load(open(sys.argv[1]))
sys.path[0] = ""
os.chdir(asked["cwd"])
from IPython.core.interactiveshell import InteractiveShell
shell = InteractiveShell.instance()
for source in asked["cells"]:
    shell.run_cell(source, store_history=True).raise_error()
before = set(shell.user_ns)
for code in asked["codes"]:
    exec(code, {})
assert set(shell.user_ns) == before, set(shell.user_ns) - before
left = sorted(name for name in sys.modules if "_jupyter_containerize_saving" in name)
assert not left, left
facts = {}
exec(open(asked["facts"]).read(), facts)
json.dump(facts["interpreter"](), open(sys.argv[2], "w"))
sys.stdout.flush()
os._exit(0)
"""


class Saved:
    """What came of one object: `error`, or `artifact`, `examples` and `folder` with the files."""

    def __init__(self, folder, record):
        self.told = json.loads((folder / "saved.json").read_text())
        self.folder = str(folder / "artifact")
        self.record = record
        self._tried = None

    @property
    def error(self):
        return ContainerizeError.from_json(self.told["error"]) if "error" in self.told else None

    @property
    def artifact(self):
        assert self.error is None, f"{self.error}\n{self.told.get('traceback', '')}"
        return self.told["artifact"]

    @property
    def signature(self):
        return self.artifact["signature"]

    @property
    def inputs(self):
        return {
            one["name"]: (one["dtype"], tuple(one["shape"])) for one in self.signature["inputs"]
        }

    @property
    def outputs(self):
        return {
            one["name"]: (one["dtype"], tuple(one["shape"])) for one in self.signature["outputs"]
        }

    @property
    def answers(self):
        return [one["answer"] for one in trial.read_json(self.folder, "examples.json")]

    @property
    def questions(self):
        return [one["body"] for one in trial.read_json(self.folder, "examples.json")]

    @property
    def codes(self):
        assert self.artifact
        return [finding["code"] for finding in self.told["findings"]]

    @property
    def definitions(self):
        return (Path(self.folder) / "definitions.py").read_text()

    def tried(self):
        """Load it in a fresh process and compare its answers; return what that told."""
        if self._tried is None:
            saved = serving.Saved("it", self.folder, self.artifact)
            self._tried = trying.try_out(saved, self.record, emit=ignore)
        return self._tried

    def compiled(self):
        """Try the copy for onnxruntime likewise; `not-compiled` says why there is none."""
        if self.told["compiled"] is None:
            raise ContainerizeError("not-compiled", what=self.told["not_compiled"])
        folder = str(Path(self.folder).with_name("compiled"))
        return trying.try_out(
            serving.Saved("it", folder, self.told["compiled"]), self.record, emit=ignore
        )

    def packages(self):
        """Top-level modules that the fresh process imported from among installed packages."""
        rows = self.tried().facts["modules"]
        return {row[0].split(".")[0] for row in rows if row[4] and "-packages/" in row[1]}


class Kernel:
    """Runs cells and saves; each call in a shell of its own."""

    def __init__(self, python, folder):
        self.python = python
        self.folder = Path(folder)
        self.count = 0

    def save(self, cells, asked, **settings):
        """Return a `Saved` for each `(expression, example)`, or just expression, of `asked`."""
        places, codes = [], []
        for one in asked:
            expression, example = one if isinstance(one, tuple) else (one, "")
            self.count += 1
            place = self.folder / f"saved-{self.count}"
            place.mkdir(parents=True)
            places.append(place)
            codes.append(injection.saving_code(str(place), expression, example, settings))
        request, answer = self.folder / "request.json", self.folder / "answer.json"
        answer.unlink(missing_ok=True)
        request.write_text(
            json.dumps(
                {
                    "cells": [cells] if isinstance(cells, str) else cells,
                    "codes": codes,
                    "cwd": str(self.folder),
                    "facts": facts.__file__,
                }
            )
        )
        done = subprocess.run(
            [self.python, "-c", _DRIVER, str(request), str(answer)],
            capture_output=True,
            text=True,
            timeout=280,
        )
        assert answer.exists(), done.stdout + done.stderr
        record = {"python": json.loads(answer.read_text()), "initial_cwd": str(self.folder)}
        return [Saved(place, record) for place in places]
