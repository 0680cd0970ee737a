"""What the workflow keeps about an image in the store: its snapshot, plan and verdict."""

from __future__ import annotations

import os
from typing import Any, TypeVar

from ..errors import ContainerizeError
from ..model.codec import from_json, to_json
from ..model.image import Image
from ..model.plan import ImagePlan
from ..model.snapshot import Snapshot
from ..model.verdict import Verdict
from ..oci.store import Store

T = TypeVar("T")


def open_store(path: str) -> Store:
    """Open the store in a folder, "" for the default one."""
    return Store.open(path or None)


def resolve(store: Store, text: str) -> Image:
    """Return the image that `text` names, "" for the newest. Errors: `image-not-found`."""
    if text:
        return store.resolve(text)
    images = newest_first(store)
    if not images:
        raise ContainerizeError(
            "no-images",
            what="There is no image yet.",
            fix="Build one: jupyter containerize build NOTEBOOK",
        )
    return images[0]


def newest_first(store: Store) -> list[Image]:
    """Return all images, the one that was built last first."""
    return sorted(store.images(), key=lambda image: built_at(store, image), reverse=True)


def built_at(store: Store, image: Image) -> float:
    """Return when an image was last built here, in seconds since the epoch."""
    name = f"{image.digest.partition(':')[2]}.json"
    try:
        return os.stat(os.path.join(store.root, "images", name)).st_mtime
    except FileNotFoundError:
        return 0.0


def remember(store: Store, image: Image, snapshot: Snapshot, plan: ImagePlan) -> None:
    """Keep the documents that an image was made from."""
    store.put_document("snapshots", image.digest, to_json(snapshot))
    store.put_document("plans", image.digest, to_json(plan))


def snapshot_of(store: Store, image: Image) -> Snapshot | None:
    """Return the snapshot an image was made from; None for an image from elsewhere."""
    return _document(store, "snapshots", image, Snapshot)


def plan_of(store: Store, image: Image) -> ImagePlan | None:
    """Return the plan an image was built from; None for an image from elsewhere."""
    return _document(store, "plans", image, ImagePlan)


def put_verdict(store: Store, verdict: Verdict) -> None:
    """Keep the newest verdict on an image."""
    store.put_document("verdicts", verdict.image, to_json(verdict))


def verdict_of(store: Store, image: Image) -> Verdict | None:
    """Return the newest verdict on an image, if any."""
    return _document(store, "verdicts", image, Verdict)


def _document(store: Store, folder: str, image: Image, kind: type[T]) -> T | None:
    data: Any = store.get_document(folder, image.digest)
    return None if data is None else from_json(kind, data)
