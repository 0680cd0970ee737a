"""`--to docker`: an image of the store into a Docker engine, only what it lacks."""

from __future__ import annotations

from collections.abc import Sequence
from typing import TYPE_CHECKING, Any

from ..errors import ContainerizeError
from ..model.event import Emit
from ..model.image import Image
from ..model.platform import Platform
from ..oci.store import Store
from .steps import step

if TYPE_CHECKING:
    from ..engine.client import Engine


def check(platforms: Sequence[Platform] = ()) -> Engine:
    """Return the engine, which answers and has use for one of several platforms, before any work.

    Errors: `no-engine`, `docker-sdk-missing`, `platform-mismatch`, ….
    """
    from ..engine.client import Engine  # noqa: PLC0415 - the SDK's extra may not be installed

    engine = Engine.connect()
    if len(platforms) > 1 and engine.facts.platform not in platforms:
        names = ", ".join(map(str, platforms))
        raise ContainerizeError(
            "platform-mismatch",
            what=f"The image is for {names}; the Docker engine runs {engine.facts.platform}.",
            fix=f"Build for the engine's platform too: --platform {engine.facts.platform}",
        )
    return engine


def load(*images: Image, engine: Engine, store: Store, emit: Emit) -> dict[str, Any]:
    """Load the image, of several platforms' the engine's own.

    Return the engine, its name for the image, and what had to be sent.
    """
    from ..runtimes.docker.loading import Loading  # noqa: PLC0415 - as above

    fitting = [one for one in images if one.platform == engine.facts.platform]
    image = (fitting or images)[0]
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
