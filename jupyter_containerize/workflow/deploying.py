"""`update`, `scale`, `history`, `rollback`, `forward`, `export`: services and runs of clusters."""

from __future__ import annotations

import contextlib
import threading
from typing import TYPE_CHECKING, Any

from ..errors import ContainerizeError
from ..model.codec import to_json
from ..model.event import Emit, LogLine
from ..model.image import Image
from ..model.options import RunOptions
from ..model.plan import LABEL_KIND, ImageKind
from ..model.request import (
    ExportRequest,
    ForwardRequest,
    HistoryRequest,
    RollbackRequest,
    ScaleRequest,
    UpdateRequest,
)
from ..model.run import Run, RunSpec
from ..oci.store import Store
from . import clusters
from .choices import runtime_named
from .records import open_store, resolve
from .running import find_run, run_image
from .steps import step
from .summaries import image_summary, run_summary, short

if TYPE_CHECKING:
    from ..runtimes.kubernetes.runtime import KubernetesRuntime


def update(request: UpdateRequest, *, emit: Emit) -> dict[str, Any]:
    """Roll another image out; wait; roll back if it does not become ready. Errors: `rolled-back`."""
    store = open_store(request.store)
    runtime, found = _service(store, request.run)
    image = resolve(store, request.image)
    if image.config.labels.get(LABEL_KIND) != ImageKind.INFERENCE.value:
        raise ContainerizeError(
            "not-an-inference-image",
            what=f"{request.image or short(image.digest)} serves nothing.",
            fix="Make one: jupyter containerize serve NOTEBOOK --object NAME",
        )
    name = image.names[0] if image.names else short(image.digest)
    spec = RunSpec(image=image.digest, image_name=name, cluster=request.cluster)
    with step(emit, "update", f"Rolling out {name}") as summary:
        done = runtime.update(found.id, spec, store=store, emit=emit)
        summary.text = "every pod serves it"
    return {"run": run_summary(done), "image": image_summary(image, store)}


def scale(request: ScaleRequest, *, emit: Emit) -> dict[str, Any]:
    """Serve with another number of pods. Errors: `no-such-run`, `not-a-service`."""
    store = open_store(request.store)
    runtime, found = _service(store, request.run)
    with step(emit, "scale", f"Serving with {request.replicas} pods"):
        done = runtime.scale(found.id, request.replicas, store=store, emit=emit)
    return {"run": run_summary(done)}


def history(request: HistoryRequest, *, emit: Emit) -> dict[str, Any]:
    """Return what a service has served, the newest first. Errors: `no-such-run`."""
    del emit
    store = open_store(request.store)
    runtime, found = _service(store, request.run)
    revisions = runtime.history(found.id, store=store)
    return {"run": run_summary(found), "revisions": [to_json(one) for one in revisions]}


def rollback(request: RollbackRequest, *, emit: Emit) -> dict[str, Any]:
    """Return to an earlier revision. Errors: `no-such-revision`."""
    store = open_store(request.store)
    runtime, found = _service(store, request.run)
    with step(emit, "rollback", "Returning to an earlier revision"):
        done = runtime.roll_back(found.id, request.revision, store=store, emit=emit)
    return {"run": run_summary(done)}


def forward(request: ForwardRequest, *, emit: Emit) -> dict[str, Any]:
    """Let a port of this machine lead to a service until interrupted. Errors: `no-such-run`."""
    store = open_store(request.store)
    runtime, found = _service(store, request.run)
    hold(runtime, found, port=request.port, store=store, emit=emit)
    return {"run": run_summary(found)}


def hold(runtime: KubernetesRuntime, run: Run, *, port: int, store: Store, emit: Emit) -> None:
    """Say where a service is, here and in its cluster, and keep the way to it open until interrupted."""
    with runtime.forwarded(run.id, store=store, port=port) as local:
        emit(LogLine(f"http://127.0.0.1:{local} leads to run {run.id} while this command runs\n"))
        emit(LogLine(f"{run.endpoint} is its address inside the cluster\n"))
        with contextlib.suppress(KeyboardInterrupt):
            threading.Event().wait()


def serve(
    image: Image, options: RunOptions, *, port: int, detach: bool, store: Store, emit: Emit
) -> Run:
    """Serve an image in a cluster; wait until it is ready, and be the way to it unless detached."""
    run = run_image(image, options, runtime=clusters.KUBERNETES, store=store, emit=emit)
    if not detach:
        named: Any = runtime_named(clusters.KUBERNETES)
        hold(named, run, port=port, store=store, emit=emit)
    return run


def export(request: ExportRequest, *, emit: Emit) -> dict[str, Any]:
    """Write the manifests that `run` would apply, or a Dockerfile.

    Errors: `output-exists`, `no-registry`, those of `recipes.export`.
    """
    if request.dockerfile:
        from . import recipes  # noqa: PLC0415 - the manifests need none of it

        return recipes.export(request, emit=emit)
    from ..runtimes.kubernetes import exporting  # noqa: PLC0415 - needed for this alone

    store = open_store(request.store)
    image = resolve(store, request.image)
    name = image.names[0] if image.names else short(image.digest)
    options = request.options
    spec = clusters.wished(
        RunSpec(
            image=image.digest,
            image_name=name,
            parameters=options.parameters,
            environment=options.environment,
            network=options.network,
            limits=options.limits,
            gpus=options.gpus,
            workers=options.workers,
            cluster=options.cluster,
        ),
        image,
        runtime=clusters.KUBERNETES,
    )
    with step(emit, "export", f"Writing the manifests of {name}") as summary:
        files = exporting.export(
            image, spec, folder=request.output, helm=request.helm, store=store, emit=emit
        )
        summary.text = f"{len(files)} files in {request.output}"
    return {"folder": request.output, "files": list(files), "helm": request.helm}


def _service(store: Store, text: str) -> tuple[KubernetesRuntime, Run]:
    runtime, found = find_run(store, text)
    if found.runtime != clusters.KUBERNETES:
        raise ContainerizeError(
            "not-a-service",
            what=f"Run {found.id} does not run in a cluster.",
            fix="This command is about services that run with --runtime kubernetes.",
        )
    del runtime
    named: Any = runtime_named(clusters.KUBERNETES)
    return named, found
