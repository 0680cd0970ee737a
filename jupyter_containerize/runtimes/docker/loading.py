"""An image of the store into a Docker engine: only the layers that the engine lacks.

What an engine takes was measured. Docker with its classic store: a Docker archive, without
the files of layers whose chain from the bottom it has. Docker with the containerd image store:
an OCI archive, without the blobs it has. podman, and whatever refuses such an archive: all.
"""

from __future__ import annotations

import json
from collections.abc import Callable, Iterable, Iterator
from dataclasses import dataclass
from typing import Any

from ...engine.client import Engine
from ...errors import ContainerizeError
from ...model.event import Emit, Progress, ignore
from ...model.image import Image
from ...model.reference import Reference
from ...oci.archive import stream_docker, stream_oci
from ...oci.store import Store

#: Which of the engine's complaints more bytes cannot mend.
_FINAL = ("engine-no-space", "no-engine", "engine-lost", "engine-permission")
_PROGRESS_BYTES = 16 << 20
#: Less than this is sent sooner than one more of the engine's images is looked at.
_LITTLE_BYTES = 1 << 20


@dataclass(frozen=True, slots=True)
class Loaded:
    """The image's ID in the engine, and how many layers and bytes had to be sent."""

    id: str
    sent_layers: int
    sent_bytes: int


@dataclass(frozen=True, slots=True)
class Loading:
    """One image on its way into one engine; `step` is the step that progress belongs to."""

    image: Image
    engine: Engine
    store: Store
    emit: Emit = ignore
    step: str = "load"

    def run(self) -> Loaded:
        """Put the image into the engine under its names, sending only what is missing.

        Errors: `engine-no-space`, `engine-lost`, `engine-refused`, `platform-mismatch`.
        """
        self._check_platform()
        built = self._built_there()
        loaded = Loaded(built or self.id, 0, 0)
        if not built and self.engine.image(self.id) is None:
            loaded = self._send()
        # What is there already, perhaps under other names, only needs ours.
        for name in self.image.names:
            reference = Reference.parse(name)
            self.engine.tag(loaded.id, reference.name, reference.tag)
        return loaded

    def _built_there(self) -> str:
        """Return the ID of what the engine has built itself and we took from it, "" for none.

        It may have what OCI configs cannot hold (`HEALTHCHECK`), and so another ID than ours.
        """
        diff_ids = [layer.diff_id for layer in self.image.layers]
        ours = json.loads(self.store.read_blob(self.image.config_digest))["config"]
        for name in self.image.names:
            found = self.engine.image(name) or {}
            theirs = found.get("Config") or {}
            same = all(_plain(theirs.get(key)) == _plain(value) for key, value in ours.items())
            if same and (found.get("RootFS") or {}).get("Layers") == diff_ids:
                return str(found["Id"])
        return ""

    @property
    def id(self) -> str:
        """What the engine calls the image: its manifest's digest, or of old its config's."""
        by_manifest = self.engine.facts.containerd_store
        return self.image.digest if by_manifest else self.image.config_digest

    def _send(self) -> Loaded:
        known = self.known_layers()
        with self.store.in_use():
            try:
                return self._attempt(known)
            except ContainerizeError as error:
                if not known or error.code in _FINAL:
                    raise
                return self._attempt(frozenset())

    def _attempt(self, absent: frozenset[str]) -> Loaded:
        """Send the archive without the layers whose diff IDs are `absent`."""
        stream: Callable[..., Iterator[bytes]]
        stream = stream_oci if self.engine.facts.containerd_store else stream_docker
        sent = [layer for layer in self.image.layers if layer.diff_id not in absent]
        total = sum(layer.size_bytes for layer in sent)
        chunks = stream(self.image, store=self.store, absent=absent)
        counted = _Counted(chunks, total, self.emit, self.step)
        self.engine.load(counted)
        if self.engine.image(self.id) is None:
            raise ContainerizeError(
                "engine-refused",
                what="The Docker engine took the image, but does not have it.",
                why=f"It knows no image {self.id}.",
                fix="Try again; if that does not help, write the image to a file and load it by hand: "
                "--output docker-archive:FILE, docker load -i FILE.",
            )
        return Loaded(self.id, len(sent), counted.sent_bytes)

    def known_layers(self) -> frozenset[str]:
        """Return the diff IDs of the layers that need not be sent, as far as one can tell."""
        if self.engine.facts.kind != "docker":
            return frozenset()
        ours = tuple(layer.diff_id for layer in self.image.layers)
        if self.engine.facts.containerd_store:
            there = {diff_id for layers in self.engine.image_layers() for diff_id in layers}
            return frozenset(there.intersection(ours))
        shared = 0
        for layers in self.engine.image_layers(first=self.image.names):
            shared = max(shared, _common(ours, layers))
            if sum(layer.size_bytes for layer in self.image.layers[shared:]) < _LITTLE_BYTES:
                break
        return frozenset(ours[:shared])

    def _check_platform(self) -> None:
        theirs = self.engine.facts.platform
        # Another architecture may run where the kernel has an emulator: that is theirs to tell.
        if self.image.platform.os != theirs.os:
            raise ContainerizeError(
                "platform-mismatch",
                what=f"The image is for {self.image.platform}, the Docker engine runs {theirs}.",
                fix="Use an engine for that system, or build for the engine's platform.",
            )


def _plain(setting: Any) -> Any:
    """Return a setting of a config without the order that an `Env` has by chance."""
    return sorted(setting) if isinstance(setting, list) and "=" in "".join(setting) else setting


def _common(ours: tuple[str, ...], theirs: tuple[str, ...]) -> int:
    """Return how many layers from the bottom are the same: an engine knows chains, not layers."""
    pairs = enumerate(zip(ours, theirs, strict=False))
    return next((n for n, (a, b) in pairs if a != b), min(len(ours), len(theirs)))


class _Counted:
    """The archive's bytes, counted, with progress."""

    def __init__(self, chunks: Iterable[bytes], total: int, emit: Emit, step: str) -> None:
        self._chunks = chunks
        self._total = total
        self._emit = emit
        self._step = step
        self.sent_bytes = 0

    def __iter__(self) -> Iterator[bytes]:
        told = 0
        for chunk in self._chunks:
            yield chunk
            self.sent_bytes += len(chunk)
            if self.sent_bytes - told >= _PROGRESS_BYTES:
                told = self.sent_bytes
                self._tell(min(told, self._total))
        self._tell(self._total)

    def _tell(self, done: int) -> None:
        self._emit(Progress(self._step, "sending layers", done, self._total))
