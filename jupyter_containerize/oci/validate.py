"""Validation: recompute every digest, size and diff ID, and list *every* mismatch.

Works alike on the store, a layout folder and an OCI archive; they differ in where blobs lie.
"""

from __future__ import annotations

import contextlib
import gzip
import hashlib
import json
import os
import tarfile
from collections.abc import Callable
from typing import IO, Any, Protocol

from ..errors import ContainerizeError
from ..model.image import Image
from .image import INDEX_TYPE, LAYER_TYPE
from .store import Store

_CHUNK_BYTES = 1 << 20
_GZIP_TYPES = (
    f"{LAYER_TYPE}+gzip",
    "application/vnd.docker.image.rootfs.diff.tar.gzip",
)


class Blobs(Protocol):
    """Where blobs are read from."""

    def open(self, path: str) -> IO[bytes] | None:
        """Open the file `path` of the layout, None if there is none."""
        ...


def validate(image: Image, *, store: Store) -> tuple[str, ...]:
    """Return every mismatch of a stored image, one sentence each; none if all is well.

    A blob that is not what its name says is of no use to anyone: it is removed, so that the
    next build writes it anew.
    """
    check = _Check(_Folder(store.root))
    check.manifest({"digest": image.digest})
    for digest in check.wrong:
        with contextlib.suppress(OSError):
            os.unlink(store.blob_path(digest))
    return tuple(check.mismatches)


def validate_layout(path: str) -> tuple[str, ...]:
    """Return every mismatch of the OCI layout folder or archive `path`.

    Errors: `not-a-layout` when it is neither.
    """
    with contextlib.ExitStack() as stack:
        blobs: Blobs = _Folder(path)
        if not os.path.isdir(path):
            blobs = _Archive(_open_tar(path, stack))
        check = _Check(blobs)
        check.layout()
        return tuple(check.mismatches)


