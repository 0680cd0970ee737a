"""`export --dockerfile`, and the recipe that `--builder docker` works from."""

from __future__ import annotations

import dataclasses
import importlib.util
import re
import shutil
import subprocess
import sys
from typing import Any

from ..errors import ContainerizeError
from ..model.codec import to_json
from ..model.event import Emit, FindingRaised
from ..model.options import PlanOptions, RecipeOptions
from ..model.plan import ImagePlan
from ..model.request import ExportRequest
from ..model.snapshot import Snapshot
from ..planning import plan as make_plan
from ..planning.dockerfile import recipe
from ..planning.requirements import pins
from .records import open_store, plan_of, resolve, snapshot_of
from .steps import step

_TIMEOUT_S = 120


def export(request: ExportRequest, *, emit: Emit) -> dict[str, Any]:
    """Write an image as a Dockerfile with its context, for use without us.

    Errors: `image-not-found`, `output-exists`, `no-snapshot`, `file-changed`.
    """
    from ..builders.context import check_folder, write_context  # noqa: PLC0415 - only here

    check_folder(request.output)
    store = open_store(request.store)
    image = resolve(store, request.image)
    snapshot, plan = snapshot_of(store, image), plan_of(store, image)
    if snapshot is None or plan is None:
        raise ContainerizeError(
            "no-snapshot",
            what="A Dockerfile can only be made of an image that was built here.",
            why="The store has no record of what this one was made from.",
            fix="Build it from the notebook, then export it.",
        )
    plan = _planned_again(snapshot, plan)
    with step(emit, "export", "Writing the Dockerfile") as summary:
        made = with_recipe(snapshot, plan, buildkit=True, base=request.base)
        assert made.recipe is not None  # noqa: S101 - just made
        for finding in made.recipe.findings:
            emit(FindingRaised(finding))
        write_context(made.recipe, request.output)
        summary.text = request.output
    return {
        "folder": request.output,
        "image": plan.name,
        "files": [file.path for file in made.recipe.files],
        "findings": [to_json(finding) for finding in made.recipe.findings],
    }


def _planned_again(snapshot: Snapshot, plan: ImagePlan) -> ImagePlan:
    """Return the plan with its file tables, which the store does not keep."""
    from .building import guest_files  # noqa: PLC0415 - it imports all of capture

    options = PlanOptions(
        guest=guest_files(plan.kind), name=plan.name, kind=plan.kind, created=plan.created
    )
    return make_plan(snapshot, options)


def with_recipe(
    snapshot: Snapshot, plan: ImagePlan, *, buildkit: bool, base: str = ""
) -> ImagePlan:
    """Return the plan with the recipe that a Docker engine builds it from."""
    hashes, why = _hashes(snapshot)
    options = RecipeOptions(base=base, hashes=hashes, why_no_hashes=why, buildkit=buildkit)
    return dataclasses.replace(plan, recipe=recipe(snapshot, plan, options))


def _hashes(snapshot: Snapshot) -> tuple[dict[str, tuple[str, ...]], str]:
    """Return the sums of each pinned distribution's files in the index, or why there are none.

    uv asks the index, with the user's own settings for it.
    """
    program = _uv()
    if not program:
        return {}, "uv, which asks the index for them, is not installed (pip install uv)."
    version = ".".join(snapshot.interpreter.version.split(".")[:2])
    try:
        done = subprocess.run(
            [*program, "pip", "compile", "--quiet", "--no-deps", "--generate-hashes",
             "--no-header", "--no-annotate", "--python-version", version, "-"],
            input="".join(f"{pin}\n" for pin in pins(snapshot)),
            capture_output=True, text=True, check=False, timeout=_TIMEOUT_S,
        )  # fmt: skip
    except (OSError, subprocess.SubprocessError) as error:
        return {}, f"uv did not answer: {error}"
    if done.returncode:
        said = " ".join(done.stderr.split())
        return {}, f"The package index did not give them: {said[:300]}"
    found: dict[str, tuple[str, ...]] = {}
    for entry in re.split(r"\n(?=\S)", done.stdout):
        name = entry.partition("==")[0].strip().lower()
        found[re.sub(r"[-_.]+", "-", name)] = tuple(
            re.findall(r"--hash=sha256:([0-9a-f]{64})", entry)
        )
    return found, ""


def _uv() -> list[str]:
    if importlib.util.find_spec("uv") is not None:
        return [sys.executable, "-m", "uv"]
    program = shutil.which("uv")
    return [program] if program else []
