"""Layers unpacked as folders, safely and by an ordinary user, for runtimes without an engine."""

from __future__ import annotations

import contextlib
import fcntl
import hashlib
import json
import os
import secrets
from collections.abc import Iterator, Sequence
from dataclasses import dataclass
from typing import TYPE_CHECKING, Any

from .disk import read_or_none, write_atomically, writing
from .documents import hex_of
from .extract import Extractor
from .gc import remove_path

if TYPE_CHECKING:
    from .store import Store

SHORT_ID_DIGITS = 12


@dataclass(frozen=True, slots=True)
class Unpacked:
    """Layers as one folder, and what they take away from the layers below.

    `whiteouts` are paths to be hidden, `opaque` folders whose lower content is hidden; both
    relative to `folder`. Layers that we build have neither.
    """

    folder: str
    whiteouts: tuple[str, ...] = ()
    opaque: tuple[str, ...] = ()


def unpack_layer(store: Store, digest: str) -> str:
    """Return the folder with the unpacked layer, made if absent. Errors: as `unpack_layers`."""
    return unpack_layers(store, (digest,)).folder


def unpack_layers(store: Store, digests: Sequence[str]) -> Unpacked:
    """Return one folder with these layers unpacked over each other, lowest first.

    The folder appears whole or not at all, whoever else asks for it at the same time. It
    must not be written to. Setuid bits, owners, devices and extended attributes are dropped.
    Errors: `bad-layer` (damaged, or it tries to escape), `no-space`, `store-damaged`.
    """
    name = _folder_name(digests)
    folder = os.path.join(store.unpacked_folder, name)
    with store.in_use(), store.lock(f"unpack-{name}"), writing(store.unpacked_folder):
        return _known(folder) or _unpack(store, digests, folder)


def _known(folder: str) -> Unpacked | None:
    """Return what lies unpacked in `folder`, None if there is nothing whole."""
    with contextlib.suppress(ValueError, KeyError, TypeError):
        record = json.loads(read_or_none(f"{folder}.json") or b"")
        if os.path.isdir(folder):
            return Unpacked(folder, tuple(record["whiteouts"]), tuple(record["opaque"]))
    return None


def _folder_name(digests: Sequence[str]) -> str:
    """Return a short name: mount options may hold only 4,096 bytes of them."""
    if len(digests) == 1:
        return hex_of(digests[0])[:SHORT_ID_DIGITS]
    together = hashlib.sha256("\n".join(digests).encode()).hexdigest()
    return f"m-{together[:SHORT_ID_DIGITS]}"


def _unpack(store: Store, digests: Sequence[str], folder: str) -> Unpacked:
    with _temporary_folder(store) as temporary:
        with Extractor(temporary) as extractor:
            for digest in digests:
                extractor.extract(store.blob_path(digest))
        record: dict[str, Any] = {
            "layers": list(digests),
            "whiteouts": sorted(map(os.fsdecode, extractor.whiteouts)),
            "opaque": sorted(map(os.fsdecode, extractor.opaque)),
        }
        remove_path(folder)  # there only if its record was damaged
        write_atomically(f"{folder}.json", json.dumps(record).encode())
        os.rename(temporary, folder)
    return Unpacked(folder, tuple(record["whiteouts"]), tuple(record["opaque"]))


@contextlib.contextmanager
def _temporary_folder(store: Store) -> Iterator[str]:
    """Make a folder that is locked while this process lives, so that `sweep` spares it."""
    path = os.path.join(store.temporary_folder, secrets.token_hex(8))
    with store.lock("sweep", shared=True):
        os.mkdir(path, 0o755)
        descriptor = os.open(path, os.O_RDONLY | os.O_CLOEXEC)
        fcntl.flock(descriptor, fcntl.LOCK_EX)
    try:
        yield path
    finally:
        os.close(descriptor)
        remove_path(path)
