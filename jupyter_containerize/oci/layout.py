"""An image as an OCI layout folder, or one of several platforms.

Source: OCI image-spec 1.1, image-layout.md.
"""

from __future__ import annotations

import contextlib
import hashlib
import json
import os
from collections.abc import Mapping
from dataclasses import dataclass, field
from typing import Any

from ..errors import ContainerizeError
from ..model.codec import dumps
from ..model.image import Image
from ..model.reference import Reference
from .disk import copy_bytes, read_or_none, require_space, write_atomically, writing
from .documents import hex_of
from .image import INDEX_TYPE, REF_NAME, descriptor, index_json
from .store import Store

LAYOUT = {"imageLayoutVersion": "1.0.0"}
#: Marks an index as ours, so that it may be replaced.
_OURS = "io.jupyter-containerize.layout"
_CONTAINERD_NAME = "io.containerd.image.name"


@dataclass(frozen=True, slots=True)
class Contents:
    """What a layout holds: `index` is its index.json, `blobs` lie in the store, `documents` do not."""

    index: Mapping[str, Any]
    blobs: tuple[str, ...]
    documents: Mapping[str, bytes] = field(default_factory=dict)


def contents(*images: Image, store: Store) -> Contents:
    """Return the layout of one image, or of one for several platforms: an index below index.json.

    Either way index.json lists one thing, for a second one makes skopeo fail.
    """
    blobs = tuple(dict.fromkeys(digest for image in images for digest in blobs_of(image)))
    found = [
        descriptor(image.digest, os.stat(store.blob_path(image.digest)).st_size, image.platform)
        for image in images
    ]
    documents = {}
    if len(images) > 1:
        data = dumps(index_json(found))
        digest = f"sha256:{hashlib.sha256(data).hexdigest()}"
        documents[digest] = data
        found = [{"mediaType": INDEX_TYPE, "digest": digest, "size": len(data)}]
    if images[0].names:
        found[0]["annotations"] = _names(Reference.parse(images[0].names[0]))
    return Contents(_index(found), blobs, documents)


def write(*images: Image, store: Store, path: str) -> None:
    """Write the image (one a platform), and nothing else, as the layout folder `path`.

    A layout that we wrote is replaced, at once for readers: by its new index. Blobs that
    both have are not written again. Errors: `output-exists` (a folder with something else
    in it), `no-space`, `store-read-only`.
    """
    check(path)
    folder = os.path.join(path, "blobs", "sha256")
    with store.in_use(), writing(path):
        os.makedirs(folder, exist_ok=True)
        made = contents(*images, store=store)
        missing = [digest for digest in made.blobs if not _has(store, folder, digest)]
        require_space(path, sum(os.stat(store.blob_path(digest)).st_size for digest in missing))
        # Before anything else, so that a layout whose writing was cut off counts as ours.
        if read_or_none(os.path.join(path, "index.json")) is None:
            write_atomically(os.path.join(path, "index.json"), dumps(_index([])))
        for digest in missing:
            _copy(store.blob_path(digest), os.path.join(folder, hex_of(digest)))
        for digest, data in made.documents.items():
            write_atomically(os.path.join(folder, hex_of(digest)), data)
        write_atomically(os.path.join(path, "oci-layout"), dumps(LAYOUT))
        write_atomically(os.path.join(path, "index.json"), dumps(made.index))
        _keep_only(folder, {hex_of(digest) for digest in (*made.blobs, *made.documents)})


def blobs_of(image: Image) -> tuple[str, ...]:
    """Return the digests of all blobs of the image, each once."""
    layers = (layer.digest for layer in image.layers)
    return tuple(dict.fromkeys([image.digest, image.config_digest, *layers]))


def _names(name: Reference) -> dict[str, str]:
    return {REF_NAME: name.tag, _CONTAINERD_NAME: _in_full(name)}


def _in_full(name: Reference) -> str:
    """Return a name as containerd has it: short ones are Docker Hub's. Source: distribution/reference."""
    if name.registry:
        return str(name)
    library = "" if "/" in name.repository else "library/"
    return f"docker.io/{library}{name}"


def _index(manifests: list[dict[str, Any]]) -> dict[str, Any]:
    return index_json(manifests, annotations={_OURS: "1"})


def check(path: str) -> None:
    """Refuse a folder that `write` would refuse, before any work. Errors: `output-exists`."""
    why = ""
    try:
        if os.listdir(path) and not _is_ours(path):
            why = "The folder has something else in it."
    except FileNotFoundError:
        return
    except NotADirectoryError:
        why = "It is a file."
    except PermissionError as error:
        why = str(error.strerror)
    if why:
        raise ContainerizeError(
            "output-exists",
            what=f"The image cannot be written to {path}.",
            why=why,
            fix="Name a new or empty folder, or one that holds an image we wrote before.",
        )


def _is_ours(path: str) -> bool:
    try:
        index = json.loads(read_or_none(os.path.join(path, "index.json")) or b"{}")
        return bool(index.get("annotations", {}).get(_OURS))
    except (ValueError, AttributeError, OSError):
        return False


def _has(store: Store, folder: str, digest: str) -> bool:
    with contextlib.suppress(FileNotFoundError):
        size_bytes = os.stat(os.path.join(folder, hex_of(digest))).st_size
        return size_bytes == os.stat(store.blob_path(digest)).st_size
    return False


def _copy(source_path: str, target_path: str) -> None:
    """Copy a blob; its name appears when it is whole. Not linked: a layout may be altered."""
    temporary = f"{target_path}.tmp"
    source = os.open(source_path, os.O_RDONLY | os.O_CLOEXEC)
    try:
        with open(temporary, "wb") as target:
            copy_bytes(source, target.fileno(), 0, os.fstat(source).st_size)
        os.replace(temporary, target_path)
    except BaseException:
        with contextlib.suppress(OSError):
            os.unlink(temporary)
        raise
    finally:
        os.close(source)


def _keep_only(folder: str, names: set[str]) -> None:
    for name in os.listdir(folder):
        if name not in names:
            os.unlink(os.path.join(folder, name))
