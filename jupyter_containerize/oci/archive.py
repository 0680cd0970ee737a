"""An image as one file: an OCI layout or a Docker archive (`docker save`), in a tar.

Source: OCI image-spec 1.1, image-layout.md; moby, image/spec/v1.2.md ("Combined Image JSON +
Filesystem Changeset Format").
"""

from __future__ import annotations

import contextlib
import os
import secrets
from collections.abc import Collection, Iterable, Iterator
from dataclasses import dataclass

from ..errors import ContainerizeError
from ..model.codec import dumps
from ..model.image import Image
from . import tar
from .disk import copy_bytes, require_space, writing
from .documents import hex_of
from .layout import LAYOUT, blobs_of, contents
from .store import Store

_ENTRY_BYTES = 2 * tar.BLOCK
_CHUNK_BYTES = 1 << 20


def write_oci(*images: Image, store: Store, path: str) -> None:
    """Write the image (one a platform) as the tar of an OCI layout, replacing the file `path`.

    Errors: `output-exists` (it is no file), `no-space`, `store-read-only`.
    """
    _write(_oci_parts(*images, store=store), *images, store=store, path=path)


def write_docker(image: Image, *, store: Store, path: str) -> None:
    """Write `image` as a Docker archive, replacing the file `path`. Errors: as `write_oci`."""
    _write(_docker_parts(image, store), image, store=store, path=path)


def stream_oci(image: Image, *, store: Store, absent: Collection[str] = ()) -> Iterator[bytes]:
    """Yield what `write_oci` writes, without the layers whose diff IDs are `absent`."""
    left_out = {layer.digest for layer in image.layers if layer.diff_id in absent}
    names = {f"blobs/sha256/{hex_of(digest)}" for digest in left_out}
    return _stream(part for part in _oci_parts(image, store=store) if part.name not in names)


def stream_docker(image: Image, *, store: Store, absent: Collection[str] = ()) -> Iterator[bytes]:
    """Yield what `write_docker` writes, without the layers whose diff IDs are `absent`."""
    names = {_layer_name(diff_id) for diff_id in absent}
    return _stream(part for part in _docker_parts(image, store) if part.name not in names)


@dataclass(frozen=True, slots=True)
class _Part:
    """One entry of the archive: a file with these bytes or those of `source`, or a folder."""

    name: str
    data: bytes = b""
    source: str = ""


def _oci_parts(*images: Image, store: Store) -> Iterator[_Part]:
    made = contents(*images, store=store)
    yield _Part("oci-layout", dumps(LAYOUT))
    yield _Part("index.json", dumps(made.index))
    yield _Part("blobs/")
    yield _Part("blobs/sha256/")
    for digest in sorted((*made.blobs, *made.documents)):
        name, data = f"blobs/sha256/{hex_of(digest)}", made.documents.get(digest)
        yield _Part(name, data) if data else _Part(name, source=store.blob_path(digest))


def _docker_parts(image: Image, store: Store) -> Iterator[_Part]:
    config = f"{hex_of(image.config_digest)}.json"
    layers = [_layer_name(layer.diff_id) for layer in image.layers]
    manifest = {"Config": config, "RepoTags": list(image.names), "Layers": layers}
    yield _Part("manifest.json", dumps([manifest]))
    yield _Part(config, source=store.blob_path(image.config_digest))
    blobs = {name: layer.digest for name, layer in zip(layers, image.layers, strict=True)}
    for name, digest in sorted(blobs.items()):
        yield _Part(name, source=store.blob_path(digest))


def _layer_name(diff_id: str) -> str:
    return f"{hex_of(diff_id)}.tar"


def _stream(parts: Iterable[_Part]) -> Iterator[bytes]:
    for part in parts:
        if not part.source:
            yield _framed(part)
            continue
        with open(part.source, "rb", buffering=0) as file:
            size_bytes = os.fstat(file.fileno()).st_size
            yield _header(part, size_bytes)
            while data := file.read(_CHUNK_BYTES):
                yield data
        yield tar.padding(size_bytes)
    yield tar.END


def _framed(part: _Part) -> bytes:
    """Return a part whose bytes are in memory, as tar."""
    return _header(part, len(part.data)) + part.data + tar.padding(len(part.data))


def _header(part: _Part, size_bytes: int) -> bytes:
    if part.name.endswith("/"):
        return tar.header(part.name.encode(), kind=tar.FOLDER, mode=0o755)
    return tar.header(part.name.encode(), kind=tar.FILE, mode=0o644, size_bytes=size_bytes)


def check(path: str) -> None:
    """Refuse a file that cannot be replaced, before any work. Errors: `output-exists`."""
    if os.path.exists(path) and not os.path.isfile(path):
        raise ContainerizeError(
            "output-exists",
            what=f"The image cannot be written to {path}.",
            why="It is not a file.",
            fix="Name a new file, or one to be replaced.",
        )


def _write(parts: Iterable[_Part], *images: Image, store: Store, path: str) -> None:
    """Make the parts the file `path` when all went well, else leave nothing."""
    check(path)
    temporary = f"{path}.{secrets.token_hex(4)}.tmp"
    with store.in_use(), writing(path):
        digests = {digest for image in images for digest in blobs_of(image)}
        sizes = [os.stat(store.blob_path(digest)).st_size for digest in digests]
        folder = os.path.dirname(os.path.abspath(path))
        os.makedirs(folder, exist_ok=True)
        require_space(folder, sum(size + _ENTRY_BYTES for size in sizes))
        with open(temporary, "xb", buffering=0) as file:
            try:
                for part in parts:
                    _put(file.fileno(), part)
                _put_data(file.fileno(), tar.END)
                os.replace(temporary, path)
            except BaseException:
                with contextlib.suppress(OSError):
                    os.unlink(temporary)
                raise


def _put(target: int, part: _Part) -> None:
    if not part.source:
        _put_data(target, _framed(part))
        return
    source = os.open(part.source, os.O_RDONLY | os.O_CLOEXEC)
    try:
        size_bytes = os.fstat(source).st_size
        _put_data(target, _header(part, size_bytes))
        copy_bytes(source, target, 0, size_bytes)  # within the kernel, where that can be
    finally:
        os.close(source)
    _put_data(target, tar.padding(size_bytes))


def _put_data(target: int, data: bytes) -> None:
    while data:
        data = data[os.write(target, data) :]
