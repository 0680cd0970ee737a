"""One training run as the manifests see it."""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass, field
from itertools import product
from typing import Any

from ....model.cluster import Scheduling
from ....model.run import RunSpec
from .names import LABEL_KIND, labels
from .pods import CONTROL_FOLDER, HELD_FOLDER, PodImage
from .volumes import Target, target


@dataclass(frozen=True, slots=True)
class Training:
    """One training run as the manifests see it. `record` is kept on the object that owns all.

    `even`: see `PodPlan`.
    """

    name: str
    run_id: str
    spec: RunSpec
    image: PodImage
    record: Mapping[str, Any] = field(default_factory=dict)
    even: bool = False

    @property
    def title(self) -> str:
        """The image's name, which the labels tell."""
        return self.spec.image_name or self.name

    @property
    def sweep(self) -> tuple[Mapping[str, str], ...]:
        """The parameter sets of a sweep, in the order of their indices."""
        swept = self.spec.cluster.sweep
        return tuple(dict(zip(swept, values, strict=True)) for values in product(*swept.values()))

    @property
    def completions(self) -> int:
        """How many pods have to succeed."""
        return len(self.sweep) if self.spec.cluster.sweep else self.spec.workers

    @property
    def together(self) -> bool:
        """True when the pods train together."""
        return self.spec.workers > 1 and not self.spec.cluster.sweep

    @property
    def attended(self) -> bool:
        """True when our guest in the image watches over the command and its outputs."""
        return self.image.ours and bool(self.image.config.entrypoint)

    @property
    def control(self) -> str:
        """The folder by which the training and who fetches its outputs know of one another."""
        # A TrainJob's pods are its runtime's: there is no volume of ours.
        own = self.spec.cluster.scheduling is Scheduling.TRAINJOB
        return HELD_FOLDER if own else CONTROL_FOLDER

    @property
    def target(self) -> Target:
        """Where the outputs go."""
        return target(self.spec.cluster.outputs)

    @property
    def secret(self) -> str:
        """The secret that holds the values of `--env`."""
        return f"{self.name}-env" if self.spec.environment else ""

    def labels(self) -> dict[str, str]:
        """Return the labels of every object."""
        made = labels(self.name, self.run_id, component="training", title=self.title)
        made[LABEL_KIND] = "sweep" if self.spec.cluster.sweep else "training"
        return made
