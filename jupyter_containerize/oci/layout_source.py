"""An OCI layout folder as a place that bases come from. Source: image-spec 1.1, image-layout.md."""

from __future__ import annotations

import json
import os
import threading
from collections.abc import Callable
from dataclasses import dataclass

from ..errors import ContainerizeError
from .disk import read_or_none
from .documents import hex_of
from .image import REF_NAME

_PIECE_BYTES = 1 << 20


@dataclass(frozen=True, slots=True)
class LayoutSource:
    """The image in the layout folder `path`, by `tag` where it holds several."""

    path: str
    tag: str = ""
    repository: str = ""

    @property
    def name(self) -> str:
        """What people call it."""
        return f"oci:{self.path}{f':{self.tag}' if self.tag else ''}"

    def document(self, digest: str = "") -> tuple[bytes, str]:
        """Return a manifest or index; without `digest` the layout's. Errors: `not-a-layout`."""
        digest = digest or self._named()
        data = read_or_none(self._blob(digest))
        if data is None:
            raise self._broken(f"The blob {digest} is missing.")
        return data, digest

    def fetch(
        self, digest: str, size_bytes: int, write: Callable[[bytes], None], cancel: threading.Event
    ) -> None:
        """See `Source`."""
        del size_bytes, cancel
        try:
            with open(self._blob(digest), "rb") as file:
                while piece := file.read(_PIECE_BYTES):
                    write(piece)
        except OSError as error:
            raise self._broken(f"The blob {digest}: {error.strerror}.") from error

    def _named(self) -> str:
        try:
            index = json.loads(read_or_none(os.path.join(self.path, "index.json")) or b"")
            manifests = index["manifests"]
            if self.tag:
                manifests = [
                    one for one in manifests if one.get("annotations", {}).get(REF_NAME) == self.tag
                ]
            if len(manifests) == 1:
                return str(manifests[0]["digest"])
        except (ValueError, KeyError, TypeError, AttributeError, NotADirectoryError) as error:
            raise self._broken("There is no index.json of a layout in it.") from error
        raise self._broken(f"It lists {len(manifests)} images; write oci:DIR:TAG to choose one.")

    def _blob(self, digest: str) -> str:
        return os.path.join(self.path, "blobs", "sha256", hex_of(digest))

    def _broken(self, why: str) -> ContainerizeError:
        return ContainerizeError(
            "not-a-layout",
            what=f"{self.path} is not an OCI layout that can be a base.",
            why=why,
            fix="Name a folder that `build --output oci:…` or `skopeo copy … oci:…` wrote.",
        )
