"""`--to docker`: an image of the store into a Docker engine, only what it lacks."""

from __future__ import annotations

from typing import Any

from ..model.event import Emit
from ..model.image import Image
from ..oci.store import Store
from .steps import step


def check() -> None:
    """See that an engine answers, before any work. Errors: `no-engine`, `docker-sdk-missing`, …."""
    from ..engine.client import Engine  # noqa: PLC0415 - the SDK's extra may not be installed

    Engine.connect()


def load(image: Image, *, store: Store, emit: Emit) -> dict[str, Any]:
    """Load `image`; return the engine, its name for the image, and what had to be sent."""
    from ..engine.client import Engine  # noqa: PLC0415 - as above
    from ..runtimes.docker.loading import Loading  # noqa: PLC0415 - as above

    engine = Engine.connect()
    with step(emit, "load", "Putting the image into Docker") as summary:
        loaded = Loading(image, engine, store, emit).run()
        summary.text = (
            f"{loaded.sent_bytes / 1e6:,.1f} MB sent: {loaded.sent_layers} of "
            f"{len(image.layers)} layers"
            if loaded.sent_bytes
            else "it was there already"
        )
    return {
        "engine": str(engine.facts),
        "address": engine.address.url,
        "id": loaded.id,
        "sent_layers": loaded.sent_layers,
        "sent_bytes": loaded.sent_bytes,
    }
