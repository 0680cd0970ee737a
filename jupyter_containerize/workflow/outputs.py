"""`--output`: an image as an OCI layout, an OCI archive or a Docker archive."""

from __future__ import annotations

from ..model.image import Image
from ..oci.store import Store


def write_output(output: str, image: Image, *, store: Store) -> None:
    """Write `image` to `oci:DIR`, `oci-archive:FILE` or `docker-archive:FILE`."""
    from ..oci import archive, layout  # noqa: PLC0415 - until they exist

    kind, _, path = output.partition(":")
    if kind == "oci":
        layout.write(image, store=store, path=path)
    elif kind == "oci-archive":
        archive.write_oci(image, store=store, path=path)
    else:
        archive.write_docker(image, store=store, path=path)
