"""What the workflow keeps about an image in the store: its snapshot, plan and verdict."""

from __future__ import annotations

import contextlib
import os
from dataclasses import replace
from typing import Any, TypeVar

from ..capture.snapshot_file import read_snapshot, write_snapshot
from ..errors import ContainerizeError
from ..model.codec import from_json, to_json
from ..model.image import Image
from ..model.plan import ImagePlan
from ..model.snapshot import Snapshot
from ..model.verdict import Verdict
from ..oci.disk import copy_bytes
from ..oci.store import Store
from ..oci.tar_reader import MemberKind, members

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
    """Keep the documents that an image was made from; of the plan, all but the file tables.

    Those (20 MB for a TensorFlow environment) are in the layers already.
    """
    layers = tuple(replace(layer, entries=()) for layer in plan.layers)
    bare = replace(plan, layers=layers, recipe=None)
    store.put_document("snapshots", image.digest, write_snapshot(snapshot))
    store.put_document("plans", image.digest, to_json(bare))


def snapshot_of(store: Store, image: Image) -> Snapshot | None:
    """Return the snapshot an image was made from; None for an image from elsewhere.

    Errors: `snapshot-too-new`, `bad-format`.
    """
    document = store.get_document("snapshots", image.digest)
    return None if document is None else read_snapshot(document)


def plan_of(store: Store, image: Image) -> ImagePlan | None:
    """Return an image's plan without entries; None for an image from elsewhere."""
    return _document(store, "plans", image, ImagePlan)


def file_in_image(store: Store, image: Image, path: str) -> bytes | None:
    """Return the bytes of the file at the absolute `path` in an image, None if it has none.

    Links on the way are not followed: it is for files that we put there.
    """
    wanted = path.lstrip("/").encode()
    for layer in reversed(image.layers):
        descriptor = os.open(store.blob_path(layer.digest), os.O_RDONLY | os.O_CLOEXEC)
        try:
            for member in members(descriptor):
                if member.kind is MemberKind.FILE and member.name.lstrip(b"./") == wanted:
                    return os.pread(descriptor, member.size_bytes, member.offset)
        finally:
            os.close(descriptor)
    return None


def files_of_image(store: Store, image: Image, below: str, *, folder: str) -> dict[str, str]:
    """Copy an image's files below a folder of it into `folder`; return image path to copy.

    For folders that only we write to: links and whiteouts are not heeded.
    """
    start, found = below.strip("/").encode() + b"/", dict[str, str]()
    for layer in image.layers:
        with open(store.blob_path(layer.digest), "rb") as tar:
            for member in members(tar.fileno()):
                name = member.name.lstrip(b"./")
                if member.kind is not MemberKind.FILE or not name.startswith(start):
                    continue
                path = os.path.join(folder, str(len(found)))
                with open(path, "wb") as target:
                    copy_bytes(tar.fileno(), target.fileno(), member.offset, member.size_bytes)
                found["/" + os.fsdecode(name)] = path
    return found


def put_verdict(store: Store, verdict: Verdict) -> None:
    """Keep the newest verdict on an image."""
    store.put_document("verdicts", verdict.image, to_json(verdict))


def verdict_of(store: Store, image: Image) -> Verdict | None:
    """Return the newest verdict on an image, None if there is none that can be read."""
    with contextlib.suppress(ContainerizeError):  # `ls` shows all images whatever befell one
        return _document(store, "verdicts", image, Verdict)
    return None


def _document(store: Store, folder: str, image: Image, kind: type[T]) -> T | None:
    data: Any = store.get_document(folder, image.digest)
    return None if data is None else from_json(kind, data)
