"""Bases in the store: pulled once, kept by reference and platform, pinned to their digest."""

from __future__ import annotations

import contextlib
import hashlib
import json
import os
import threading
import time
from collections.abc import Callable, Iterator, Mapping, Sequence
from concurrent.futures import ThreadPoolExecutor
from dataclasses import dataclass
from typing import Any, Protocol

from ..errors import ContainerizeError
from ..model.codec import dumps, from_json, to_json
from ..model.event import Emit, LayerDone, Progress
from ..model.image import Layer
from ..model.platform import Platform
from . import compression
from .disk import read_or_none, require_space, write_atomically, writing
from .documents import hex_of
from .image import LAYER_TYPE
from .pipeline import Cancelled
from .store import Store
from .tar_reader import bad_layer

STEP = "base"
FOLDER = "bases"
_LAYERS_AT_ONCE = 3
_PIECE_BYTES = 1 << 20
_PROGRESS_S = 0.1
_INDEX_TYPES = ("index.v1+json", "manifest.list.v2+json")


class Source(Protocol):
    """Where a base comes from: a registry's repository, or a layout folder.

    `name` is for people; `repository` is registry and repository, "" for a layout.
    """

    @property
    def name(self) -> str:
        """What people call it."""
        ...

    @property
    def repository(self) -> str:
        """Registry and repository."""
        ...

    def document(self, digest: str = "") -> tuple[bytes, str]:
        """Return a manifest or index and its digest, checked; without digest the named one."""
        ...

    def fetch(
        self, digest: str, size_bytes: int, write: Callable[[bytes], None], cancel: threading.Event
    ) -> None:
        """Hand all bytes of a blob to `write`, in order. Errors: `registry-...`."""
        ...


@dataclass(frozen=True, slots=True)
class Pulled:
    """An image for one platform, its layers in the store: `config` is its OCI config."""

    reference: str
    platform: Platform
    digest: str
    layers: tuple[Layer, ...]
    config: Mapping[str, Any]


def known(store: Store, reference: str, platform: Platform) -> Pulled | None:
    """Return what was pulled earlier by this name, None unless all of it is here."""
    data = read_or_none(_path(store, reference, platform))
    with contextlib.suppress(ContainerizeError, ValueError, KeyError, TypeError):
        record = json.loads(data or b"")
        layers = tuple(from_json(Layer, one) for one in record["layers"])
        if all(store.has_blob(one.digest, size_bytes=one.size_bytes) for one in layers):
            return Pulled(reference, platform, record["digest"], layers, record["config"])
    return None


def pull(source: Source, reference: str, platform: Platform, *, store: Store, emit: Emit) -> Pulled:
    """Bring the image that `source` stands for into the store: only layers that are not here.

    Every blob is checked against its digest, every layer against its diff ID. Errors:
    `base-platform-missing`, `bad-layer`, `not-an-image`, `no-space`, `registry-...`.
    """
    with store.in_use():
        digest, manifest = _manifest(source, platform)
        config = json.loads(_small(source, manifest["config"]))
        _check_platform(source, config, platform)
        diff_ids = [str(one) for one in config.get("rootfs", {}).get("diff_ids", ())]
        descriptors = manifest.get("layers", [])
        if len(diff_ids) != len(descriptors):
            raise _not_an_image(source, "Its config and its manifest do not list the same layers.")
        layers = _Layers(source, store, emit).bring(descriptors, diff_ids)
        pulled = Pulled(reference, platform, digest, layers, config)
        record = {"reference": reference, "platform": str(platform), "digest": digest,
                  "layers": [to_json(layer) for layer in layers], "config": config}  # fmt: skip
        with writing(store.root):
            os.makedirs(os.path.join(store.root, FOLDER), mode=0o700, exist_ok=True)
            write_atomically(_path(store, reference, platform), dumps(record))
        return pulled


def _manifest(source: Source, platform: Platform) -> tuple[str, dict[str, Any]]:
    data, digest = source.document()
    document = _parsed(source, data)
    if _is_index(document):
        found = [one for one in document.get("manifests", ()) if _is_for(one, platform)]
        if not found:
            there = sorted({_platform_of(one) for one in document.get("manifests", ())} - {""})
            raise _platform_missing(source, platform, ", ".join(there))
        data, digest = source.document(str(found[0]["digest"]))
        document = _parsed(source, data)
    if not isinstance(document.get("config"), dict) or "layers" not in document:
        raise _not_an_image(source, "Its manifest lists no config and layers.")
    return digest, document


def _is_index(document: Mapping[str, Any]) -> bool:
    return "manifests" in document or str(document.get("mediaType", "")).endswith(_INDEX_TYPES)


def _is_for(descriptor: Mapping[str, Any], platform: Platform) -> bool:
    return _platform_of(descriptor) == str(platform)


def _platform_of(descriptor: Mapping[str, Any]) -> str:
    place = descriptor.get("platform") or {}
    name = f"{place.get('os', '')}/{place.get('architecture', '')}"
    return "" if "unknown" in name or name == "/" else name


def _check_platform(source: Source, config: Mapping[str, Any], platform: Platform) -> None:
    there = f"{config.get('os', 'linux')}/{config.get('architecture', platform.architecture)}"
    if there != str(platform):
        raise _platform_missing(source, platform, there)


