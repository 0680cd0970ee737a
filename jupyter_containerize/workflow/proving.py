"""`verify`: run an image without network and compare its outputs with the notebook's."""

from __future__ import annotations

import dataclasses
import json
import os
from typing import Any

from .. import proof
from ..errors import ContainerizeError
from ..model.codec import to_json
from ..model.event import Emit
from ..model.image import Image
from ..model.options import RunOptions
from ..model.plan import LABEL_MODE, NOTEBOOK_FILE
from ..model.request import VerifyRequest
from ..model.run import Run
from ..model.snapshot import SnapshotMode
from ..model.verdict import Verdict, VerdictState
from ..oci.store import Store
from .records import file_in_image, open_store, put_verdict, resolve
from .running import run_image, serves
from .steps import step
from .summaries import image_summary, run_summary


def verify(request: VerifyRequest, *, emit: Emit) -> dict[str, Any]:
    """Verify an image and keep the verdict. Errors: `image-not-found`, `static-image`."""
    store = open_store(request.store)
    image = resolve(store, request.image)
    if serves(image):
        from .services import prove  # noqa: PLC0415 - it needs HTTP, which other images do not

        asked, told = prove(image, request.options, runtime=request.runtime, store=store, emit=emit)
        return {
            "image": image_summary(image, store),
            "run": run_summary(asked),
            "verdict": to_json(told),
        }
    run, verdict = verify_image(
        image, request.options, runtime=request.runtime, rtol=request.rtol, store=store, emit=emit
    )
    return {
        "image": image_summary(image, store),
        "run": run_summary(run),
        "verdict": to_json(verdict),
    }


def verify_image(
    image: Image, options: RunOptions, *, runtime: str, rtol: float, store: Store, emit: Emit
) -> tuple[Run, Verdict]:
    """Run `image` with the notebook's own parameters and no network, and judge the run."""
    _recorded(image, store)  # an image that cannot be judged need not run first
    plain = dataclasses.replace(options, parameters={}, network=False)
    run = run_image(image, plain, runtime=runtime, store=store, emit=emit)
    return run, judge(image, run, rtol=rtol, store=store, emit=emit)


def proves(run: Run) -> bool:
    """Tell whether a run that was made anyway is what a proof needs."""
    return not (run.spec.parameters or run.spec.network or run.spec.environment)


def judge(image: Image, run: Run, *, rtol: float, store: Store, emit: Emit) -> Verdict:
    """Compare what a finished run gave with what the notebook recorded; keep the verdict."""
    recorded = _recorded(image, store)
    with step(emit, "verify", "Comparing the outputs with the notebook's") as summary:
        executed = _executed(run)
        cells = () if executed is None else proof.compare(recorded, executed, rtol=rtol)
        verdict = proof.verdict(
            cells, image=image.digest, run=run.id, rtol=rtol, exit_code=run.exit_code
        )
        put_verdict(store, verdict)
        summary.ok = verdict.state is not VerdictState.FAILED
        summary.text = f"{verdict.state.value}. {verdict.reason}"
    return verdict


def _executed(run: Run) -> dict[str, Any] | None:
    try:
        with open(os.path.join(run.outputs, "executed.ipynb"), encoding="utf-8") as file:
            notebook: dict[str, Any] = json.load(file)
    except (OSError, ValueError):
        return None
    return notebook


def _recorded(image: Image, store: Store) -> dict[str, Any]:
    """Return the notebook in the image. Errors: `static-image`, `no-recorded-outputs`."""
    if image.config.labels.get(LABEL_MODE) == SnapshotMode.STATIC.value:
        raise ContainerizeError(
            "static-image",
            what="This image cannot be verified.",
            why="It was built with --no-execute, so there are no outputs to compare with.",
            fix="Build it again without --no-execute.",
        )
    data = file_in_image(store, image, NOTEBOOK_FILE)
    if data is not None:
        notebook: dict[str, Any] = json.loads(data)
        return notebook
    raise ContainerizeError(
        "no-recorded-outputs",
        what="This image cannot be verified.",
        why=f"It holds no notebook ({NOTEBOOK_FILE}) to compare with.",
        fix="Verify images that `jupyter containerize build` made.",
    )
