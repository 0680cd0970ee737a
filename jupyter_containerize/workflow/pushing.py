"""`push`: an image of the store into a registry."""

from __future__ import annotations

from typing import Any

from ..errors import ContainerizeError
from ..model.event import Emit, Event, LayerDone
from ..model.image import Image
from ..model.request import PushRequest
from ..oci import registry
from ..oci.registry.repository import parse_remote
from ..oci.store import Store
from .records import open_store, resolve
from .steps import step
from .summaries import image_summary


def push(request: PushRequest, *, emit: Emit) -> dict[str, Any]:
    """Push an image and return its reference with the digest it has there.

    Errors: `image-not-found`, `registry-not-named`; those of `oci.registry.push`.
    """
    store = open_store(request.store)
    target = parse_remote(request.reference, doing="pushing")
    image = _image(store, request)
    done: list[LayerDone] = []

    def noting(event: Event) -> None:
        if isinstance(event, LayerDone):
            done.append(event)
        emit(event)

    with step(emit, "push", f"Pushing to {target.name}") as summary:
        pushed = registry.push(
            image, target, store=store, emit=noting, compression=request.compression or "gzip"
        )
        sent = [layer for layer in done if not layer.reused]
        sent_bytes = sum(layer.size_bytes for layer in sent)
        summary.text = f"{len(sent)} of {len(done)} layers sent, {sent_bytes / 1e6:,.2f} MB"
    return {
        "image": image_summary(image, store),
        "reference": str(pushed),
        "digest": pushed.digest,
        "layers": len(done),
        "layers_sent": len(sent),
        "sent_bytes": sent_bytes,
    }


def _image(store: Store, request: PushRequest) -> Image:
    """Return the image to push: the named one, else one that has the target's name, else the newest."""
    if not request.image:
        try:
            return store.resolve(request.reference)
        except ContainerizeError as error:
            if error.code != "image-not-found":
                raise
    return resolve(store, request.image)
