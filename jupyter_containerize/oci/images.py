"""Records of images: the folder `images/`, and finding one among them."""

from __future__ import annotations

import contextlib
import json
import os
import re
from collections.abc import Sequence
from dataclasses import replace
from typing import TypeVar

from ..errors import ContainerizeError
from ..model.codec import dumps, from_json, to_json
from ..model.image import Image
from .disk import read_or_none, write_atomically, writing
from .documents import hex_of

_T = TypeVar("_T")
_RECORD = re.compile(r"([0-9a-f]{64})\.json")
_SHORT_ID = re.compile(r"(?:sha256:)?([0-9a-f]{6,64})")


class Records:
    """The folder of image records, by manifest digest; names are kept elsewhere."""

    def __init__(self, folder: str) -> None:
        self._folder = folder

    def put(self, image: Image) -> None:
        """Write the image's record: from now on it is listed."""
        layers = tuple(replace(layer, reused=False) for layer in image.layers)
        with writing(self._folder):
            record = to_json(replace(image, layers=layers, names=()))
            write_atomically(self._path(image.digest), dumps(record))

    def get(self, digest: str) -> Image | None:
        """Return the recorded image; a damaged record is as good as none."""
        return parsed(Image, read_or_none(self._path(digest)))

    def delete(self, digest: str) -> None:
        """Remove the record; a missing one is no error."""
        with writing(self._folder), contextlib.suppress(FileNotFoundError):
            os.unlink(self._path(digest))

    def digests(self) -> list[str]:
        """Return the digests of all records, damaged ones too."""
        found = map(_RECORD.fullmatch, os.listdir(self._folder))
        return [f"sha256:{match[1]}" for match in found if match is not None]

    def _path(self, digest: str) -> str:
        return os.path.join(self._folder, f"{hex_of(digest)}.json")


def parsed(kind: type[_T], data: bytes | None) -> _T | None:
    """Return the record in `data`, None if there is none or it is damaged."""
    with contextlib.suppress(ContainerizeError, ValueError):
        return None if data is None else from_json(kind, json.loads(data))
    return None


def by_short_id(text: str, images: Sequence[Image]) -> Image | None:
    """Return the one image whose digest or ID begins with `text` (6 digits or more).

    Errors: `ambiguous-image`.
    """
    match = _SHORT_ID.fullmatch(text)
    if match is None:
        return None
    found = [
        image
        for image in images
        if hex_of(image.digest).startswith(match[1])
        or hex_of(image.config_digest).startswith(match[1])
    ]
    if len(found) > 1:
        raise ContainerizeError(
            "ambiguous-image",
            what=f"{text!r} is the beginning of {len(found)} images' digests.",
            fix="Give more digits: " + ", ".join(image.digest[:31] for image in found),
        )
    return found[0] if found else None