def _small(source: Source, descriptor: Mapping[str, Any]) -> bytes:
    parts: list[bytes] = []
    digest = str(descriptor["digest"])
    source.fetch(digest, int(descriptor["size"]), parts.append, threading.Event())
    data = b"".join(parts)
    if hashlib.sha256(data).hexdigest() != hex_of(digest):
        raise _wrong(source, digest)
    return data


@dataclass(frozen=True, slots=True)
class _Layers:
    source: Source
    store: Store
    emit: Emit

    def bring(
        self, descriptors: Sequence[Mapping[str, Any]], diff_ids: Sequence[str]
    ) -> tuple[Layer, ...]:
        missing = [
            int(one["size"])
            for one, diff_id in zip(descriptors, diff_ids, strict=True)
            if not self.store.has_blob(diff_id)
        ]
        require_space(self.store.root, 3 * sum(missing))  # compressed, and unpacked to twice that
        cancel = threading.Event()
        with ThreadPoolExecutor(max_workers=_LAYERS_AT_ONCE) as pool:
            jobs = [
                pool.submit(self._layer, number, descriptor, diff_id, cancel)
                for number, (descriptor, diff_id) in enumerate(
                    zip(descriptors, diff_ids, strict=True)
                )
            ]
            try:
                return tuple(job.result() for job in jobs)
            except BaseException:
                cancel.set()
                pool.shutdown(cancel_futures=True)
                raise

    def _layer(
        self, number: int, descriptor: Mapping[str, Any], diff_id: str, cancel: threading.Event
    ) -> Layer:
        started = time.monotonic()
        title = f"base layer {number + 1}"
        digest, size_bytes = str(descriptor["digest"]), int(descriptor["size"])
        reused = self.store.has_blob(diff_id)
        if not reused:
            if not self.store.has_blob(digest, size_bytes=size_bytes):
                self._fetch(digest, size_bytes, title, cancel)
            self._unpack(digest, diff_id, cancel)
        media_type = str(descriptor.get("mediaType", ""))
        if digest != diff_id and self.store.has_blob(digest, size_bytes=size_bytes):
            method = "zstd" if media_type.endswith("zstd") else "gzip"
            kept = compression.CompressedLayer(digest, size_bytes, f"{LAYER_TYPE}+{method}")
            compression.remember(self.store, diff_id, kept, repository=self.source.repository)
        stored = os.stat(self.store.blob_path(diff_id)).st_size
        seconds = time.monotonic() - started
        self.emit(LayerDone(title, digest, size_bytes, reused=reused, seconds=seconds))
        return Layer(diff_id, diff_id, stored, kind="base image", title=title)

    def _fetch(self, digest: str, size_bytes: int, title: str, cancel: threading.Event) -> None:
        following = 0.0
        with self.store.writer() as writer:

            def take(piece: bytes) -> None:
                nonlocal following
                writer.write(piece)
                now = time.monotonic()
                if now >= following or writer.size_bytes == size_bytes:
                    following = now + _PROGRESS_S
                    self.emit(Progress(STEP, title, writer.size_bytes, size_bytes))

            self.source.fetch(digest, size_bytes, take, cancel)
            if writer.digest != digest:
                raise _wrong(self.source, digest)
            writer.commit()

    def _unpack(self, digest: str, diff_id: str, cancel: threading.Event) -> None:
        """Store the layer's tar, checked: one with another diff ID is never kept."""
        if digest == diff_id:
            return
        with self.store.writer() as writer:
            try:
                for piece in _pieces(self.store.blob_path(digest)):
                    if cancel.is_set():
                        raise Cancelled
                    writer.write(piece)
            except (OSError, EOFError, ValueError) as error:
                raise bad_layer(f"It cannot be decompressed: {error}.") from error
            if writer.digest != diff_id:
                raise bad_layer(f"It should have the diff ID {diff_id} and has {writer.digest}.")
            writer.commit()


def _pieces(path: str) -> Iterator[bytes]:
    with compression.decompressed(path) as tar:
        while piece := tar.read(_PIECE_BYTES):
            yield piece


def _path(store: Store, reference: str, platform: Platform) -> str:
    name = hashlib.sha256(f"{reference}\n{platform}".encode()).hexdigest()
    return os.path.join(store.root, FOLDER, f"{name}.json")


def _parsed(source: Source, data: bytes) -> dict[str, Any]:
    try:
        document = json.loads(data)
    except ValueError:
        document = None
    if not isinstance(document, dict):
        raise _not_an_image(source, "Its manifest is not a JSON object.")
    return document


def _platform_missing(source: Source, platform: Platform, there: str) -> ContainerizeError:
    return ContainerizeError(
        "base-platform-missing",
        what=f"The base {source.name} is not there for {platform}.",
        why=f"It is there for: {there or 'no platform that it names'}.",
        fix="Choose another base or another --platform.",
    )


def _not_an_image(source: Source, why: str) -> ContainerizeError:
    return ContainerizeError(
        "not-an-image",
        what=f"{source.name} is not a container image.",
        why=why,
        fix="Name an image: registry/repository:tag, or oci:DIR.",
    )


def _wrong(source: Source, digest: str) -> ContainerizeError:
    return ContainerizeError(
        "base-damaged",
        what=f"A part of {source.name} is not what its digest says.",
        why=f"It should be {digest}.",
        fix="Try again; if it stays, a proxy or the registry alters or damages data.",
    )
