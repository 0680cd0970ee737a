"""What every builder is: an image plan in, an image in the store out."""

from __future__ import annotations

from typing import Protocol

from ..model.check import Check
from ..model.event import Emit
from ..model.image import Image, Layer
from ..model.plan import ImagePlan
from ..model.reference import Reference
from ..oci.store import Store


class Builder(Protocol):
    """Turns plans into images."""

    @property
    def name(self) -> str:
        """What users choose it by."""
        ...

    def build(
        self, plan: ImagePlan, *, store: Store, emit: Emit, name: Reference | None = None
    ) -> Image:
        """Return the stored image of `plan`, named `name` (default: the plan's name).

        Same plan and files, same digest. After an error or an interrupt nothing is listed
        and nothing half-made stays. Raises `ContainerizeError` only.
        """
        ...

    def known_layers(self, plan: ImagePlan, *, store: Store) -> tuple[Layer | None, ...]:
        """Return for each layer, bottom first, the one that a build would reuse, or None.

        All None where only building tells.
        """
        ...

    def checks(self) -> tuple[Check, ...]:
        """Return what `doctor` tells about this builder on this machine."""
        ...
