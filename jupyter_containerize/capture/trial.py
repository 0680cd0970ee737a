"""The round trip: a saved object is loaded in a fresh process, before anything is built.

The same process tells what serving needs: what it imported, opened, mapped and called.
"""

from __future__ import annotations

import contextlib
import json
import os
import signal
import subprocess
from collections.abc import Mapping
from dataclasses import dataclass
from typing import Any

from ..errors import ContainerizeError
from . import trial_process

#: Loading a large model from a cold disk, and asking it some forty questions.
_TIMEOUT_S = 600.0
_SAID = 1500


@dataclass(frozen=True, slots=True)
class Hidden:
    """Installed distributions that a trial goes without: their keys and top-level modules."""

    names: frozenset[str] = frozenset()
    keys: frozenset[str] = frozenset()


NOTHING = Hidden()


@dataclass(frozen=True, slots=True)
class Trial:
    """What a fresh process told: the facts of a record, its answers, and how long loading took.

    `missing` is the module without which loading failed, if that is why.
    """

    facts: Mapping[str, Any]
    answers: tuple[Any, ...] = ()
    load_seconds: float = 0.0
    load_cpu_seconds: float = 0.0
    memory_bytes: int = 0
    calls_per_cpu_second: float = 0.0
    error: ContainerizeError | None = None
    missing: str = ""

    def checked(self) -> Trial:
        """Return it if the object was loaded. Errors: `does-not-load-back`, those of adapters."""
        if self.error is not None:
            raise self.error
        return self


def run(
    folder: str,
    record: Mapping[str, Any],
    *,
    sys_path: tuple[str, ...],
    hidden: Hidden = NOTHING,
) -> Trial:
    """Load the artifact in `folder` in a fresh process of the kernel's Python and ask it everything.

    What is `hidden` is, for that process, not installed.
    """
    questions = read_json(folder, "examples.json")
    request, answer = f"{folder}.request.json", f"{folder}.answer.json"
    asked = {
        "folder": folder,
        "sys_path": list(sys_path),
        "cwd": record["initial_cwd"],
        "bodies": [question["body"] for question in questions],
        "hidden_names": sorted(hidden.names),
        "hidden_keys": sorted(hidden.keys),
    }
    with open(request, "w", encoding="utf-8") as file:
        json.dump(asked, file)
    with contextlib.suppress(FileNotFoundError):
        os.unlink(answer)
    said, why = _start(record["python"]["executable"], request, answer)
    try:
        with open(answer, encoding="utf-8") as file:
            found: dict[str, Any] = json.load(file)
    except (OSError, ValueError):
        why = why or "The process that loaded it ended without an answer."
        return Trial({}, error=_not_loaded(why, said))
    if found["error"]:
        missing = (found["error"].get("missing") or "").partition(".")[0]
        return Trial(found, error=_of_error(found["error"]), missing=missing)
    return Trial(
        found,
        tuple(found["answers"]),
        load_seconds=found["load_seconds"],
        load_cpu_seconds=found["load_cpu_seconds"],
        memory_bytes=found["memory_bytes"],
        calls_per_cpu_second=found["calls_per_cpu_second"],
    )


def read_json(folder: str, name: str) -> Any:
    """Return what a JSON file of the artifact says."""
    with open(os.path.join(folder, name), encoding="utf-8") as file:
        return json.load(file)


def _start(python: str, request: str, answer: str) -> tuple[str, str]:
    """Run the process to its end; return what it said and what ended it, for the case that it did not answer."""
    package = os.path.dirname(os.path.dirname(os.path.abspath(__file__)))
    script = os.path.abspath(trial_process.__file__)
    environment = {**os.environ, "PYTHONDONTWRITEBYTECODE": "1", "CUDA_VISIBLE_DEVICES": ""}
    try:
        done = subprocess.run(
            [python, script, package, request, answer],
            env=environment,
            stdin=subprocess.DEVNULL,
            stdout=subprocess.PIPE,
            stderr=subprocess.STDOUT,
            timeout=_TIMEOUT_S,
            check=False,
        )
    except subprocess.TimeoutExpired:
        return "", f"It was not done after {_TIMEOUT_S:.0f} seconds."
    said = done.stdout.decode("utf-8", "replace").strip()[-_SAID:]
    if done.returncode < 0:
        return said, f"The process was ended by {signal.Signals(-done.returncode).name}."
    return said, ""


def _of_error(error: Mapping[str, Any]) -> ContainerizeError:
    if "code" in error:
        return ContainerizeError.from_json(dict(error))
    return _not_loaded(f"{error['type']}: {error['text']}", error["traceback"].strip()[-_SAID:])


def _not_loaded(why: str, said: str) -> ContainerizeError:
    return ContainerizeError(
        "does-not-load-back",
        what="What was saved does not load in a fresh process, so no image was built.",
        why=f"{why}\n{said}".strip(),
        fix="If it needs something that cells did, put that into a cell tagged `serve`; or serve a "
        "function that makes the object from its parts.",
    )