class _Check:
    """Collects mismatches; `wrong` are the digests of blobs that have other contents."""

    def __init__(self, blobs: Blobs) -> None:
        self._blobs = blobs
        self.mismatches: list[str] = []
        self.wrong: list[str] = []

    def layout(self) -> None:
        version = self._json("oci-layout")
        if not isinstance(version, dict) or version.get("imageLayoutVersion") != "1.0.0":
            self.mismatches.append("oci-layout does not say version 1.0.0.")
        index = self._json("index.json")
        manifests = index.get("manifests") if isinstance(index, dict) else None
        if not isinstance(manifests, list) or len(manifests) != 1:
            self.mismatches.append("index.json does not list exactly one manifest.")
        for descriptor in manifests or ():
            self._listed(descriptor)

    def _listed(self, descriptor: dict[str, Any]) -> None:
        """Check a manifest, or each platform's in an index."""
        if descriptor.get("mediaType") != INDEX_TYPE:
            self.manifest(descriptor)
            return
        index = self._document(descriptor, "index") or {}
        for one in index.get("manifests", ()):
            self.manifest(one)

    def manifest(self, descriptor: dict[str, Any]) -> None:
        """Check the manifest and all that it refers to."""
        manifest = self._document(descriptor, "manifest")
        if manifest is None:
            return
        layers = manifest.get("layers", [])
        config = self._document(manifest.get("config", {}), "config") or {}
        diff_ids = config.get("rootfs", {}).get("diff_ids", [])
        filled = [one for one in config.get("history", []) if not one.get("empty_layer")]
        if len(diff_ids) != len(layers):
            self.mismatches.append(
                f"The config has {len(diff_ids)} diff IDs for {len(layers)} layers."
            )
        if config.get("history") and len(filled) != len(layers):
            self.mismatches.append(
                f"The config's history has {len(filled)} layers, the manifest {len(layers)}."
            )
        for number, layer in enumerate(layers):
            self._layer(layer, number, diff_ids[number] if number < len(diff_ids) else None)

    def _layer(self, descriptor: dict[str, Any], number: int, diff_id: str | None) -> None:
        what = f"layer {number + 1}"
        found = self._digest(descriptor, what)
        if found is None or diff_id is None:
            return
        media_type = descriptor.get("mediaType", "")
        if media_type in _GZIP_TYPES:
            found = self._unzipped(descriptor, what)
        elif media_type.endswith("zstd"):
            self.mismatches.append(f"The diff ID of {what} cannot be checked: zstd.")
            return
        if found is not None and found != diff_id:
            self.mismatches.append(f"The diff ID of {what} is {found}, the config says {diff_id}.")

    def _unzipped(self, descriptor: dict[str, Any], what: str) -> str | None:
        file = self._blobs.open(_blob_path(descriptor["digest"]))
        if file is None:
            return None
        try:
            with file, gzip.open(file) as unzipped:
                return _sha256(unzipped.read)[0]
        except (OSError, EOFError) as error:
            self.mismatches.append(f"The {what} cannot be unzipped: {error}.")
            return None

    def _document(self, descriptor: dict[str, Any], what: str) -> dict[str, Any] | None:
        if self._digest(descriptor, what) is None:
            return None
        data = self._json(_blob_path(descriptor["digest"]))
        if not isinstance(data, dict):
            self.mismatches.append(f"The {what} is not a JSON object.")
            return None
        return data

    def _digest(self, descriptor: dict[str, Any], what: str) -> str | None:
        """Return the blob's true digest, None if there is no such blob; note what differs."""
        digest = descriptor.get("digest", "")
        file = self._blobs.open(_blob_path(digest))
        if file is None:
            self.mismatches.append(f"The {what} {digest} is missing.")
            return None
        with file:
            found, size_bytes = _sha256(file.read)
        if found != digest:
            self.mismatches.append(f"The {what} {digest} has the digest {found}.")
            self.wrong.append(digest)
        if size_bytes != descriptor.get("size", size_bytes):
            self.mismatches.append(
                f"The {what} {digest} has {size_bytes} bytes instead of {descriptor['size']}."
            )
        return found

    def _json(self, path: str) -> Any:
        file = self._blobs.open(path)
        if file is None:
            return None
        with file, contextlib.suppress(ValueError):
            return json.loads(file.read())
        return None


class _Folder:
    def __init__(self, root: str) -> None:
        self._root = root

    def open(self, path: str) -> IO[bytes] | None:
        try:
            return open(os.path.join(self._root, path), "rb")
        except OSError:
            return None


class _Archive:
    def __init__(self, archive: tarfile.TarFile) -> None:
        self._archive = archive

    def open(self, path: str) -> IO[bytes] | None:
        try:
            return self._archive.extractfile(path)
        except (KeyError, tarfile.TarError):
            return None


def _open_tar(path: str, stack: contextlib.ExitStack) -> tarfile.TarFile:
    try:
        return stack.enter_context(tarfile.open(path, "r:"))
    except (OSError, tarfile.TarError) as error:
        raise ContainerizeError(
            "not-a-layout",
            what=f"{path} is neither an OCI layout folder nor an OCI archive.",
            why=error.strerror or str(error) if isinstance(error, OSError) else str(error),
            fix="Name a folder or a file that `build --output oci:…` or `oci-archive:…` wrote.",
        ) from error


def _blob_path(digest: str) -> str:
    algorithm, _, hexdigest = digest.partition(":")
    # The digest comes from a file that is being checked: no path may be made of it.
    name = hexdigest if hexdigest.isalnum() and algorithm.isalnum() else "invalid"
    return f"blobs/{algorithm if algorithm.isalnum() else 'invalid'}/{name}"


def _sha256(read: Callable[[int], bytes]) -> tuple[str, int]:
    found = hashlib.sha256()
    size_bytes = 0
    while chunk := read(_CHUNK_BYTES):
        found.update(chunk)
        size_bytes += len(chunk)
    return f"sha256:{found.hexdigest()}", size_bytes
