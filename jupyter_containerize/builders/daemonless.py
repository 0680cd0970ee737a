"""The builder that needs nothing but files: writes a standard OCI image by itself."""

from __future__ import annotations

import time
from dataclasses import replace

from ..errors import ContainerizeError
from ..model.check import Check
from ..model.event import Emit, StepFinished, StepStarted, ignore
from ..model.image import Image, Layer
from ..model.plan import BaseKind, ImagePlan
from ..model.reference import Reference
from ..oci import bases
from ..oci.store import Store
from .layers import STEP, LayerBuilder


def base_layers(plan: ImagePlan, *, store: Store) -> tuple[Layer, ...]:
    """Return the layers that the plan's base brings. Errors: `base-not-here`."""
    if plan.base.kind is BaseKind.HOST:
        return ()
    pulled = bases.known(store, plan.base.reference, plan.platform)
    if pulled is None or pulled.digest != plan.base.digest:
        raise ContainerizeError(
            "base-not-here",
            what=f"The base {plan.base.reference} is not in the store as it was planned.",
            why=f"The plan wants {plan.base.digest}.",
            fix="Build again.",
        )
    return tuple(replace(layer, reused=True) for layer in pulled.layers)


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
            below = base_layers(plan, store=store)
            layers = (*below, *LayerBuilder.of(plan, store=store, emit=emit).build())
            image = store.add_image(
                layers=layers,
                config=plan.config,
                platform=plan.platform,
                created=plan.created,
                name=name,
            )
        written = sum(layer.size_bytes for layer in layers[len(below) :] if not layer.reused)
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
