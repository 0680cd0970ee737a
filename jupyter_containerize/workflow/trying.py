"""The round trip before the build: the saved object, loaded in a fresh process, answers as the kernel did."""

from __future__ import annotations

import json
from collections.abc import Mapping
from typing import Any

from ..capture import saving, serving, serving_needs, trial
from ..capture.installed import Environment
from ..errors import ContainerizeError
from ..model.codec import from_json
from ..model.event import Emit
from ..model.snapshot import Interpreter
from ..proof import answers
from .steps import step

#: So many packages may turn out to be needed one by one before nothing is hidden any more.
_MOST_TRIALS = 4


def try_out(saved: serving.Saved, record: Mapping[str, Any], *, emit: Emit) -> trial.Trial:
    """Load it in a fresh process, first with nothing but what its framework and code require.

    Errors: `does-not-load-back`, `answers-differently`, those of adapters.
    """
    interpreter = from_json(Interpreter, record["python"])
    environment = Environment(interpreter.sys_path)
    hidden = serving_needs.hidden_at_first(
        saved.artifact, saved.sources(), environment=environment, interpreter=interpreter
    )
    with step(emit, "try", f"Loading {saved.expression} in a fresh process") as summary:
        for _ in range(_MOST_TRIALS):
            tried = trial.run(saved.folder, record, sys_path=interpreter.sys_path, hidden=hidden)
            if tried.error is None and not _difference(saved, tried):
                break
            if tried.missing not in hidden.names:
                hidden = trial.NOTHING
                break
            hidden = serving_needs.shown(
                hidden, tried.missing, environment=environment, interpreter=interpreter
            )
        if tried.error is not None or _difference(saved, tried):
            tried = trial.run(saved.folder, record, sys_path=interpreter.sys_path).checked()
            if problem := _difference(saved, tried):
                raise problem
        count = len(tried.answers)
        summary.text = f"the same answers to {count} question{'s' if count != 1 else ''}"
    return tried


def _difference(saved: serving.Saved, tried: trial.Trial) -> ContainerizeError | None:
    """Return the error of the first answer that is not the kernel's, None if all are."""
    questions = trial.read_json(saved.folder, saving.EXAMPLES_FILE)
    outputs, tolerance = saved.artifact["signature"]["outputs"], saved.artifact["tolerance"]
    for question, answer in zip(questions, tried.answers, strict=True):
        told = answers.difference(question["answer"], answer, outputs=outputs, tolerance=tolerance)
        if told:
            return ContainerizeError(
                "answers-differently",
                what="Loaded in a fresh process it answers otherwise than in the kernel.",
                why=f"{told}; asked: {json.dumps(question['body'])[:500]}",
                fix="Make it answer the same twice: seed what is random, and let it not depend on "
                "what cells change meanwhile.",
            )
    return None
