"""`serve`: a live object → artifact → round trip → inference image → proof → service."""

from __future__ import annotations

import contextlib
import dataclasses
import json
import os
import tempfile
from collections.abc import Iterator
from typing import Any

from ..capture import injection, saving, serving, trial
from ..capture import notebook as notebook_file
from ..capture import record as probe_record
from ..errors import ContainerizeError
from ..model.codec import from_json, to_json
from ..model.event import Emit, FindingRaised
from ..model.image import Image
from ..model.options import PlanOptions
from ..model.plan import LABEL_KIND, LABEL_MODEL, SERVICE_PORT, ImageKind, ImagePlan
from ..model.reasons import Finding, Severity
from ..model.reference import Reference
from ..model.request import ServeRequest
from ..model.run import Port, RunSpec
from ..model.snapshot import Notebook, Snapshot
from ..model.verdict import VerdictState
from ..oci.store import Store
from ..planning import plan as make_plan
from ..planning.slim import slimmed
from ..runtimes.ports import published
from . import bases, building, compiling, loading, services
from .choices import builder_named, runtime_named
from .collector import at_rest
from .contents import findings
from .outputs import check_output, write_output
from .records import open_store, remember
from .steps import step
from .summaries import image_summary, run_summary


def serve(request: ServeRequest, *, emit: Emit) -> dict[str, Any]:
    """Build and prove an inference image; run it as asked.

    Errors: those of saving, of the round trip and of each step; every blocking finding at once.
    """
    store = open_store(request.store)
    builder = builder_named(request.builder)
    runtime_named(request.runtime)
    if request.run:
        with published(RunSpec("", ports=(Port(request.port, SERVICE_PORT),))):
            pass  # a port that is taken is told before work begins
    if request.output:
        check_output(request.output)
    engine = loading.check() if request.to else None
    # An engine's own images are a Dockerfile's base, not the plan's.
    under = "host" if builder.name == "docker" else request.base
    base = bases.choose(under, refresh=request.pull, store=store, emit=emit)
    with _workplace(request) as folder:
        record, saved = _saved(request, folder, emit)
        notebook = serving.serve_cells(
            record,
            notebook=request.notebook,
            front_end=request.front_end,
            marks=request.capture.marks,
        )
        saved = serving.with_cells(saved, notebook)
        planner = _planner(request, record, notebook, store, base)
        chosen, compiled = compiling.choose(
            saved, record, wanted=bool(request.compile), planner=planner, emit=emit
        )
        snapshot, plan = chosen.snapshot, chosen.plan
        _refuse_taken_name(store, plan)
        for finding in findings(snapshot, plan):
            if finding.severity is not Severity.BLOCKING:
                emit(FindingRaised(finding))
        building.refuse_blocking(findings(snapshot, plan))
        if builder.name == "docker":
            plan = building.with_recipe(snapshot, plan, base=request.base, emit=emit)
        with at_rest():
            image = builder.build(plan, store=store, emit=emit)
        remember(store, image, snapshot, plan)
    result = {
        "image": image_summary(image, store),
        "layers": [to_json(layer) for layer in image.layers],
        "model": json.loads(image.config.labels[LABEL_MODEL]),
        "signature": dict(chosen.saved.artifact["signature"]),
        "packages": [f"{one.name} {one.version}" for one in snapshot.distributions],
        "compiled": compiled,
        "findings": [to_json(item) for item in findings(snapshot, plan)],
        "output": request.output,
    }
    if request.output:
        with step(emit, "output", "Writing the image out") as summary:
            write_output(request.output, image, store=store)
            summary.text = request.output
    if engine is not None:
        result["engine"] = loading.load(image, engine=engine, store=store, emit=emit)
    run, verdict = services.prove(
        image, request.options, runtime=request.runtime, store=store, emit=emit
    )
    result["verdict"] = to_json(verdict)
    result["image"] = image_summary(image, store)
    if request.run and verdict.state is not VerdictState.FAILED:
        run = services.follow(
            image,
            dataclasses.replace(request.options, ports=(Port(request.port, SERVICE_PORT),)),
            runtime=request.runtime,
            detach=request.detach,
            store=store,
            emit=emit,
        )
        result["run"] = run_summary(run)
    return result


@contextlib.contextmanager
def _workplace(request: ServeRequest) -> Iterator[str]:
    """Give the folder that a kernel saved into, or a new one that goes away with us."""
    if request.saved:
        yield request.saved
        return
    with tempfile.TemporaryDirectory(prefix="jupyter-containerize-") as folder:
        yield folder


