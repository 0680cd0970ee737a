"""`push`: an image of the store into a registry, only what is lacking there, manifest last."""

from __future__ import annotations

import threading
import time
from collections.abc import Iterable, Mapping, Sequence
from concurrent.futures import FIRST_EXCEPTION, Future, ThreadPoolExecutor, wait
from dataclasses import dataclass, replace

from ...model.codec import dumps
from ...model.event import Emit, Event, LayerDone, Progress, ignore
from ...model.image import Image, Layer
from ...model.reference import Reference
from .. import compression as layers
from ..image import INDEX_TYPE, MANIFEST_TYPE, descriptor, index_json, manifest_json
from ..pipeline import Cancelled
from ..store import Store
from .referrers import Attachment, attach
from .repository import Document, Repository
from .upload import Upload

STEP = "push"
_UPLOADS_AT_ONCE = 4
_PROGRESS_S = 0.1
#: More repositories than this are not asked for a blob that they may have.
_MAX_SOURCES = 4


def push(
    image: Image,
    reference: Reference,
    *,
    store: Store,
    emit: Emit = ignore,
    compression: str = "gzip",
    attachments: Sequence[Attachment] = (),
) -> Reference:
    """Bring `image` into the registry under `reference`; return that with its digest there.

    Blobs that the registry has, or can mount from a repository it shares with an earlier push,
    are not sent. Layers are compressed once (`compression`: gzip or zstd) and kept so. Whoever
    pulls meanwhile gets the old image or the new one, whole. `attachments` are put beside it as
    its referrers. Errors: `registry-...`,
    `extra-missing`, `unknown-compression`, `no-space`, `credentials-unreadable`.
    """
    put = _push_manifest(
        image, reference, store, emit, compression, tag=reference.tag, attachments=attachments
    )
    return replace(reference, digest=put.digest)


def push_index(
    images: Sequence[Image],
    reference: Reference,
    *,
    store: Store,
    emit: Emit = ignore,
    compression: str = "gzip",
    attachments: Mapping[str, Sequence[Attachment]] | None = None,
) -> Reference:
    """Bring images of several platforms into the registry as one; the index comes last.

    `attachments` are each image's, by its digest here. Source: OCI image-spec 1.1, image-index.md. Errors: as `push`.
    """
    manifests = []
    for image in images:
        own = (attachments or {}).get(image.digest, ())
        put = _push_manifest(image, reference, store, emit, compression, tag="", attachments=own)
        manifests.append(descriptor(put.digest, len(put.data), image.platform))
    repository = Repository.open(reference, write=True)
    put = repository.put_manifest(dumps(index_json(manifests)), INDEX_TYPE, tag=reference.tag)
    return replace(reference, digest=put.digest)


def _push_manifest(
    image: Image,
    reference: Reference,
    store: Store,
    emit: Emit,
    compression: str,
    *,
    tag: str,
    attachments: Sequence[Attachment],
) -> Document:
    """Bring one image's blobs and manifest into the registry; with `tag`, under that name."""
    layers.check_method(compression)
    cancel = threading.Event()
    with store.in_use():
        known = [layers.compressed(store, layer, compression) for layer in image.layers]
        sources = _sources(known, reference)
        repository = Repository.open(reference, write=True, also_read=sources, cancel=cancel)
        work = _Push(image, repository, store, compression, _one_at_a_time(emit))
        sent = work.bring(known)
        Upload(
            repository,
            image.config_digest,
            store.blob_path(image.config_digest),
            len(store.read_blob(image.config_digest)),
            lambda _: None,
        ).run()
        manifest = manifest_json(
            config_digest=image.config_digest,
            config_size_bytes=len(store.read_blob(image.config_digest)),
            layers=sent,
            annotations=image.annotations,
        )
        put = repository.put_manifest(dumps(manifest), MANIFEST_TYPE, tag=tag)
        for attachment in attachments:
            attach(repository, put, attachment)
        return put


def _sources(known: list[layers.CompressedLayer | None], target: Reference) -> list[str]:
    """Return the other repositories of the target's registry that have some of the layers."""
    found: dict[str, None] = {}
    for one in known:
        for place in one.repositories if one is not None else ():
            registry, _, name = place.partition("/")
            if registry == target.registry and name != target.repository:
                found[name] = None
    return list(found)[:_MAX_SOURCES]


