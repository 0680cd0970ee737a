"""The local content-addressed store of blobs, images and runs, shared by all surfaces.

Blobs are renamed into place when whole; an image is listed once its record is there and
every blob of it has the recorded size. So a kill at any moment, or a crash of the machine,
leaves at most garbage that `gc` and the next build sweep away.
"""

from __future__ import annotations

import contextlib
import json
import os
import re
from collections.abc import Iterator, Mapping, Sequence
from dataclasses import replace
from typing import Any, TypeVar

from ..errors import ContainerizeError
from ..model.codec import dumps, from_json, to_json
from ..model.image import Image, Layer
from ..model.plan import ImageConfig
from ..model.platform import Platform
from ..model.reference import Reference
from . import documents
from .blobs import Blob, BlobWriter, blob_writer, dead_temporaries
from .disk import read_or_none, write_atomically, writing
from .documents import hex_of
from .gc import Freed, collect, remove_path
from .image import config_json, manifest_json
from .locks import is_locked, locked
from .names import Names
from .store_version import prepare

_T = TypeVar("_T")
_SHORT_ID = re.compile(r"(?:sha256:)?([0-9a-f]{6,64})")
_FOLDERS = ("blobs/sha256", "names", "keys", "images", "locks", "tmp", "runs", "unpacked")


