"""Garbage collection: free what no image, name or run refers to."""

from __future__ import annotations

import contextlib
import json
import os
import shutil
import stat
import time
from collections.abc import Iterator
from dataclasses import dataclass
from typing import TYPE_CHECKING, Any

from ..model.image import Image
from ..model.plan import LABEL_SNAPSHOT
from . import compression
from .disk import read_or_none, writing
from .documents import DOCUMENT_FOLDERS, hex_of
from .locks import is_locked, locked

if TYPE_CHECKING:
    from .store import Store

#: Documents may be written before the image they belong to; younger ones stay.
YOUNG_S = 3600.0


@dataclass(frozen=True, slots=True)
class Freed:
    """What `gc` removed: `size_bytes` of disk in `images`, `blobs` and `folders`."""

    size_bytes: int
    images: int
    blobs: int
    folders: int


def collect(store: Store) -> Freed:
    """Remove what nothing refers to; the caller keeps builds away meanwhile."""
    store.check_names()  # an image must not go because its name cannot be read
    with writing(store.root):
        kept = [image for image in store.images() if image.names or store.is_used(image.digest)]
        removed = set(store.image_digests()) - {image.digest for image in kept}
        for image_digest in removed:
            store.forget_image(image_digest)
        live = {hex_of(digest) for image in kept for digest in _blobs_of(image)}
        live |= {
            hex_of(digest)
            for image in kept
            for layer in image.layers
            for digest in compression.keep_alive(store, layer.diff_id)
        }
        blobs = [entry for entry in _entries(store, "blobs/sha256") if entry.name not in live]
        freed = sum(remove_path(entry.path) for entry in blobs)
        folders = [entry for entry in _entries(store, "unpacked") if not _is_live(entry, live)]
        freed += sum(remove_path(entry.path) for entry in folders)
        freed += _forget_keys(store) + _forget_documents(store, kept)
        _forget_locks(store)
    count = sum(not entry.name.endswith(".json") for entry in folders)
    return Freed(freed, len(removed), len(blobs), count)


def used_by_run(folder: str) -> str | None:
    """Return the image of the run in `folder` if its supervisor lives: it holds the lock."""
    if is_locked(os.path.join(folder, "lock")):
        with contextlib.suppress(ValueError, KeyError, TypeError):
            data = read_or_none(os.path.join(folder, "run.json"))
            return str(json.loads(data or b"")["spec"]["image"])
    return None


def _blobs_of(image: Image) -> Iterator[str]:
    yield image.digest
    yield image.config_digest
    for layer in image.layers:
        yield layer.digest


def _is_live(unpacked: os.DirEntry[str], live: set[str]) -> bool:
    """Whether all layers that lie unpacked in this folder belong to kept images."""
    layers = _field(unpacked.path.removesuffix(".json") + ".json", "layers") or []
    return bool(layers) and {str(digest).removeprefix("sha256:") for digest in layers} <= live


def _forget_keys(store: Store) -> int:
    freed = 0
    records = [*_entries(store, "keys"), *_entries(store, compression.FOLDER)]
    for entry in records:
        digest = str(_field(entry.path, "digest")).removeprefix("sha256:")
        if not os.path.exists(os.path.join(store.root, "blobs", "sha256", digest)):
            freed += remove_path(entry.path)
    return freed


def _field(path: str, name: str) -> Any:
    """Return one field of a small JSON file, None if file or field is missing or damaged."""
    with contextlib.suppress(ValueError, KeyError, TypeError):
        return json.loads(read_or_none(path) or b"{}")[name]
    return None


def _forget_documents(store: Store, kept: list[Image]) -> int:
    live = {hex_of(image.digest) for image in kept}
    live |= {image.config.labels.get(LABEL_SNAPSHOT, "").partition(":")[2] for image in kept}
    oldest = time.time() - YOUNG_S
    return sum(
        remove_path(entry.path)
        for folder in DOCUMENT_FOLDERS
        for entry in _entries(store, folder)
        if entry.name.removesuffix(".json") not in live and entry.stat().st_mtime < oldest
    )


def _forget_locks(store: Store) -> None:
    for entry in _entries(store, "locks"):
        if entry.name not in ("store", "sweep"):
            with locked(entry.path, wait=False) as held:
                if held:
                    os.unlink(entry.path)


def _entries(store: Store, folder: str) -> list[os.DirEntry[str]]:
    try:
        with os.scandir(os.path.join(store.root, folder)) as entries:
            return sorted(entries, key=lambda entry: entry.name)
    except FileNotFoundError:
        return []


def remove_path(path: str) -> int:
    """Remove a file or a whole folder, whatever its modes; return the bytes it took."""
    try:
        status = os.lstat(path)
    except FileNotFoundError:
        return 0
    if not stat.S_ISDIR(status.st_mode):
        os.unlink(path)
        return status.st_blocks * 512
    freed = 0
    for folder, _, files, descriptor in os.fwalk(path, topdown=True):
        os.chmod(folder, 0o700)
        freed += sum(
            os.stat(file, dir_fd=descriptor, follow_symlinks=False).st_blocks * 512
            for file in files
        )
    shutil.rmtree(path)
    return freed
