"""Names: references to manifest digests, one small file each."""

from __future__ import annotations

import contextlib
import hashlib
import json
import os

from ..errors import ContainerizeError
from .disk import read_or_none, write_atomically, writing


class Names:
    """The folder `names/`. A file's name is the reference's hash, for references may be long."""

    def __init__(self, folder: str) -> None:
        self._folder = folder

    def _path(self, reference: str) -> str:
        return os.path.join(self._folder, hashlib.sha256(reference.encode()).hexdigest())

    def get(self, reference: str) -> str | None:
        """Return the digest that `reference` names, or None."""
        data = read_or_none(self._path(reference))
        return None if data is None else _parse(data)[1]

    def set(self, reference: str, digest: str) -> None:
        """Let `reference` name `digest` from now on."""
        with writing(self._folder):
            data = json.dumps({"reference": reference, "digest": digest})
            write_atomically(self._path(reference), data.encode())

    def delete(self, reference: str) -> None:
        """Forget `reference`; unknown ones are no error."""
        with writing(self._folder), contextlib.suppress(FileNotFoundError):
            os.unlink(self._path(reference))

    def by_digest(self) -> dict[str, tuple[str, ...]]:
        """Return every digest's references, sorted."""
        found: dict[str, list[str]] = {}
        for name in os.listdir(self._folder):
            data = None if name.endswith(".tmp") else read_or_none(os.path.join(self._folder, name))
            if data is not None:
                reference, digest = _parse(data)
                found.setdefault(digest, []).append(reference)
        return {digest: tuple(sorted(references)) for digest, references in found.items()}


def _parse(data: bytes) -> tuple[str, str]:
    try:
        record = json.loads(data)
        return str(record["reference"]), str(record["digest"])
    except (ValueError, KeyError, TypeError) as error:
        raise ContainerizeError(
            "store-damaged",
            what="A name in the store cannot be read.",
            why=str(error),
            fix="Remove the folder names/ in the store; images stay reachable by their digests.",
        ) from error
