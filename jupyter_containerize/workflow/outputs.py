"""`--output`: an image as an OCI layout, an OCI archive or a Docker archive."""

from __future__ import annotations

import os
import shutil
from collections.abc import Callable

from ..errors import ContainerizeError
from ..model.image import Image
from ..oci import archive, layout
from ..oci.store import Store

_WRITERS: dict[str, Callable[..., None]] = {
    "oci": layout.write,
    "oci-archive": archive.write_oci,
    "docker-archive": archive.write_docker,
}


def check_output(output: str) -> None:
    """Refuse an output that could not be written, before any work. Errors: `output-exists`."""
    kind, _, path = output.partition(":")
    (layout if kind == "oci" else archive).check(path)


def write_output(output: str, image: Image, *, store: Store) -> None:
    """Write `image` to `oci:DIR`, `oci-archive:FILE` or `docker-archive:FILE`.

    Errors: `output-exists`, `no-space`, `store-read-only`.
    """
    kind, _, path = output.partition(":")
    _WRITERS[kind](image, store=store, path=path)


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
