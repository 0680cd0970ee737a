"""`--output`: an image as an OCI layout, an OCI archive or a Docker archive."""

from __future__ import annotations

import os
import shutil
from collections.abc import Callable

from ..errors import ContainerizeError
from ..model.image import Image
from ..oci import archive, layout
from ..oci.store import Store

_DOCKER = "docker-archive"
_WRITERS: dict[str, Callable[..., None]] = {
    "oci": layout.write,
    "oci-archive": archive.write_oci,
    _DOCKER: archive.write_docker,
}


def check_output(output: str, *, several: bool = False) -> None:
    """Refuse an output that could not be written, before any work.

    Errors: `output-exists`, `one-platform-only`.
    """
    kind, _, path = output.partition(":")
    if several and kind == _DOCKER:
        raise ContainerizeError(
            "one-platform-only",
            what="A Docker archive holds one platform.",
            why="Its format knows no index of several.",
            fix=f"Write --output oci-archive:{path} or oci:DIR, or name one --platform.",
        )
    (layout if kind == "oci" else archive).check(path)


def write_output(output: str, *images: Image, store: Store) -> None:
    """Write an image (one a platform) to `oci:DIR`, `oci-archive:FILE` or `docker-archive:FILE`.

    Errors: `output-exists`, `no-space`, `store-read-only`.
    """
    kind, _, path = output.partition(":")
    _WRITERS[kind](*images, store=store, path=path)


def copy_folder(source: str, target: str) -> None:
    """Copy a run's outputs to a folder that is not there yet. Errors: `output-exists`, `no-outputs`."""
    if not os.path.isdir(source):
        raise ContainerizeError(
            "no-outputs",
            what="This run has no outputs on this machine.",
            why=f"They are elsewhere: {source}." if source else "",
        )
    if os.path.exists(target):
        raise ContainerizeError(
            "output-exists",
            what=f"{target} is there already.",
            fix="Name a folder that is not there yet.",
        )
    shutil.copytree(source, target, symlinks=True)
