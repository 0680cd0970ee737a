"""Layers compressed for registries, and back. What was compressed once is kept by diff ID.

Source: OCI image-spec 1.1, layer.md ("+gzip", "+zstd" media types).
"""

from __future__ import annotations

import contextlib
import gzip
import os
import threading
from collections.abc import Callable, Iterator
from dataclasses import dataclass, replace
from typing import IO, TYPE_CHECKING, Any, cast

from ..errors import ContainerizeError, needs_extra
from ..model.codec import dumps, to_json
from ..model.image import Layer
from .blobs import BlobWriter
from .disk import read_or_none, require_space, write_atomically, writing
from .documents import hex_of
from .image import LAYER_TYPE
from .images import parsed
from .pipeline import Cancelled

if TYPE_CHECKING:
    from .store import Store

FOLDER = "compressed"
METHODS = ("gzip", "zstd")
_BLOCK_BYTES = 1 << 20
#: ISA-L's fastest level: twice as large a step in time as in size to the next.
_ISAL_LEVEL = 1
_ZLIB_LEVEL = 6
_ZSTD_LEVEL = 3
_GZIP_MAGIC, _ZSTD_MAGIC = b"\x1f\x8b", b"\x28\xb5\x2f\xfd"
#: A compressed layer is hardly ever larger than this share of the layer.
_USUAL_SHARE = 0.6


@dataclass(frozen=True, slots=True)
class CompressedLayer:
    """A layer's compressed blob in the store; `repositories` are places that have it too."""

    digest: str
    size_bytes: int
    media_type: str
    repositories: tuple[str, ...] = ()


def check_method(method: str) -> None:
    """See that layers can be compressed so. Errors: `unknown-compression`, `extra-missing`."""
    if method not in METHODS:
        raise ContainerizeError(
            "unknown-compression",
            what=f"There is no compression {method!r}.",
            fix=f"Choose one of: {', '.join(METHODS)}.",
        )
    if method == "zstd":
        _zstandard()


def compressed(store: Store, layer: Layer, method: str) -> CompressedLayer | None:
    """Return what is known of the layer's compressed blob, None unless it is whole.

    A layer from elsewhere (without a key) stays as its registry compressed it.
    """
    methods = (method,) if layer.key else (method, *(one for one in METHODS if one != method))
    for one in methods:
        found = parsed(CompressedLayer, read_or_none(_path(store, layer.diff_id, one)))
        if found is not None and store.has_blob(found.digest, size_bytes=found.size_bytes):
            return found
    return None


def remember(store: Store, diff_id: str, known: CompressedLayer, *, repository: str = "") -> None:
    """Keep what is known of a compressed layer, and that `repository` has it."""
    if repository and repository not in known.repositories:
        known = replace(known, repositories=(*known.repositories, repository))
    method = known.media_type.rpartition("+")[2]
    with writing(store.root):
        os.makedirs(os.path.join(store.root, FOLDER), mode=0o700, exist_ok=True)
        path = _path(store, diff_id, method)
        write_atomically(path, dumps(to_json(known)), durable=False)


def compress(
    store: Store,
    layer: Layer,
    method: str,
    *,
    advance: Callable[[int], None],
    cancel: threading.Event,
) -> CompressedLayer:
    """Compress a stored layer on all cores, keep the blob and remember it.

    The same bytes on any number of cores. `advance` is told how much of the layer is done.
    Errors: `no-space`, `store-damaged`.
    """
    require_space(store.root, int(layer.size_bytes * _USUAL_SHARE))
    with open(store.blob_path(layer.digest), "rb", buffering=0) as source, store.writer() as writer:
        with _compressor(method, writer) as sink:
            done = 0
            while block := source.read(_BLOCK_BYTES):
                if cancel.is_set():
                    raise Cancelled
                sink.write(block)
                done += len(block)
                advance(done)
        blob = writer.commit()
    made = CompressedLayer(blob.digest, blob.size_bytes, f"{LAYER_TYPE}+{method}")
    remember(store, layer.diff_id, made)
    return made


@contextlib.contextmanager
def decompressed(path: str) -> Iterator[IO[bytes]]:
    """Open a layer's blob and yield its tar, however it is compressed.

    Reading raises `OSError`, `EOFError` or `ValueError` when it is damaged.
    Errors: `extra-missing` for zstd.
    """
    with open(path, "rb") as file:
        magic = file.read(4)
        file.seek(0)
        if magic.startswith(_GZIP_MAGIC):
            with _gunzip(file) as unzipped:
                yield unzipped
        elif magic == _ZSTD_MAGIC:
            reader = _zstandard().ZstdDecompressor().stream_reader(file, read_across_frames=True)
            yield cast("IO[bytes]", reader)
        else:
            yield file


def keep_alive(store: Store, diff_id: str) -> Iterator[str]:
    """Yield the digests of the compressed blobs that belong to a kept layer."""
    for method in METHODS:
        found = parsed(CompressedLayer, read_or_none(_path(store, diff_id, method)))
        if found is not None:
            yield found.digest


def _path(store: Store, diff_id: str, method: str) -> str:
    return os.path.join(store.root, FOLDER, f"{hex_of(diff_id)}.{method}.json")


@contextlib.contextmanager
def _compressor(method: str, writer: BlobWriter) -> Iterator[IO[bytes]]:
    sink = cast("IO[bytes]", _Sink(writer))
    threads = len(os.sched_getaffinity(0)) if hasattr(os, "sched_getaffinity") else 1
    if method == "zstd":
        made = _zstandard().ZstdCompressor(level=_ZSTD_LEVEL, threads=threads)
        with made.stream_writer(sink, closefd=False) as stream:
            yield stream
        return
    try:
        from isal import igzip_threaded  # noqa: PLC0415 - an extra
    except ImportError:
        with gzip.GzipFile("", "wb", _ZLIB_LEVEL, sink, mtime=0) as stream:
            yield cast("IO[bytes]", stream)
        return
    with igzip_threaded.open(
        sink, "wb", _ISAL_LEVEL, threads=threads, block_size=_BLOCK_BYTES
    ) as stream:
        yield cast("IO[bytes]", stream)


class _Sink:
    """What compressors write to: a blob's writer, as a file."""

    def __init__(self, writer: BlobWriter) -> None:
        self._writer = writer

    def write(self, data: bytes) -> int:
        self._writer.write(data)
        return len(data)

    def flush(self) -> None:
        """Nothing is held back."""


def _gunzip(file: IO[bytes]) -> IO[bytes]:
    try:
        from isal import igzip_threaded  # noqa: PLC0415 - an extra
    except ImportError:
        return cast("IO[bytes]", gzip.open(file))
    return cast("IO[bytes]", igzip_threaded.open(file, "rb", threads=1))


def _zstandard() -> Any:
    try:
        import zstandard  # noqa: PLC0415 - an extra
    except ImportError as error:
        raise needs_extra("zstd", "zstandard", doing="Compressing with zstd") from error
    return zstandard
