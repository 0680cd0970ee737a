"""The local content-addressed store of blobs, images and runs, shared by all surfaces.

Blobs are renamed into place when whole; an image is listed once its record is there and
every blob of it has the recorded size. So a kill at any moment, or a crash of the machine,
leaves at most garbage that `gc` and the next build sweep away.
"""

from __future__ import annotations

import contextlib
import os
from collections.abc import Iterator, Mapping, Sequence
from dataclasses import replace
from typing import Any

from ..errors import ContainerizeError
from ..model.codec import dumps, to_json
from ..model.image import Image, Layer
from ..model.plan import ImageConfig
from ..model.platform import Platform
from ..model.reference import Reference
from . import documents
from .blobs import Blob, BlobWriter, blob_writer, dead_temporaries
from .disk import read_or_none, write_atomically, writing
from .documents import hex_of
from .gc import Freed, collect, remove_path, used_by_run
from .image import config_json, manifest_json
from .images import Records, by_short_id, parsed
from .locks import is_locked, locked
from .names import Names
from .store_version import prepare

_FOLDERS = ("blobs/sha256", "names", "keys", "images", "locks", "tmp", "runs", "unpacked")


class Store:
    """One store folder. All methods are safe against other processes that use it."""

    def __init__(self, root: str) -> None:
        self.root = root
        self._blobs = os.path.join(root, "blobs", "sha256")
        self._records = Records(os.path.join(root, "images"))
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
        layer = parsed(Layer, read_or_none(os.path.join(self.root, "keys", key)))
        if layer is None or not self.has_blob(layer.digest, size_bytes=layer.size_bytes):
            return None
        return replace(layer, reused=True)

    def remember_layer(self, key: str, layer: Layer) -> None:
        """Let `layer_for_key(key)` return `layer` from now on."""
        with writing(self.root):
            path = os.path.join(self.root, "keys", key)
            record = dumps(to_json(replace(layer, reused=False)))
            write_atomically(path, record, durable=False)

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
        self._records.put(image)
        if name is None:
            return image
        return replace(image, names=self.tag(image, name).names)  # layers still know `reused`

    def images(self) -> tuple[Image, ...]:
        """Return all whole images, named ones first, in order of name and digest."""
        names = self._names.by_digest()
        found = [self._image(digest, names.get(digest, ())) for digest in self.image_digests()]
        whole = [image for image in found if image is not None]
        return tuple(sorted(whole, key=lambda image: (not image.names, image.names, image.digest)))

    def image_digests(self) -> list[str]:
        """Return the digests of all images with a record, whole or not."""
        return self._records.digests()

    def forget_image(self, digest: str) -> None:
        """Take the image from the list; its names and bytes stay until `gc`."""
        self._records.delete(digest)

    def resolve(self, text: str) -> Image:
        """Return the image with this name, digest, or beginning (6 or more) of a digest or ID.

        Errors: `image-not-found`, `image-damaged`, `ambiguous-image`, `invalid-reference`.
        """
        image = None
        if not text.startswith("sha256:"):
            reference = Reference.parse(text)
            digest = reference.digest or self._names.get(str(reference))
            image = self._image(digest) if digest else None
            if digest and image is None and digest in self.image_digests():
                raise _not_whole(text)
        image = image or by_short_id(text, self.images())
        if image is None:
            raise ContainerizeError(
                "image-not-found",
                what=f"There is no image {text!r} in the store.",
                why=f"The store is {self.root}.",
                fix="`jupyter containerize ls` lists the images; `build` makes one.",
            )
        return image

    def tag(self, image: Image, reference: Reference) -> Image:
        """Let `reference` name `image`; an image that had this name loses it."""
        self._names.set(str(replace(reference, digest=None)), image.digest)
        return self._image(image.digest) or image

    def remove(self, text: str) -> tuple[str, ...]:
        """Take away a name; by digest or ID, the image from the list with all its names.

        Returns the names taken away. Bytes stay until `gc`. Errors: as `resolve`, and
        `image-in-use` when an image that a run uses would go from the list.
        """
        image = self.resolve(text)
        if not text.startswith("sha256:"):
            name = str(Reference.parse(text))
            if name in image.names:
                self._names.delete(name)
                return (name,)
        if self.is_used(image.digest):
            raise ContainerizeError(
                "image-in-use",
                what=f"A run is using the image {image.digest[:19]}.",
                fix="Stop it first: `jupyter containerize runs` lists the runs.",
            )
        for name in image.names:
            self._names.delete(name)
        self.forget_image(image.digest)
        return image.names

    def check_names(self) -> None:
        """See that every name can be read. Errors: `store-damaged`."""
        self._names.check()

    def is_used(self, image_digest: str) -> bool:
        """Whether a living run uses this image (by `using`, or by the lock of its folder)."""
        return is_locked(self.lock_path(_image_lock(image_digest))) or any(
            used_by_run(os.path.join(self.runs_folder, run)) == image_digest
            for run in os.listdir(self.runs_folder)
        )

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

    def _image(self, digest: str, names: tuple[str, ...] | None = None) -> Image | None:
        """Return the listed image, None unless all its blobs are whole."""
        image = self._records.get(digest)
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


def default_path() -> str:
    """Return `$JUPYTER_CONTAINERIZE_STORE`, or the folder under `$XDG_DATA_HOME`."""
    chosen = os.environ.get("JUPYTER_CONTAINERIZE_STORE")
    if chosen:
        return chosen
    data = os.environ.get("XDG_DATA_HOME") or os.path.expanduser("~/.local/share")
    return os.path.join(data, "jupyter-containerize")


def _image_lock(digest: str) -> str:
    return f"image-{hex_of(digest)}"


def _not_whole(text: str) -> ContainerizeError:
    return ContainerizeError(
        "image-damaged",
        what=f"The image {text!r} is not whole.",
        why="Parts of it are missing from the store, or were cut short.",
        fix="Build it again; only what is missing is written anew.",
    )


def _damaged(why: str) -> ContainerizeError:
    return ContainerizeError(
        "store-damaged",
        what="The store is damaged.",
        why=why,
        fix="Build the image again; `jupyter containerize gc` removes what is broken.",
    )
