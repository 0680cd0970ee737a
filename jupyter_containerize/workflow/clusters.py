"""What the workflow adds for clusters and for workers that train together."""

from __future__ import annotations

import json
from dataclasses import replace
from typing import Any

from ..errors import ContainerizeError
from ..model.cluster import ClusterOptions, Place
from ..model.image import Image
from ..model.plan import LABEL_KIND, LABEL_PARAMETERS, ImageKind
from ..model.run import RunSpec
from ..oci.store import Store

KUBERNETES = "kubernetes"
_NUMBERS = ("int", "float", "bool")


def wished(spec: RunSpec, image: Image, *, runtime: str) -> RunSpec:
    """Return `spec` as `runtime` is to have it: workers of one machine are told by a variable.

    `-p lr=0.1,0.01` of a number is a sweep. Errors: `not-with-this-runtime`, `usage`.
    """
    if runtime == KUBERNETES:
        return _swept(spec, image)
    options = spec.cluster
    if options.sweep:
        raise ContainerizeError(
            "not-with-this-runtime",
            what=f"The {runtime} runtime makes no sweeps.",
            fix="Choose --runtime kubernetes, or run the combinations one by one.",
        )
    if spec.workers > 1:
        told = {"CONTAINERIZE_WORKERS": str(spec.workers)}
        return replace(spec, environment={**spec.environment, **told})
    return spec


def _swept(spec: RunSpec, image: Image) -> RunSpec:
    """Move the parameters with several values into the sweep."""
    types = _types(image)
    several = {
        name: tuple(part.strip() for part in text.split(","))
        for name, text in spec.parameters.items()
        if "," in text and types.get(name) in _NUMBERS
    }
    sweep = {**several, **spec.cluster.sweep}
    if not sweep:
        return spec
    if spec.workers > 1:
        raise ContainerizeError(
            "usage",
            what="A sweep and `--workers` exclude each other.",
            why="Each pod of a sweep is a training of its own.",
            fix="Leave one of them out.",
        )
    unknown = [name for name in sweep if types and name not in types]
    if unknown:
        raise ContainerizeError(
            "usage",
            what=f"The notebook has no parameter {', '.join(unknown)}.",
            why=f"It has: {', '.join(types)}.",
            fix="Correct --sweep.",
        )
    rest = {name: text for name, text in spec.parameters.items() if name not in sweep}
    options: ClusterOptions = replace(spec.cluster, sweep=sweep)
    return replace(spec, parameters=rest, cluster=options)


def _types(image: Image) -> dict[str, str]:
    try:
        listed = json.loads(image.config.labels.get(LABEL_PARAMETERS, "[]"))
    except ValueError:
        return {}
    return {item["name"]: item.get("type", "") for item in listed}


def serves(image: Image, runtime: str) -> bool:
    """Tell whether running an image there makes a service in a cluster."""
    kind = image.config.labels.get(LABEL_KIND)
    return runtime == KUBERNETES and kind == ImageKind.INFERENCE.value


def contexts() -> list[dict[str, Any]]:
    """Return the clusters that kubeconfig knows. Errors: as `kubeconfig.contexts`."""
    from ..runtimes.kubernetes import kubeconfig  # noqa: PLC0415 - rarely asked

    return kubeconfig.contexts()


def look_in(place: Place, *, store: Store) -> None:
    """Have runs be looked for in a cluster that the user names. Errors: the connection's."""
    if place.context or place.namespace:
        from ..runtimes.kubernetes.runtime import KubernetesRuntime  # noqa: PLC0415 - rarely asked

        KubernetesRuntime().look_in(place, store=store)