def _saved(request: ServeRequest, folder: str, emit: Emit) -> tuple[dict[str, Any], serving.Saved]:
    """Return the kernel's record and what was saved in it. Errors: those of saving."""
    if request.record:
        with open(request.record, "rb") as file:
            record = probe_record.parse(file.read())
    else:
        record = _saved_by_kernel(request, folder, emit)
    with open(os.path.join(folder, saving.SAVED_FILE), encoding="utf-8") as file:
        told = json.load(file)
    if "error" in told:
        raise ContainerizeError.from_json(told["error"])
    found = serving.Saved(
        expression=request.expression,
        folder=os.path.join(folder, saving.ARTIFACT_FOLDER),
        artifact=told["artifact"],
        findings=tuple(from_json(Finding, finding) for finding in told["findings"]),
        compiled=told["compiled"],
        compiled_folder=os.path.join(folder, saving.COMPILED_FOLDER),
        not_compiled=told["not_compiled"],
    )
    return record, found


def _saved_by_kernel(request: ServeRequest, folder: str, emit: Emit) -> dict[str, Any]:
    """Have the running kernel save the object, or, if nothing has run in it, one of our own."""
    from ..capture import connection, kernel  # noqa: PLC0415 - a live kernel's record needs none of it

    code = injection.saving_code(
        folder, request.expression, request.example, {"batches": request.batches}
    )

    async def save(client: Any) -> None:
        await connection.execute(client, code, timeout_s=None)

    if request.connection:
        with step(
            emit, "execute", f"Asking the running kernel for {request.expression}"
        ) as summary:
            record = kernel.attach(
                request.connection, notebook=request.notebook, timeout_s=None, then=save
            )
            ran = kernel.has_run(record)
            summary.text = f"{request.expression} as it is now" if ran else "It has run nothing yet"
        if ran:
            return record
    file = notebook_file.given(request.notebook, request.front_end)
    with step(emit, "execute", "Running the notebook") as summary:
        executed = kernel.execute(file, options=request.capture, emit=emit, then=save)
        summary.text = f"{file.name}, {request.expression} saved"
    return executed.record


def _planner(
    request: ServeRequest,
    record: dict[str, Any],
    notebook: Notebook,
    store: Store,
    base: bases.ChosenBase,
) -> compiling.Planner:
    """Return what makes snapshot and plan of something saved and tried."""

    def plan_of(saved: serving.Saved, tried: trial.Trial, emit: Emit) -> tuple[Snapshot, ImagePlan]:
        with at_rest(), step(emit, "capture", "Looking at what serving uses") as summary:
            snapshot = serving.snapshot(
                record,
                saved=saved,
                trial=tried,
                notebook=notebook,
                options=request.capture,
                packages=request.packages,
                store=store,
                emit=emit,
            )
            count = len(snapshot.distributions)
            summary.text = f"{count} package{'s' if count != 1 else ''}"
        snapshot = bases.fitted(snapshot, base, store=store, emit=emit)
        if request.slim:
            snapshot = slimmed(snapshot)
        return snapshot, _plan(request, snapshot, base, emit)

    return plan_of


def _plan(
    request: ServeRequest, snapshot: Snapshot, chosen: bases.ChosenBase, emit: Emit
) -> ImagePlan:
    with at_rest(), step(emit, "plan", "Planning the image") as summary:
        options = PlanOptions(
            guest=building.guest_files(ImageKind.INFERENCE),
            kind=ImageKind.INFERENCE,
            name=request.name,
            base=chosen.base,
            base_image=chosen.image,
            created=building.creation_date(),
            mounts=request.capture.mounts,
        )
        plan = make_plan(snapshot, options)
        summary.text = f"{len(plan.layers)} layers"
    return plan


def _refuse_taken_name(store: Store, plan: ImagePlan) -> None:
    """Raise `name-taken` where the name is that of another object's image."""
    image = _named(store, plan.name)
    if image is None:
        return
    theirs = image.config.labels
    ours = plan.config.labels
    same = (
        theirs.get(LABEL_KIND) == ImageKind.INFERENCE.value
        and _expression(theirs.get(LABEL_MODEL)) == _expression(ours.get(LABEL_MODEL))
        and theirs.get(_TITLE) == ours.get(_TITLE)
    )
    if same:
        return
    what = theirs.get("org.opencontainers.image.description", "something else")
    raise ContainerizeError(
        "name-taken",
        what=f"{plan.name} already names another image.",
        why=f"That one: {what}.",
        fix="Give this one a name of its own with --tag, or remove the other: "
        f"jupyter containerize rm {plan.name}",
    )


_TITLE = "org.opencontainers.image.title"


def _named(store: Store, name: str) -> Image | None:
    wanted = str(Reference.parse(name))
    return next((image for image in store.images() if wanted in image.names), None)


def _expression(label: str | None) -> str:
    return str(json.loads(label)["expression"]) if label else ""