class Store:
    """One store folder. All methods are safe against other processes that use it."""

    def __init__(self, root: str) -> None:
        self.root = root
        self._blobs = os.path.join(root, "blobs", "sha256")
        self._names = Names(os.path.join(root, "names"))

    @classmethod
    def open(cls, path: str | None = None) -> Store:
        """Open the store at `path` (default: see `default_path`), made 0700 if absent.

        Errors: `store-too-new`, `not-a-store`, `store-read-only` (only if it must be made).
        """
        root = os.path.abspath(path or default_path())
        prepare(root, folders=_FOLDERS)
        return cls(root)

    @property
    def runs_folder(self) -> str:
        """Where each run has a folder of its own."""
        return os.path.join(self.root, "runs")

    @property
    def unpacked_folder(self) -> str:
        """Where unpacked layers lie, for the sandbox."""
        return os.path.join(self.root, "unpacked")

    @property
    def temporary_folder(self) -> str:
        """For half-made things; swept once their makers are gone."""
        return os.path.join(self.root, "tmp")

    # -- locks --------------------------------------------------------------------------

    def lock_path(self, name: str) -> str:
        """Return the lock file called `name`."""
        return os.path.join(self.root, "locks", name)

    @contextlib.contextmanager
    def lock(self, name: str, *, shared: bool = False, wait: bool = True) -> Iterator[bool]:
        """Hold the lock `name`; yield whether it is held (always, if `wait`)."""
        with contextlib.ExitStack() as stack:
            with writing(self.root):
                held = stack.enter_context(
                    locked(self.lock_path(name), shared=shared, wait=wait),
                )
            yield held

    @contextlib.contextmanager
    def in_use(self) -> Iterator[None]:
        """Keep `gc` away: held while building, unpacking or writing images out."""
        with self.lock("store", shared=True):
            yield

    @contextlib.contextmanager
    def using(self, image_digest: str) -> Iterator[None]:
        """Keep this image and its unpacked layers through `gc`: held by a run."""
        with self.lock(_image_lock(image_digest), shared=True):
            yield

    def sweep(self) -> int:
        """Remove half-made things of dead processes; return the freed bytes."""
        with self.lock("sweep"), writing(self.root):
            return sum(remove_path(path) for path in dead_temporaries(self.temporary_folder))

    # -- blobs --------------------------------------------------------------------------

    def blob_path(self, digest: str) -> str:
        """Return where the blob lies or would lie. Errors: `invalid-digest`."""
        return os.path.join(self._blobs, hex_of(digest))

    def has_blob(self, digest: str, *, size_bytes: int | None = None) -> bool:
        """Whether the whole blob is here; of that size, if given."""
        try:
            found = os.stat(self.blob_path(digest)).st_size
        except FileNotFoundError:
            return False
        return size_bytes is None or found == size_bytes

    @contextlib.contextmanager
    def writer(self) -> Iterator[BlobWriter]:
        """Open a writer for one new blob; without `commit()` nothing remains."""
        with blob_writer(
            blobs=self._blobs,
            temporary=self.temporary_folder,
            sweep_lock=self.lock_path("sweep"),
        ) as writer:
            yield writer

    def put_blob(self, data: bytes) -> Blob:
        """Store a small blob."""
        with self.writer() as writer:
            writer.write(data)
            return writer.commit()

    def read_blob(self, digest: str) -> bytes:
        """Return a small blob's bytes. Errors: `store-damaged` when it is missing."""
        data = read_or_none(self.blob_path(digest))
        if data is None:
            raise _damaged(f"The blob {digest} is missing.")
        return data

    # -- layers -------------------------------------------------------------------------

    def layer_for_key(self, key: str) -> Layer | None:
        """Return the layer that was built for a key, if its blob is still whole."""
        layer = _parsed(Layer, read_or_none(os.path.join(self.root, "keys", key)))
        if layer is None or not self.has_blob(layer.digest, size_bytes=layer.size_bytes):
            return None
        return replace(layer, reused=True)

    def remember_layer(self, key: str, layer: Layer) -> None:
        """Let `layer_for_key(key)` return `layer` from now on."""
        with writing(self.root):
            path = os.path.join(self.root, "keys", key)
            write_atomically(path, dumps(to_json(replace(layer, reused=False))))

    # -- images -------------------------------------------------------------------------

    def add_image(
        self,
        *,
        layers: Sequence[Layer],
        config: ImageConfig,
        platform: Platform,
        created: str,
        name: Reference | None = None,
        annotations: Mapping[str, str] | None = None,
    ) -> Image:
        """Write config and manifest for stored `layers`, list the image, and name it."""
        config_data = dumps(config_json(config, layers=layers, platform=platform, created=created))
        config_blob = self.put_blob(config_data)
        manifest = manifest_json(
            config_digest=config_blob.digest,
            config_size_bytes=config_blob.size_bytes,
            layers=layers,
            annotations=annotations or {},
        )
        image = Image(
            digest=self.put_blob(dumps(manifest)).digest,
            config_digest=config_blob.digest,
            platform=platform,
            config=config,
            layers=tuple(layers),
            created=created,
            annotations=dict(annotations or {}),
        )
        with writing(self.root):
            record = to_json(replace(image, layers=tuple(map(_plain, layers))))
            write_atomically(self._record_path(image.digest), dumps(record))
        if name is None:
            return image
        return replace(image, names=self.tag(image, name).names)  # layers still know `reused`

    def images(self) -> tuple[Image, ...]:
        """Return all whole images, named ones first, in order of name and digest."""
        names = self._names.by_digest()
        found = []
        for file_name in os.listdir(os.path.join(self.root, "images")):
            if file_name.endswith(".json"):
                digest = f"sha256:{file_name.removesuffix('.json')}"
                image = self._image(digest, names.get(digest, ()))
                if image is not None:
                    found.append(image)
        return tuple(sorted(found, key=lambda image: (not image.names, image.names, image.digest)))

    def resolve(self, text: str) -> Image:
        """Return the image with this name, digest, or beginning (6 or more) of a digest or ID.

        Errors: `image-not-found`, `ambiguous-image`, `invalid-reference`.
        """
        short = _SHORT_ID.fullmatch(text)
        if not text.startswith("sha256:"):
            reference = Reference.parse(text)
            digest = reference.digest or self._names.get(str(reference))
            image = self._image(digest) if digest else None
            if image is not None:
                return image
        return self._by_short_id(text, short[1] if short else None)

    def tag(self, image: Image, reference: Reference) -> Image:
        """Let `reference` name `image`; an image that had this name loses it."""
        self._names.set(str(replace(reference, digest=None)), image.digest)
        return self._image(image.digest) or image

    def remove(self, text: str) -> tuple[str, ...]:
        """Take away a name; by digest or ID, the image from the list with all its names.

        Returns the names taken away. Bytes stay until `gc`. Errors: as `resolve`.
        """
        image = self.resolve(text)
        if not text.startswith("sha256:"):
            name = str(Reference.parse(text))
            if name in image.names:
                self._names.delete(name)
                return (name,)
        for name in image.names:
            self._names.delete(name)
        with writing(self.root), contextlib.suppress(FileNotFoundError):
            os.unlink(self._record_path(image.digest))
        return image.names

    def is_used(self, image_digest: str) -> bool:
        """Whether a run holds this image (see `using`)."""
        return is_locked(self.lock_path(_image_lock(image_digest)))

    def gc(self) -> Freed:
        """Free what nothing refers to. Errors: `store-busy` while something is being built."""
        with self.lock("store", wait=False) as held:
            if not held:
                raise ContainerizeError(
                    "store-busy",
                    what="The store is in use, so nothing was removed.",
                    why="A build is writing images, or layers are being unpacked.",
                    fix="Run `jupyter containerize gc` again when it has finished.",
                )
            self.sweep()
            return collect(self)

    # -- documents ----------------------------------------------------------------------

    def put_document(self, folder: str, digest: str, data: Any) -> None:
        """Store JSON data in `snapshots`, `plans` or `verdicts`, by digest."""
        documents.put_document(self.root, folder, digest, data)

    def get_document(self, folder: str, digest: str) -> Any | None:
        """Return a document's JSON data, None if there is none."""
        return documents.get_document(self.root, folder, digest)

    # -- inside -------------------------------------------------------------------------

    def _record_path(self, digest: str) -> str:
        return os.path.join(self.root, "images", f"{hex_of(digest)}.json")

    def _image(self, digest: str, names: tuple[str, ...] | None = None) -> Image | None:
        """Return the listed image, None unless all its blobs are whole."""
        image = _parsed(Image, read_or_none(self._record_path(digest)))
        if image is None:
            return None
        whole = (
            self.has_blob(image.digest)
            and self.has_blob(image.config_digest)
            and all(self.has_blob(one.digest, size_bytes=one.size_bytes) for one in image.layers)
        )
        if not whole:
            return None
        if names is None:
            names = self._names.by_digest().get(digest, ())
        return replace(image, names=names)

    def _by_short_id(self, text: str, short: str | None) -> Image:
        found = [
            image
            for image in self.images()
            if short
            and (
                hex_of(image.digest).startswith(short)
                or hex_of(image.config_digest).startswith(short)
            )
        ]
        if len(found) == 1:
            return found[0]
        if found:
            raise ContainerizeError(
                "ambiguous-image",
                what=f"{text!r} is the beginning of {len(found)} images' digests.",
                fix="Give more digits: " + ", ".join(image.digest[:31] for image in found),
            )
        raise ContainerizeError(
            "image-not-found",
            what=f"There is no image {text!r} in the store.",
            why=f"The store is {self.root}.",
            fix="`jupyter containerize ls` lists the images; `build` makes one.",
        )


def default_path() -> str:
    """Return `$JUPYTER_CONTAINERIZE_STORE`, or the folder under `$XDG_DATA_HOME`."""
    chosen = os.environ.get("JUPYTER_CONTAINERIZE_STORE")
    if chosen:
        return chosen
    data = os.environ.get("XDG_DATA_HOME") or os.path.expanduser("~/.local/share")
    return os.path.join(data, "jupyter-containerize")


def _image_lock(digest: str) -> str:
    return f"image-{hex_of(digest)}"


def _parsed(kind: type[_T], data: bytes | None) -> _T | None:
    """Return the record, None if it is missing or damaged: then it is as good as missing."""
    with contextlib.suppress(ContainerizeError, ValueError):
        return None if data is None else from_json(kind, json.loads(data))
    return None


def _plain(layer: Layer) -> Layer:
    return replace(layer, reused=False)


def _damaged(why: str) -> ContainerizeError:
    return ContainerizeError(
        "store-damaged",
        what="The store is damaged.",
        why=why,
        fix="Build the image again; `jupyter containerize gc` removes what is broken.",
    )