@dataclass(slots=True)
class _Push:
    image: Image
    repository: Repository
    store: Store
    method: str
    emit: Emit

    def bring(self, known: list[layers.CompressedLayer | None]) -> list[Layer]:
        """Return the layers as the registry has them now, bottom first."""
        cancel = self.repository.client.cancel
        done: dict[int, Future[Layer]] = {}
        fresh = [number for number, one in enumerate(known) if one is None]
        # The largest first: the last one's sending is what nothing else can hide.
        fresh.sort(key=lambda number: -self.image.layers[number].size_bytes)
        # A thread for compressing too: Ctrl-C, which is the main thread's, would break into a compressor
        # that is being closed, and one that was not closed to its end waits for itself for ever.
        with (
            ThreadPoolExecutor(max_workers=_UPLOADS_AT_ONCE) as pool,
            ThreadPoolExecutor(max_workers=1) as compressing,
        ):
            try:
                for number, one in enumerate(known):
                    if one is not None:
                        done[number] = pool.submit(self._send, number, one)
                for number in fresh:
                    if any(future.done() and future.exception() for future in done.values()):
                        break
                    made = compressing.submit(self._compress, number).result()
                    done[number] = pool.submit(self._send, number, made)
                wait(done.values(), return_when=FIRST_EXCEPTION)
            except BaseException:
                cancel.set()
                raise
            finally:
                if any(not one.done() or one.exception() for one in done.values()):
                    cancel.set()
                pool.shutdown(cancel_futures=True)
        _raise_first(done.values())
        return [done[number].result() for number in range(len(known))]

    def _compress(self, number: int) -> layers.CompressedLayer:
        layer = self.image.layers[number]
        meter = _Meter(f"compressing {self._title(number)}", layer.size_bytes, self.emit)
        return layers.compress(
            self.store,
            layer,
            self.method,
            advance=meter.at,
            cancel=self.repository.client.cancel,
        )

    def _send(self, number: int, blob: layers.CompressedLayer) -> Layer:
        started = time.monotonic()
        layer, title = self.image.layers[number], self._title(number)
        meter = _Meter(f"sending {title}", blob.size_bytes, self.emit)
        upload = Upload(
            self.repository,
            blob.digest,
            self.store.blob_path(blob.digest),
            blob.size_bytes,
            meter.at,
        )
        sent = upload.run(mount_from=self._source(blob))
        meter.at(blob.size_bytes)
        layers.remember(self.store, layer.diff_id, blob, repository=self.repository.full_name)
        seconds = time.monotonic() - started
        self.emit(LayerDone(title, blob.digest, blob.size_bytes, reused=not sent, seconds=seconds))
        return replace(
            layer, digest=blob.digest, size_bytes=blob.size_bytes, media_type=blob.media_type
        )

    def _source(self, blob: layers.CompressedLayer) -> str:
        for place in reversed(blob.repositories):
            registry, _, name = place.partition("/")
            if registry == self.repository.registry and name != self.repository.name:
                return name
        return ""

    def _title(self, number: int) -> str:
        return self.image.layers[number].title or f"layer {number + 1}"


def _raise_first(futures: Iterable[Future[Layer]]) -> None:
    """Raise the first real failure, before those that only followed from it."""
    failures = [
        failure
        for future in futures
        if not future.cancelled() and (failure := future.exception()) is not None
    ]
    real = [failure for failure in failures if not isinstance(failure, Cancelled)]
    if failures:
        raise (real or failures)[0]


def _one_at_a_time(emit: Emit) -> Emit:
    lock = threading.Lock()

    def guarded(event: Event) -> None:
        with lock:
            emit(event)

    return guarded


class _Meter:
    """Emits `Progress` of one item, at most ten times a second."""

    def __init__(self, item: str, total: int, emit: Emit) -> None:
        self._item = item
        self._total = total
        self._emit = emit
        self._next = 0.0

    def at(self, done: int) -> None:
        now = time.monotonic()
        if now >= self._next or done == self._total:
            self._next = now + _PROGRESS_S
            self._emit(Progress(STEP, self._item, done, self._total))
