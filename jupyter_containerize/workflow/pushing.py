"""`push`: an image of the store into a registry."""

from __future__ import annotations

import datetime as dt
from typing import Any

from ..errors import ContainerizeError
from ..model.codec import dumps, to_json
from ..model.event import Emit, Event, LayerDone
from ..model.image import Image
from ..model.plan import SBOM_FILE
from ..model.request import PushRequest
from ..oci import indexes, registry
from ..oci.registry.referrers import SBOM_TYPE, VERDICT_TYPE
from ..oci.registry.repository import parse_remote
from ..oci.store import Store
from .records import file_in_image, open_store, resolve, verdict_of
from .steps import step
from .summaries import image_summary


def push(request: PushRequest, *, emit: Emit) -> dict[str, Any]:
    """Push an image and return its reference with the digest it has there.

    Errors: `image-not-found`, `registry-not-named`; those of `oci.registry.push`.
    """
    store = open_store(request.store)
    target = parse_remote(request.reference, doing="pushing")
    image = _image(store, request)
    several = indexes.images_of(store, request.image or request.reference)
    if not request.image and not several and image.names:
        several = indexes.images_of(store, image.names[0])
    done: list[LayerDone] = []

    def noting(event: Event) -> None:
        if isinstance(event, LayerDone):
            done.append(event)
        emit(event)

    with step(emit, "push", f"Pushing to {target.name}") as summary:
        method = request.compression or "gzip"
        if several:
            pushed = registry.push_index(
                several,
                target,
                store=store,
                emit=noting,
                compression=method,
                attachments={one.digest: _attachments(one, store) for one in several},
            )
        else:
            pushed = registry.push(
                image,
                target,
                store=store,
                emit=noting,
                compression=method,
                attachments=_attachments(image, store),
            )
        sent = [layer for layer in done if not layer.reused]
        sent_bytes = sum(layer.size_bytes for layer in sent)
        summary.text = f"{len(sent)} of {len(done)} layers sent, {sent_bytes / 1e6:,.2f} MB"
    return {
        "image": image_summary(image, store),
        "reference": str(pushed),
        "digest": pushed.digest,
        "platforms": [str(one.platform) for one in several],
        "layers": len(done),
        "layers_sent": len(sent),
        "sent_bytes": sent_bytes,
    }


def _attachments(image: Image, store: Store) -> list[registry.Attachment]:
    """Return the image's bill of materials and the newest verdict on it."""
    found = []
    sbom = file_in_image(store, image, SBOM_FILE)
    if sbom is not None:
        found.append(registry.Attachment(SBOM_TYPE, sbom))
    verdict = verdict_of(store, image)
    if verdict is not None:
        data = to_json(verdict)
        found.append(registry.Attachment(VERDICT_TYPE, dumps(data), created=_moment()))
    return found


def _moment() -> str:
    return dt.datetime.now(tz=dt.timezone.utc).strftime("%Y-%m-%dT%H:%M:%SZ")


def _image(store: Store, request: PushRequest) -> Image:
    """Return the image to push: the named one, else one that has the target's name, else the newest."""
    if not request.image:
        try:
            return store.resolve(request.reference)
        except ContainerizeError as error:
            if error.code != "image-not-found":
                raise
    return resolve(store, request.image)
