"""An image as one file: an OCI layout or a Docker archive (`docker save`), in a tar.

Source: OCI image-spec 1.1, image-layout.md; moby, image/spec/v1.2.md ("Combined Image JSON +
Filesystem Changeset Format").
"""

from __future__ import annotations

import contextlib
import os
import secrets
from collections.abc import Iterator
from dataclasses import dataclass

from ..errors import ContainerizeError
from ..model.codec import dumps
from ..model.image import Image
from . import tar
from .disk import copy_bytes, require_space, writing
from .documents import hex_of
from .layout import LAYOUT, blobs_of, index_of
from .store import Store

_ENTRY_BYTES = 2 * tar.BLOCK


def write_oci(image: Image, *, store: Store, path: str) -> None:
    """Write `image`, and nothing else, as the tar of an OCI layout, replacing the file `path`.

    Errors: `output-exists` (it is no file), `no-space`, `store-read-only`.
    """
    with _archive(image, store=store, path=path) as archive:
        archive.add_data("oci-layout", dumps(LAYOUT))
        archive.add_data("index.json", dumps(index_of(image, store)))
        archive.add_folder("blobs/")
        archive.add_folder("blobs/sha256/")
        for digest in sorted(blobs_of(image)):
            archive.add_file(f"blobs/sha256/{hex_of(digest)}", store.blob_path(digest))


def write_docker(image: Image, *, store: Store, path: str) -> None:
    """Write `image` as a Docker archive, replacing the file `path`. Errors: as `write_oci`."""
    with _archive(image, store=store, path=path) as archive:
        config = f"{hex_of(image.config_digest)}.json"
        layers = [f"{hex_of(layer.diff_id)}.tar" for layer in image.layers]
        manifest = {"Config": config, "RepoTags": list(image.names), "Layers": layers}
        archive.add_data("manifest.json", dumps([manifest]))
        archive.add_file(config, store.blob_path(image.config_digest))
        blobs = {name: layer.digest for name, layer in zip(layers, image.layers, strict=True)}
        for name, digest in sorted(blobs.items()):
            archive.add_file(name, store.blob_path(digest))


@dataclass(frozen=True, slots=True)
class _Archive:
    descriptor: int

    def add_folder(self, name: str) -> None:
        self._write(tar.header(name.encode(), kind=tar.FOLDER, mode=0o755))

    def add_data(self, name: str, data: bytes) -> None:
        self._header(name, len(data))
        self._write(data + tar.padding(len(data)))

    def add_file(self, name: str, source_path: str) -> None:
        source = os.open(source_path, os.O_RDONLY | os.O_CLOEXEC)
        try:
            size_bytes = os.fstat(source).st_size
            self._header(name, size_bytes)
            copy_bytes(source, self.descriptor, 0, size_bytes)
        finally:
            os.close(source)
        self._write(tar.padding(size_bytes))

    def end(self) -> None:
        self._write(tar.END)

    def _header(self, name: str, size_bytes: int) -> None:
        self._write(tar.header(name.encode(), kind=tar.FILE, mode=0o644, size_bytes=size_bytes))

    def _write(self, data: bytes) -> None:
        while data:
            data = data[os.write(self.descriptor, data) :]


def check(path: str) -> None:
    """Refuse a file that cannot be replaced, before any work. Errors: `output-exists`."""
    if os.path.exists(path) and not os.path.isfile(path):
        raise ContainerizeError(
            "output-exists",
            what=f"The image cannot be written to {path}.",
            why="It is not a file.",
            fix="Name a new file, or one to be replaced.",
        )


@contextlib.contextmanager
def _archive(image: Image, *, store: Store, path: str) -> Iterator[_Archive]:
    """Yield an archive that becomes the file `path` when all went well, else leaves nothing."""
    check(path)
    temporary = f"{path}.{secrets.token_hex(4)}.tmp"
    with store.in_use(), writing(path):
        sizes = [os.stat(store.blob_path(digest)).st_size for digest in blobs_of(image)]
        folder = os.path.dirname(os.path.abspath(path))
        os.makedirs(folder, exist_ok=True)
        require_space(folder, sum(size + _ENTRY_BYTES for size in sizes))
        with open(temporary, "xb", buffering=0) as file:
            try:
                archive = _Archive(file.fileno())
                yield archive
                archive.end()
                os.replace(temporary, path)
            except BaseException:
                with contextlib.suppress(OSError):
                    os.unlink(temporary)
                raise
