"""`run`, `runs`, `logs`, `stop`: images in motion."""

from __future__ import annotations

import dataclasses
from typing import Any

from ..errors import ContainerizeError
from ..model.event import Emit, FindingRaised, LogLine, ignore
from ..model.image import Image
from ..model.options import RunOptions
from ..model.plan import LABEL_KIND, ImageKind
from ..model.reasons import Finding, Severity
from ..model.request import LogsRequest, OutputsRequest, RunRequest, RunsRequest, StopRequest
from ..model.run import Restart, Run, RunSpec, RunState
from ..oci.store import Store
from ..runtimes.protocol import Runtime, Storyteller
from . import clusters, sweeps
from .choices import runtime_named, runtimes
from .outputs import copy_folder
from .records import open_store, resolve
from .steps import step
from .summaries import run_summary, short


def run(request: RunRequest, *, emit: Emit) -> dict[str, Any]:
    """Run an image; follow it to its end unless detached. Errors: `image-not-found`, the runtime's."""
    store = open_store(request.store)
    image = resolve(store, request.image)
    if clusters.serves(image, request.runtime) and not request.detach:
        from . import deploying  # noqa: PLC0415 - it builds on this module

        port = next((port.host for port in request.options.ports), 0)
        done = deploying.serve(
            image, request.options, port=port, detach=False, store=store, emit=emit
        )
        return {"run": run_summary(done)}
    if serves(image) and request.entrypoint is None and request.runtime != clusters.KUBERNETES:
        from .services import follow  # noqa: PLC0415 - it needs HTTP, which other images do not

        run = follow(
            image,
            request.options,
            runtime=request.runtime,
            detach=request.detach,
            store=store,
            emit=emit,
        )
        return {"run": run_summary(run)}
    done = run_image(
        image,
        request.options,
        entrypoint=request.entrypoint,
        runtime=request.runtime,
        store=store,
        emit=emit,
        detach=request.detach,
    )
    return {"run": run_summary(done), "sweep": sweeps.rows(done)}


def serves(image: Image) -> bool:
    """Tell whether it is an inference image."""
    return image.config.labels.get(LABEL_KIND) == ImageKind.INFERENCE.value


def run_image(
    image: Image,
    options: RunOptions,
    *,
    runtime: str,
    store: Store,
    emit: Emit,
    entrypoint: tuple[str, ...] | None = None,
    detach: bool = False,
) -> Run:
    """Start `image`, pass its output on as `LogLine`s, and return its run when it has ended.

    Interrupted, it stops the run before it lets the interrupt through.
    """
    chosen = runtime_named(runtime)
    spec = clusters.wished(
        RunSpec(
            image=image.digest,
            image_name=image.names[0] if image.names else short(image.digest),
            parameters=options.parameters,
            environment=options.environment,
            mounts=options.mounts,
            network=options.network,
            limits=options.limits,
            ports=options.ports,
            gpus=options.gpus,
            restart=options.restart or Restart.NEVER,
            workers=options.workers,
            cluster=options.cluster,
            entrypoint=entrypoint,
        ),
        image,
        runtime=chosen.name,
    )
    with step(emit, "run", f"Running {spec.image_name}") as summary:
        started = chosen.start(spec, store=store, emit=emit)
        if detach:
            summary.text = f"run {started.id} started"
            return started
        try:
            ended = _followed(chosen, started.id, store, emit)
        except KeyboardInterrupt:
            chosen.stop(started.id, store=store)
            raise
        summary.text = f"run {ended.id} {ended.state.value}"
        summary.ok = ended.state not in (RunState.FAILED, RunState.LOST)
    return ended


def _followed(runtime: Runtime, run_id: str, store: Store, emit: Emit) -> Run:
    """Pass a run's output on until it has ended; return it as it ended."""
    if isinstance(runtime, Storyteller):
        return runtime.follow(run_id, store=store, emit=emit)
    for text in runtime.logs(run_id, store=store, follow=True):
        emit(LogLine(text))
    return runtime.wait(run_id, store=store)


