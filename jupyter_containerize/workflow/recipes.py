"""`export --dockerfile`, and the recipe that `--builder docker` works from."""

from __future__ import annotations

import dataclasses
import importlib.util
import os
import re
import shutil
import subprocess
import sys
import tempfile
from typing import Any

from ..errors import ContainerizeError
from ..model.codec import to_json
from ..model.event import Emit, FindingRaised
from ..model.image import Image
from ..model.options import PlanOptions, RecipeOptions
from ..model.plan import ARTIFACT_FOLDER, ROOT, FileContent, ImagePlan, Recipe
from ..model.request import ExportRequest
from ..model.snapshot import Snapshot
from ..oci.store import Store
from ..planning import plan as make_plan
from ..planning.dockerfile import recipe
from ..planning.requirements import pins
from .records import files_of_image, open_store, plan_of, resolve, snapshot_of
from .steps import step

_TIMEOUT_S = 120
#: How uv names a requirement that nothing meets ("… and you require NAME==VERSION, we can conclude").
_REFUSED = re.compile(r"you require (\S+)")


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
        made = recipe_of(snapshot, plan, buildkit=True, base=request.base)
        for finding in made.findings:
            emit(FindingRaised(finding))
        with tempfile.TemporaryDirectory(prefix="artifact-") as folder:
            write_context(_with_artifact(made, image, store, folder), request.output)
        summary.text = request.output
    return {
        "folder": request.output,
        "image": plan.name,
        "files": [file.path for file in made.files],
        "findings": [to_json(finding) for finding in made.findings],
    }


def _with_artifact(made: Recipe, image: Image, store: Store, folder: str) -> Recipe:
    """Return the recipe with what a kernel saved for it: that is in the image alone by now."""
    copies = files_of_image(store, image, ARTIFACT_FOLDER, folder=folder)
    files = []
    for file in made.files:
        copy = copies.get(f"{ROOT}/{file.path.partition('/')[2]}")
        if copy is not None:
            status = os.stat(copy)
            content = FileContent(copy, status.st_size, status.st_mtime_ns)
            file = dataclasses.replace(file, content=content)  # noqa: PLW2901 - that one alone
        files.append(file)
    return dataclasses.replace(made, files=tuple(files))


def _planned_again(snapshot: Snapshot, plan: ImagePlan) -> ImagePlan:
    """Return the plan with its file tables, which the store does not keep."""
    from .building import guest_files  # noqa: PLC0415 - it imports all of capture

    options = PlanOptions(
        guest=guest_files(plan.kind), name=plan.name, kind=plan.kind, created=plan.created
    )
    return dataclasses.replace(make_plan(snapshot, options), base=plan.base)


def recipe_of(snapshot: Snapshot, plan: ImagePlan, *, buildkit: bool, base: str = "") -> Recipe:
    """Return the recipe that a Docker engine builds the plan's image from."""
    hashes, why = _hashes(snapshot)
    options = RecipeOptions(base=base, hashes=hashes, why_no_hashes=why, buildkit=buildkit)
    return recipe(snapshot, plan, options)


def _hashes(snapshot: Snapshot) -> tuple[dict[str, tuple[str, ...]], str]:
    """Return the sums of each pinned distribution's files in the index, or why there are none.

    uv asks the index, with the user's own settings for it. What the index does not have costs only its own.
    """
    program = _uv()
    if not program:
        return {}, "uv, which asks the index for them, is not installed (pip install uv)."
    version = ".".join(snapshot.interpreter.version.split(".")[:2])
    asked, unknown = list(pins(snapshot)), list[str]()
    while True:
        try:
            done = subprocess.run(
                [*program, "pip", "compile", "--quiet", "--no-deps", "--generate-hashes",
                 "--no-header", "--no-annotate", "--python-version", version, "-"],
                input="".join(f"{pin}\n" for pin in asked),
                capture_output=True, text=True, check=False, timeout=_TIMEOUT_S,
            )  # fmt: skip
        except (OSError, subprocess.SubprocessError) as error:
            return {}, f"uv did not answer: {error}"
        if done.returncode == 0:
            break
        said = " ".join(done.stderr.split())
        named = {text.rstrip(",.") for text in _REFUSED.findall(said)}.intersection(asked)
        if not named:
            return {}, f"The package index did not give them: {said[:300]}"
        unknown += sorted(named)
        asked = [pin for pin in asked if pin not in named]
    found: dict[str, tuple[str, ...]] = {}
    for entry in re.split(r"\n(?=\S)", done.stdout):
        name = entry.partition("==")[0].strip().lower()
        found[re.sub(r"[-_.]+", "-", name)] = tuple(
            re.findall(r"--hash=sha256:([0-9a-f]{64})", entry)
        )
    return found, f"The package index does not have {', '.join(unknown)}." if unknown else ""


def _uv() -> list[str]:
    if importlib.util.find_spec("uv") is not None:
        return [sys.executable, "-m", "uv"]
    program = shutil.which("uv")
    return [program] if program else []
