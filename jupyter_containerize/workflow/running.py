"""`run`, `runs`, `logs`, `stop`: images in motion."""

from __future__ import annotations

from typing import Any

from ..errors import ContainerizeError
from ..model.event import Emit, FindingRaised, LogLine
from ..model.image import Image
from ..model.options import RunOptions
from ..model.reasons import Finding, Severity
from ..model.request import LogsRequest, RunRequest, StopRequest, StoreRequest
from ..model.run import Run, RunSpec, RunState
from ..oci.store import Store
from .choices import runtime_named, runtimes
from .records import open_store, resolve
from .steps import step
from .summaries import run_summary, short


def run(request: RunRequest, *, emit: Emit) -> dict[str, Any]:
    """Run an image; follow it to its end unless detached. Errors: `image-not-found`, the runtime's."""
    store = open_store(request.store)
    image = resolve(store, request.image)
    done = run_image(
        image,
        request.options,
        entrypoint=request.entrypoint,
        runtime=request.runtime,
        store=store,
        emit=emit,
        detach=request.detach,
    )
    return {"run": run_summary(done)}


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
    spec = RunSpec(
        image=image.digest,
        image_name=image.names[0] if image.names else short(image.digest),
        parameters=options.parameters,
        environment=options.environment,
        mounts=options.mounts,
        network=options.network,
        limits=options.limits,
        entrypoint=entrypoint,
    )
    with step(emit, "run", f"Running {spec.image_name}") as summary:
        started = chosen.start(spec, store=store, emit=emit)
        if detach:
            summary.text = f"run {started.id} started"
            return started
        try:
            for text in chosen.logs(started.id, store=store, follow=True):
                emit(LogLine(text))
            ended = chosen.wait(started.id, store=store)
        except KeyboardInterrupt:
            chosen.stop(started.id, store=store)
            raise
        summary.text = f"run {ended.id} {ended.state.value}"
        summary.ok = ended.state in (RunState.SUCCEEDED, RunState.STOPPED)
    return ended


def runs(request: StoreRequest, *, emit: Emit) -> dict[str, Any]:
    """Return every run, newest first; those whose record cannot be read are findings."""
    store = open_store(request.store)
    for problem in (one for runtime in runtimes() for one in runtime.problems(store=store)):
        emit(
            FindingRaised(
                Finding(problem.code, Severity.WARNING, problem.what, problem.why, problem.fix)
            )
        )
    return {"runs": [run_summary(item) for item in all_runs(store)]}


def all_runs(store: Store) -> tuple[Run, ...]:
    """Return the runs of all runtimes, newest first."""
    found = {item.id: item for runtime in runtimes() for item in runtime.list(store=store)}
    return tuple(sorted(found.values(), key=lambda item: item.started_at or 0.0, reverse=True))


def find_run(store: Store, text: str) -> Run:
    """Return the run whose id begins with `text`, "" for the newest. Errors: `no-such-run`."""
    if text:
        return runtime_named("").get(text, store=store)
    known = all_runs(store)
    if not known:
        raise ContainerizeError(
            "no-such-run",
            what="There is no run yet.",
            fix="Start one: jupyter containerize run IMAGE",
        )
    return known[0]


def logs(request: LogsRequest, *, emit: Emit) -> dict[str, Any]:
    """Emit a run's output as `LogLine`s and return the run. Errors: `no-such-run`."""
    store = open_store(request.store)
    found = find_run(store, request.run)
    runtime = runtime_named(found.runtime)
    for text in runtime.logs(found.id, store=store, follow=request.follow):
        emit(LogLine(text))
    return {"run": run_summary(runtime.get(found.id, store=store))}


def stop(request: StopRequest, *, emit: Emit) -> dict[str, Any]:
    """Stop a run and return it as it ended. Errors: `no-such-run`."""
    store = open_store(request.store)
    found = find_run(store, request.run)
    with step(emit, "stop", f"Stopping {found.id}"):
        ended = runtime_named(found.runtime).stop(found.id, store=store, grace_s=request.grace_s)
    return {"run": run_summary(ended)}
