"""`build` and `plan`: notebook or live kernel → snapshot → plan → image."""

from __future__ import annotations

import datetime as dt
import os
from dataclasses import replace
from typing import Any

from .. import guest
from ..capture import assemble
from ..capture import notebook as notebook_file
from ..capture import record as probe_record
from ..errors import ContainerizeError
from ..model.codec import to_json
from ..model.event import Emit, FindingRaised
from ..model.image import Image
from ..model.options import PlanOptions
from ..model.plan import ImageKind, ImagePlan
from ..model.platform import Platform
from ..model.reasons import Finding, Severity
from ..model.reference import Reference
from ..model.request import BuildRequest
from ..model.snapshot import Snapshot
from ..oci import indexes
from ..oci.store import Store
from ..planning import plan as make_plan
from ..planning.slim import slimmed
from . import bases, loading, proving, running
from .bases import ChosenBase
from .choices import builder_named, runtime_named
from .collector import at_rest
from .contents import describe, findings
from .differences import since_last
from .outputs import check_output, write_output
from .records import open_store, remember
from .steps import step
from .summaries import image_summary, run_summary


def build(request: BuildRequest, *, emit: Emit) -> dict[str, Any]:
    """Build an image; then, as asked, write it out, run it and verify it.

    Errors: those of each step; every blocking finding at once.
    """
    store = open_store(request.store)
    builder = builder_named(request.builder)
    runtime_named(request.runtime)
    platforms = _platforms(request)
    if request.output:
        check_output(request.output, several=len(platforms) > 1)
    engine = loading.check(platforms) if request.to else None
    built: list[tuple[Image, Snapshot, ImagePlan]] = []
    for snapshot, image_plan in _plans(request, store, emit):
        found = findings(snapshot, image_plan)
        for finding in found:
            if finding.severity is not Severity.BLOCKING:
                emit(FindingRaised(finding))
        refuse_blocking(found)
        if builder.name == "docker":
            image_plan = with_recipe(snapshot, image_plan, base=request.base, emit=emit)  # noqa: PLW2901
        with at_rest():
            image = builder.build(image_plan, store=store, emit=emit)
        remember(store, image, snapshot, image_plan)
        built.append((image, snapshot, image_plan))
    images = _together(store, built)
    image, snapshot, image_plan = built[0]
    result = {
        "index": [str(one.platform) for one in images] if len(images) > 1 else [],
        "image": image_summary(image, store),
        "layers": [to_json(layer) for layer in image.layers],
        "contents": _counts(snapshot),
        "findings": [to_json(item) for item in findings(snapshot, image_plan)],
        "parameters": [to_json(item) for item in snapshot.parameters],
        "output": request.output,
    }
    if request.output:
        with step(emit, "output", "Writing the image out") as summary:
            write_output(request.output, *images, store=store)
            summary.text = request.output
    if engine is not None:
        result["engine"] = loading.load(*images, engine=engine, store=store, emit=emit)
    result.update(_run_and_verify(request, image, store, emit))
    return {**result, "image": image_summary(image, store)}


def _platforms(request: BuildRequest) -> list[Platform]:
    """Return the platforms to build for, this machine's first. Errors: `invalid-platform`."""
    named = {Platform.parse(one) for one in request.platform.split(",") if one}
    ordered = sorted(named, key=lambda one: (one != bases.of_machine(), str(one)))
    return ordered or [bases.of_machine()]


def _together(store: Store, built: list[tuple[Image, Snapshot, ImagePlan]]) -> list[Image]:
    """Let the name stand for all platforms' images, and return them under it.

    In the store each keeps a name of its own.
    """
    name = Reference.parse(built[0][2].name)
    if len(built) == 1:
        indexes.forget(store, name)
        return [built[0][0]]
    for image, _, image_plan in built:
        own = name.with_tag(f"{name.tag}-{image_plan.platform.architecture}")
        store.tag(image, own)
    store.tag(built[0][0], name)
    indexes.remember(store, name, [image for image, _, _ in built])
    return [replace(image, names=(str(name),)) for image, _, _ in built]


