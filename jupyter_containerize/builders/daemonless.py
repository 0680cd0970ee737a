"""The builder that needs nothing but files: writes a standard OCI image by itself."""

from __future__ import annotations

import time

from ..model.check import Check
from ..model.event import Emit, StepFinished, StepStarted, ignore
from ..model.image import Image, Layer
from ..model.plan import ImagePlan
from ..model.reference import Reference
from ..oci.store import Store
from .layers import STEP, LayerBuilder


class DaemonlessBuilder:
    """See `protocol.Builder`."""

    name = "daemonless"

    def build(
        self, plan: ImagePlan, *, store: Store, emit: Emit, name: Reference | None = None
    ) -> Image:
        """Return the stored image of `plan`.

        Errors: `no-space`, `store-read-only`, `file-changed`, `file-vanished`,
        `file-unreadable`, `not-a-file`, `interpreter-failed`.
        """
        started = time.monotonic()
        name = name or Reference.parse(plan.name)
        emit(StepStarted(STEP, f"Building {name}"))
        store.sweep()
        with store.in_use():
            layers = LayerBuilder.of(plan, store=store, emit=emit).build()
            image = store.add_image(
                layers=layers,
                config=plan.config,
                platform=plan.platform,
                created=plan.created,
                name=name,
            )
        written = sum(layer.size_bytes for layer in layers if not layer.reused)
        summary = (
            f"{image.size_bytes / 1e6:,.1f} MB in {len(layers)} layers, "
            f"{written / 1e6:,.1f} MB of them new"
        )
        emit(StepFinished(STEP, time.monotonic() - started, summary))
        return image

    def known_layers(self, plan: ImagePlan, *, store: Store) -> tuple[Layer | None, ...]:
        """Return for each layer, bottom first, the one that a build would reuse, or None."""
        return LayerBuilder.of(plan, store=store, emit=ignore).known()

    def checks(self) -> tuple[Check, ...]:
        """Return that it works: it needs no program and no privilege."""
        return (Check(self.name, works=True, what="Builds images by itself; needs no daemon."),)
