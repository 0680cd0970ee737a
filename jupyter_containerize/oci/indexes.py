"""Images of several platforms under one name: small records of which belong together."""

from __future__ import annotations

import contextlib
import hashlib
import json
import os
from collections.abc import Sequence

from ..errors import ContainerizeError
from ..model.image import Image
from ..model.reference import Reference
from .disk import read_or_none, write_atomically, writing
from .store import Store

FOLDER = "indexes"


def remember(store: Store, name: Reference, images: Sequence[Image]) -> None:
    """Let `name` stand for all of `images`, one a platform."""
    with writing(store.root):
        os.makedirs(os.path.join(store.root, FOLDER), mode=0o700, exist_ok=True)
        record = {"name": str(name), "images": [image.digest for image in images]}
        write_atomically(_path(store, name), json.dumps(record).encode())


def forget(store: Store, name: Reference) -> None:
    """Let `name` stand for one image again."""
    with writing(store.root), contextlib.suppress(FileNotFoundError):
        os.unlink(_path(store, name))


def images_of(store: Store, name: str) -> tuple[Image, ...]:
    """Return the images that `name` stands for, none unless they are several and all here."""
    with contextlib.suppress(ContainerizeError, ValueError, KeyError, TypeError):
        record = json.loads(read_or_none(_path(store, Reference.parse(name))) or b"")
        return tuple(store.resolve(str(digest)) for digest in record["images"])
    return ()


def _path(store: Store, name: Reference) -> str:
    return os.path.join(
        store.root, FOLDER, f"{hashlib.sha256(str(name).encode()).hexdigest()}.json"
    )
