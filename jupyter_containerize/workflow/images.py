"""`ls`, `rm`, `tag`, `gc`, `validate`: images at rest."""

from __future__ import annotations

import os
from collections import Counter
from typing import Any

from ..errors import ContainerizeError
from ..model.codec import to_json
from ..model.event import Emit
from ..model.reference import Reference
from ..model.request import ImageRequest, RemoveRequest, StoreRequest, TagRequest
from ..oci import validate as validation
from ..oci.store import Store
from .choices import runtime_named
from .records import newest_first, open_store, resolve
from .running import all_runs
from .steps import step
from .summaries import image_summary


def ls(request: StoreRequest, *, emit: Emit) -> dict[str, Any]:
    """Return every image, the last built first; `shared_bytes` lie in layers that others use too."""
    del emit
    store = open_store(request.store)
    images = newest_first(store)
    users = Counter(digest for image in images for digest in {one.digest for one in image.layers})
    return {
        "store": store.root,
        "images": [
            {
                **image_summary(image, store),
                "shared_bytes": sum(
                    layer.size_bytes for layer in image.layers if users[layer.digest] > 1
                ),
            }
            for image in images
        ],
    }


def tag(request: TagRequest, *, emit: Emit) -> dict[str, Any]:
    """Give an image another name. Errors: `image-not-found`, `invalid-reference`."""
    del emit
    store = open_store(request.store)
    image = store.tag(resolve(store, request.image), Reference.parse(request.name))
    return {"image": image_summary(image, store)}


def rm(request: RemoveRequest, *, emit: Emit) -> dict[str, Any]:
    """Remove runs and images; all that can be removed is, then the errors are raised together."""
    del emit
    store = open_store(request.store)
    known = {run.id: run for run in all_runs(store)}
    removed, problems = [], []
    for name in request.names:
        matching = [run for key, run in known.items() if key == name or key.startswith(name)]
        try:
            if len(matching) == 1:
                runtime_named(matching[0].runtime).remove(matching[0].id, store=store)
                removed.append({"what": "run", "name": matching[0].id})
            elif _removed_unreadable_run(name, store):
                removed.append({"what": "run", "name": name})
            else:
                store.remove(name)
                removed.append({"what": "image", "name": name})
        except ContainerizeError as error:
            problems.append(error)
    if problems:
        problem = ContainerizeError.together(problems)
        if removed:
            done = ", ".join(f"{item['what']} {item['name']}" for item in removed)
            problem.why = f"{problem.why} Removed: {done}.".strip()
        raise problem
    return {"removed": removed}


def _removed_unreadable_run(name: str, store: Store) -> bool:
    """Remove the run with exactly this id though nobody can read its record."""
    if name not in os.listdir(store.runs_folder):
        return False
    runtime_named("").remove(name, store=store)
    return True


def gc(request: StoreRequest, *, emit: Emit) -> dict[str, Any]:
    """Free what no image or run needs. Errors: `store-busy`."""
    with step(emit, "gc", "Freeing what nothing needs"):
        return {"freed": to_json(open_store(request.store).gc())}


def validate(request: ImageRequest, *, emit: Emit) -> dict[str, Any]:
    """Recompute every digest of an image: of ours, or `oci:DIR`, or `oci-archive:FILE`.

    Errors: `image-not-found`, `not-a-layout`, `image-damaged` with every mismatch.
    """
    kind, _, path = request.image.partition(":")
    if kind == "docker-archive":
        raise ContainerizeError(
            "not-a-layout",
            what="A Docker archive cannot be validated.",
            why="It has no digests of its own that could be recomputed.",
            fix="Validate the image in the store, or write it as oci-archive:FILE.",
        )
    layout = path if kind in ("oci", "oci-archive") else ""
    store = open_store(request.store)
    with step(emit, "validate", "Recomputing every digest") as summary:
        if layout:
            name, mismatches = request.image, validation.validate_layout(layout)
        else:
            image = resolve(store, request.image)
            name = image.names[0] if image.names else image.digest
            mismatches = validation.validate(image, store=store)
        summary.ok = not mismatches
    if mismatches:
        raise ContainerizeError(
            "image-damaged",
            what=f"{name} is not what its digests say.",
            why="\n".join(mismatches),
            fix="Build it again; what is damaged is written anew.",
        )
    return {"name": name}
