"""Whether nodes have an image that was loaded into them: by what they tell themselves.

Source: https://kubernetes.io/docs/reference/kubernetes-api/cluster-resources/node-v1/#NodeStatus
(`images`; a kubelet lists `nodeStatusMaxImages` at most, the largest, and tells what is new
every ten seconds).
"""

from __future__ import annotations

import time
from collections.abc import Mapping
from dataclasses import dataclass
from typing import Any

from ...errors import ContainerizeError
from . import paths, starting
from .connection import Connection

#: A list as long as this may be cut: what is not in it may be there all the same.
_LISTED = 50
_PATIENCE_S = 45.0
_LOOK_S = 1.0


@dataclass(frozen=True, slots=True)
class Presence:
    """Names of nodes: those that have an image, and those that say what they have, but not it."""

    having: tuple[str, ...]
    lacking: tuple[str, ...]

    @property
    def everywhere(self) -> bool:
        """True when every node is known to have it."""
        return bool(self.having) and not self.lacking


def of(connection: Connection, image: str, selector: Mapping[str, str]) -> Presence:
    """Return which of the nodes that pods may run on have an image; none where nodes cannot be read."""
    try:
        nodes = connection.get(paths.NODES).get("items") or []
    except ContainerizeError:
        return Presence((), ())  # many users may not look at nodes
    suiting = [one for one in nodes if starting.suits(one, selector) and _is_open(one)]
    listed = {one["metadata"]["name"]: _images(one) for one in suiting}
    having = tuple(name for name, images in listed.items() if image in images)
    lacking = tuple(
        name for name, images in listed.items() if name not in having and 0 < len(images) < _LISTED
    )
    return Presence(having, lacking)


def require(connection: Connection, image: str, selector: Mapping[str, str]) -> None:
    """Wait until the nodes tell that they have an image. Errors: `image-not-on-nodes`."""
    until = time.monotonic() + _PATIENCE_S
    while (found := of(connection, image, selector)).lacking:
        if time.monotonic() > until:
            raise _not_on_nodes(image, found)
        time.sleep(_LOOK_S)


def _images(node: Mapping[str, Any]) -> set[str]:
    listed = (node.get("status") or {}).get("images") or ()
    return {name for one in listed for name in one.get("names") or ()}


def _is_open(node: Mapping[str, Any]) -> bool:
    spec = node.get("spec") or {}
    closed = any(one.get("effect") in ("NoSchedule", "NoExecute") for one in spec.get("taints", ()))
    return not (closed or spec.get("unschedulable"))


def _not_on_nodes(image: str, found: Presence) -> ContainerizeError:
    chosen = f"--node-selector kubernetes.io/hostname={found.having[0]}" if found.having else ""
    registry = "Name a registry that all nodes pull from: --registry HOST/NAME"
    return ContainerizeError(
        "image-not-on-nodes",
        what=f"The image {image} was loaded, but not into every node.",
        why=f"Not on, by what they tell themselves: {', '.join(found.lacking[:5])}.",
        fix=f"{registry}. Or run where it is: {chosen}" if chosen else registry,
    )