def runs(request: RunsRequest, *, emit: Emit) -> dict[str, Any]:
    """Return every run, newest first; those whose record cannot be read are findings."""
    store = open_store(request.store)
    clusters.look_in(request.place, store=store)
    from .metrics import of_run  # noqa: PLC0415 - it needs HTTP, which nothing else here does

    return {
        "runs": [
            {**run_summary(item), "service": of_run(item)} for item in all_runs(store, emit=emit)
        ]
    }


def all_runs(store: Store, *, emit: Emit = ignore) -> tuple[Run, ...]:
    """Return the runs of all runtimes, newest first.

    What cannot be read, or a runtime that cannot be asked, is a finding and hides no other run.
    """
    found: dict[str, Run] = {}
    for runtime in runtimes():
        try:
            found.update((item.id, item) for item in runtime.list(store=store))
            problems = runtime.problems(store=store)
        except ContainerizeError as error:
            problems = (error,)
        for problem in problems:
            emit(FindingRaised(_finding(problem)))
    return tuple(sorted(found.values(), key=lambda item: item.started_at or 0.0, reverse=True))


def _finding(problem: ContainerizeError) -> Finding:
    return Finding(problem.code, Severity.WARNING, problem.what, problem.why, problem.fix)


def find_run(store: Store, text: str) -> tuple[Runtime, Run]:
    """Return the run whose id begins with `text`, "" for the newest, and its runtime.

    The first runtime that knows such a run answers. Errors: `no-such-run`.
    """
    if not text:
        known = all_runs(store)
        if not known:
            raise ContainerizeError(
                "no-such-run",
                what="There is no run yet.",
                fix="Start one: jupyter containerize run IMAGE",
            )
        return runtime_named(known[0].runtime), known[0]
    problems = []
    for runtime in runtimes():
        try:
            return runtime, runtime.get(text, store=store)
        except ContainerizeError as error:  # noqa: PERF203 - each is asked until one knows it
            problems.append(error)
    # A runtime that could not be asked says more than one that knows no such run.
    raise next((one for one in problems if one.code != "no-such-run"), problems[0])


def logs(request: LogsRequest, *, emit: Emit) -> dict[str, Any]:
    """Emit a run's output as `LogLine`s and return the run. Errors: `no-such-run`."""
    store = open_store(request.store)
    runtime, found = find_run(store, request.run)
    # A service of a cluster has no end to be told as a story; its pods' lines are all there is.
    tells = isinstance(runtime, Storyteller) and bool(found.endpoint)
    if request.follow and not found.state.final and not tells:
        return {"run": run_summary(_followed(runtime, found.id, store, emit))}
    for text in runtime.logs(found.id, store=store, follow=request.follow):
        emit(LogLine(text))
    return {"run": run_summary(runtime.get(found.id, store=store))}


def outputs(request: OutputsRequest, *, emit: Emit) -> dict[str, Any]:
    """Fetch a run's outputs, and copy them if asked. Errors: `no-such-run`, `output-exists`."""
    store = open_store(request.store)
    runtime, found = find_run(store, request.run)
    if isinstance(runtime, Storyteller):
        found = runtime.outputs(found.id, store=store, emit=emit)
    if request.output:
        copy_folder(found.outputs, request.output)
        found = dataclasses.replace(found, outputs=request.output)
    return {"run": run_summary(found), "sweep": sweeps.rows(found)}


def stop(request: StopRequest, *, emit: Emit) -> dict[str, Any]:
    """Stop a run and return it as it ended. Errors: `no-such-run`."""
    store = open_store(request.store)
    runtime, found = find_run(store, request.run)
    with step(emit, "stop", f"Stopping {found.id}"):
        ended = runtime.stop(found.id, store=store, grace_s=request.grace_s)
    return {"run": run_summary(ended)}
