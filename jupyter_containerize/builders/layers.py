"""Layers of a plan into the store: the unchanged by key, the others in parallel."""

from __future__ import annotations

import bisect
import hashlib
import threading
import time
from collections.abc import Callable, Mapping, Sequence
from concurrent.futures import FIRST_EXCEPTION, ThreadPoolExecutor, wait
from dataclasses import dataclass, replace

from ..model.codec import dumps, to_json
from ..model.event import Emit, Event, LayerDone, Progress
from ..model.image import Layer
from ..model.plan import BytecodeContent, Entry, ImagePlan, LayerPlan
from ..oci.bytecode import bytecode_for
from ..oci.disk import require_space
from ..oci.layer import LAYER_FORMAT, LayerPacker, explicit_folders
from ..oci.pipeline import Cancelled, pipeline
from ..oci.store import Store

STEP = "build"
_PROGRESS_S = 0.1
_LAYERS_AT_ONCE = 2
#: For each layer; beyond two, memory grows and the disk does not get faster.
_BYTECODE_PROCESSES = 2
_ENTRY_BYTES = 1024  # header and padding of one entry, to be on the safe side


@dataclass(frozen=True, slots=True)
class LayerBuilder:
    """Builds the layers of one plan."""

    plan: ImagePlan
    store: Store
    emit: Emit
    cancel: threading.Event
    folders: Mapping[str, Entry]

    @classmethod
    def of(cls, plan: ImagePlan, *, store: Store, emit: Emit) -> LayerBuilder:
        """Return the builder of all of the plan's layers."""
        folders = explicit_folders(plan.layers)
        return cls(plan, store, _one_at_a_time(emit), threading.Event(), folders)

    def build(self) -> tuple[Layer, ...]:
        """Return the stored layers, bottom first; only those without a known key are read."""
        keys = [self._key(layer) for layer in self.plan.layers]
        layers = [self.store.layer_for_key(key) for key in keys]
        missing = [number for number, layer in enumerate(layers) if layer is None]
        for number, layer in enumerate(layers):
            if layer is not None:
                layers[number] = self._reuse(self.plan.layers[number], layer)
        need = sum(_estimate(self.plan.layers[number]) for number in missing)
        require_space(self.store.root, need)
        # The largest first: the small ones then fill the other core's time.
        missing.sort(key=lambda number: -self.plan.layers[number].size_bytes)
        for number in missing:  # so that a surface knows from the start how much there is
            layer_plan = self.plan.layers[number]
            self.emit(Progress(STEP, layer_plan.title, 0, layer_plan.size_bytes))
        built = _in_parallel(
            [self._job(self.plan.layers[number], keys[number]) for number in missing], self.cancel
        )
        for number, layer in zip(missing, built, strict=True):
            layers[number] = layer
        return tuple(layer for layer in layers if layer is not None)

    def known(self) -> tuple[Layer | None, ...]:
        """Return for each layer of the plan, bottom first, what the store has already."""
        return tuple(self.store.layer_for_key(self._key(layer)) for layer in self.plan.layers)

    def _key(self, layer: LayerPlan) -> str:
        """Return the layer's key with all else that its bytes depend on."""
        below = [
            [target, to_json(entry)]
            for target, entry in sorted(self.folders.items())
            if _has_entry_below(layer, target + "/")
        ]
        parts = [LAYER_FORMAT, layer.key(), self.plan.pyc_magic, self._uid, below]
        return hashlib.sha256(dumps(parts)).hexdigest()

    @property
    def _uid(self) -> int:
        uid = self.plan.config.user.partition(":")[0]
        return int(uid) if uid.isdigit() else 0

    def _reuse(self, plan: LayerPlan, layer: Layer) -> Layer:
        layer = replace(layer, kind=plan.kind.value, title=plan.title)
        self.emit(LayerDone(plan.title, layer.digest, layer.size_bytes, reused=True))
        return layer

    def _job(self, plan: LayerPlan, key: str) -> Callable[[], Layer]:
        return lambda: self._pack(plan, key)

    def _pack(self, plan: LayerPlan, key: str) -> Layer:
        started = time.monotonic()
        contents = [
            entry.content for entry in plan.entries if isinstance(entry.content, BytecodeContent)
        ]
        progress = _Meter(plan.title, plan.size_bytes, self.emit)
        with self.store.writer() as writer:

            def consume(data: memoryview) -> None:
                writer.write(data)
                progress.advance(len(data))

            with (
                bytecode_for(
                    contents, interpreter=self.plan.interpreter, processes=_BYTECODE_PROCESSES
                ) as bytecode,
                pipeline(consume, cancel=self.cancel) as outlet,
            ):
                packer = LayerPacker(outlet, self._uid, self.folders, bytecode)
                packer.pack(plan.entries)
            blob = writer.commit()
        layer = Layer(
            digest=blob.digest,
            diff_id=blob.digest,
            size_bytes=blob.size_bytes,
            kind=plan.kind.value,
            title=plan.title,
            key=key,
        )
        self.store.remember_layer(key, layer)
        progress.finish()
        seconds = time.monotonic() - started
        self.emit(
            LayerDone(plan.title, blob.digest, blob.size_bytes, reused=False, seconds=seconds)
        )
        return layer


def _one_at_a_time(emit: Emit) -> Emit:
    """Return `emit` for several threads."""
    lock = threading.Lock()

    def guarded(event: Event) -> None:
        with lock:
            emit(event)

    return guarded


class _Meter:
    """Emits `Progress` for one layer, at most ten times a second."""

    def __init__(self, title: str, total: int, emit: Emit) -> None:
        self._title = title
        self._total = total
        self._emit = emit
        self._done = 0
        self._next = 0.0

    def advance(self, count: int) -> None:
        self._done = min(self._done + count, self._total)
        now = time.monotonic()
        if now >= self._next:
            self._next = now + _PROGRESS_S
            self._emit(Progress(STEP, self._title, self._done, self._total))

    def finish(self) -> None:
        self._emit(Progress(STEP, self._title, self._total, self._total))


def _has_entry_below(layer: LayerPlan, prefix: str) -> bool:
    """Whether an entry's target begins so; entries are sorted by target."""
    at = bisect.bisect_left(layer.entries, prefix, key=lambda entry: entry.target)
    return at < len(layer.entries) and layer.entries[at].target.startswith(prefix)


def _estimate(layer: LayerPlan) -> int:
    return layer.size_bytes + _ENTRY_BYTES * len(layer.entries)


def _parents(layer: LayerPlan) -> set[str]:
    """Return every folder that the layer's entries lie below."""
    found: set[str] = set()
    for entry in layer.entries:
        parent = entry.target.rpartition("/")[0]
        while parent and parent not in found:
            found.add(parent)
            parent = parent.rpartition("/")[0]
    return found


def _in_parallel(jobs: Sequence[Callable[[], Layer]], cancel: threading.Event) -> list[Layer]:
    """Run all jobs, two at a time; after the first failure or an interrupt stop the others."""
    with ThreadPoolExecutor(max_workers=_LAYERS_AT_ONCE) as pool:
        try:
            # In here too: the first job runs already while the others are handed in.
            futures = [pool.submit(job) for job in jobs]
            done, _ = wait(futures, return_when=FIRST_EXCEPTION)
            failures = [failure for future in done if (failure := future.exception()) is not None]
        except BaseException:
            cancel.set()
            pool.shutdown(cancel_futures=True)
            raise
        if failures:
            cancel.set()
            pool.shutdown(cancel_futures=True)
            real = [failure for failure in failures if not isinstance(failure, Cancelled)]
            raise (real or failures)[0]
        return [future.result() for future in futures]