def plan(request: BuildRequest, *, emit: Emit) -> dict[str, Any]:
    """Return what an image would contain, why, and which layers are there already."""
    store = open_store(request.store)
    snapshot, image_plan = _plans(request, store, emit)[0]
    known = builder_named(request.builder).known_layers(image_plan, store=store)
    layers = [
        {
            "title": layer.title,
            "kind": layer.kind.value,
            "size_bytes": layer.size_bytes,
            "files": len(layer.entries),
            "contains": list(layer.contains),
            "reused": there is not None,
        }
        for layer, there in zip(image_plan.layers, known, strict=True)
    ]
    return {
        **describe(snapshot, image_plan),
        "name": request.name or image_plan.name,
        "base": image_plan.base.reference or image_plan.base.kind.value,
        "platform": str(image_plan.platform),
        "layers": layers,
        "since": since_last(store, image_plan.name, snapshot),
        "config": to_json(image_plan.config),
    }


def _plans(request: BuildRequest, store: Store, emit: Emit) -> list[tuple[Snapshot, ImagePlan]]:
    """Return a snapshot and a plan for each platform, this machine's first."""
    creation_date()  # what is wrong is told before work begins
    # An engine's own images are a Dockerfile's base, not the plan's.
    base = "host" if request.builder == "docker" else request.base
    chosen = [
        bases.choose(base, platform=one, refresh=request.pull, store=store, emit=emit)
        for one in _platforms(request)
    ]
    record = _record(request, emit)
    with at_rest(), step(emit, "capture", "Looking at what the notebook uses") as summary:
        snapshot = assemble.snapshot(
            record,
            notebook=request.notebook,
            options=request.capture,
            store=store,
            emit=emit,
            front_end=request.front_end,
        )
        summary.text = _sentence(snapshot)
    return [_plan(request, snapshot, base, store, emit) for base in chosen]


def _plan(
    request: BuildRequest, snapshot: Snapshot, chosen: ChosenBase, store: Store, emit: Emit
) -> tuple[Snapshot, ImagePlan]:
    snapshot = bases.fitted(snapshot, chosen, store=store, emit=emit)
    if request.slim:
        snapshot = slimmed(snapshot)
    with at_rest(), step(emit, "plan", "Planning the image") as summary:
        options = PlanOptions(
            guest=guest_files(),
            name=request.name,
            base=chosen.base,
            base_image=chosen.image,
            created=creation_date(),
            mounts=request.capture.mounts,
        )
        image_plan = make_plan(snapshot, options)
        summary.text = f"{len(image_plan.layers)} layers"
    return snapshot, image_plan


def with_recipe(snapshot: Snapshot, image_plan: ImagePlan, *, base: str, emit: Emit) -> ImagePlan:
    """Return the plan with the Dockerfile that the engine is to build."""
    from ..builders.docker import has_buildkit  # noqa: PLC0415 - only for this builder
    from .recipes import recipe_of  # noqa: PLC0415 - as above

    wanted = "" if base in bases.HOST else base
    made = recipe_of(snapshot, image_plan, buildkit=has_buildkit(), base=wanted)
    for finding in made.findings:
        emit(FindingRaised(finding))
    return replace(image_plan, recipe=made)


def _record(request: BuildRequest, emit: Emit) -> dict[str, Any]:
    """Return the probe record: the one handed in, a running kernel's, or of one started for it."""
    if request.record:
        with open(request.record, "rb") as file:
            return probe_record.parse(file.read())
    from ..capture import kernel  # noqa: PLC0415 - a live kernel's record needs none of it

    if request.connection:
        with step(emit, "execute", "Asking the running kernel") as summary:
            record = kernel.attach(request.connection, notebook=request.notebook, timeout_s=None)
            ran = kernel.has_run(record)
            summary.text = f"{len(record['modules'])} modules" if ran else "It has run nothing yet"
        if ran:
            return record
    title = "Running the notebook" if request.capture.execute else "Importing what cells name"
    chosen = notebook_file.given(request.notebook, request.front_end)
    with step(emit, "execute", title) as summary:
        record = kernel.record(chosen, options=request.capture, emit=emit)
        summary.text = chosen.name
    return record


