"""Images as the store and the runtimes see them."""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass, field

from .plan import ImageConfig
from .platform import Platform


@dataclass(frozen=True, slots=True)
class Layer:
    """One built layer: `digest` and `size_bytes` of the blob as stored, `diff_id` of the tar.

    In our store layers lie uncompressed, so both digests are equal; other media differ.
    `key` is the plan key it was built from, "" for layers from elsewhere.
    """

    digest: str
    diff_id: str
    size_bytes: int
    media_type: str = "application/vnd.oci.image.layer.v1.tar"
    kind: str = ""
    title: str = ""
    key: str = ""
    reused: bool = False


@dataclass(frozen=True, slots=True)
class Image:
    """An image in the store: `digest` is its manifest's, `config_digest` (the image ID) its config's."""

    digest: str
    config_digest: str
    platform: Platform
    config: ImageConfig
    layers: tuple[Layer, ...]
    names: tuple[str, ...] = ()
    created: str = ""
    annotations: Mapping[str, str] = field(default_factory=dict)

    @property
    def size_bytes(self) -> int:
        """Bytes of all layers as stored."""
        return sum(layer.size_bytes for layer in self.layers)