def refuse_blocking(found: tuple[Finding, ...]) -> None:
    """Raise every blocking finding at once, the first one leading. Errors: their codes."""
    problems = [
        ContainerizeError(finding.code, what=_placed(finding), why=finding.why, fix=finding.fix)
        for finding in found
        if finding.severity is Severity.BLOCKING
    ]
    if problems:
        raise ContainerizeError.together(problems)


def _placed(finding: Finding) -> str:
    place = f"Cell {finding.cell}" if finding.cell is not None else finding.path or ""
    if finding.what.startswith(place):
        return finding.what
    if place and finding.line is not None:
        place += f", line {finding.line}"
    return f"{place}: {finding.what}" if place else finding.what


def _run_and_verify(
    request: BuildRequest, image: Image, store: Store, emit: Emit
) -> dict[str, Any]:
    """Run and verify as asked; one run serves both when it is what the proof needs."""
    result: dict[str, Any] = {}
    if request.run:
        run = running.run_image(
            image, request.options, runtime=request.runtime, store=store, emit=emit
        )
        result["run"] = run_summary(run)
        if request.verify and proving.proves(run):
            verdict = proving.judge(image, run, rtol=request.rtol, store=store, emit=emit)
            return {**result, "verdict": to_json(verdict)}
    if request.verify:
        run, verdict = proving.verify_image(
            image,
            request.options,
            runtime=request.runtime,
            rtol=request.rtol,
            store=store,
            emit=emit,
        )
        # The run that the user asked for, with its own parameters, is the one to show.
        result.setdefault("run", run_summary(run))
        result["verdict"] = to_json(verdict)
    return result


#: The parts of the guest that only serve.
_SERVING = ("serve.py", "serving", "adapters")
#: What both need, in a cluster too (`pod`, `folders`).
_SHARED = ("__init__.py", "problem.py", "pod.py", "folders.py")
_TEXTS = (".py", ".html", ".css", ".js")


def guest_files(kind: ImageKind = ImageKind.TRAINING) -> dict[str, str]:
    """Return the guest's files for images of a kind, by path below its folder, as text."""
    folder = os.path.dirname(guest.__file__)
    found: dict[str, str] = {}
    for inside, _, names in os.walk(folder):
        for name in sorted(names):
            path = os.path.join(inside, name)
            place = os.path.relpath(path, folder)
            serves = place.partition(os.sep)[0] in _SERVING
            if serves is not (kind is ImageKind.INFERENCE) and place not in _SHARED:
                continue
            if name.endswith(_TEXTS):
                with open(path, encoding="utf-8") as file:
                    found[place] = file.read()
    return found


def creation_date() -> str:
    """Return SOURCE_DATE_EPOCH as RFC 3339, else the epoch: an image's date must not vary.

    Source: reproducible-builds.org/specs/source-date-epoch. Errors: `bad-source-date-epoch`.
    """
    text = os.environ.get("SOURCE_DATE_EPOCH", "0").strip()
    try:
        moment = dt.datetime.fromtimestamp(int(text), tz=dt.timezone.utc)
    except (ValueError, OverflowError, OSError) as error:
        raise ContainerizeError(
            "bad-source-date-epoch",
            what=f"SOURCE_DATE_EPOCH={text!r} is not a time.",
            why="It must be a whole number of seconds since 1970.",
            fix="Correct or unset it.",
        ) from error
    return moment.strftime("%Y-%m-%dT%H:%M:%SZ")


def _counts(snapshot: Snapshot) -> dict[str, int]:
    return {
        "cells": len(snapshot.notebook.cells),
        "packages": len(snapshot.distributions),
        "data_files": len(snapshot.data_files),
        "local_code": len(snapshot.local_code),
        "libraries": len(snapshot.libraries),
        "executables": len(snapshot.executables),
    }


def _sentence(snapshot: Snapshot) -> str:
    counts = _counts(snapshot)
    words = (
        ("cells", "cell", "cells"),
        ("packages", "package", "packages"),
        ("data_files", "data file", "data files"),
        ("local_code", "local module", "local modules"),
        ("libraries", "library", "libraries"),
        ("executables", "program", "programs"),
    )
    shown = [
        f"{counts[key]} {one if counts[key] == 1 else many}"
        for key, one, many in words
        if counts[key] or key in ("cells", "packages")
    ]
    return ", ".join(shown)
