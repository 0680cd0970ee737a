"""Names: references to manifest digests, one small file each."""

from __future__ import annotations

import contextlib
import hashlib
import json
import os

from ..errors import ContainerizeError
from .disk import read_or_none, write_atomically, writing
from .documents import hex_of

_HINT = "`jupyter containerize ls` shows images without a name too."


class Names:
    """The folder `names/`. A file's name is the reference's hash, for references may be long."""

    def __init__(self, folder: str) -> None:
        self._folder = folder

    def _path(self, reference: str) -> str:
        return os.path.join(self._folder, hashlib.sha256(reference.encode()).hexdigest())

    def get(self, reference: str) -> str | None:
        """Return the digest that `reference` names, or None (also when the name is damaged)."""
        known = _parse(read_or_none(self._path(reference)))
        return known[1] if known else None

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
        """Return every digest's references, sorted; without damaged names."""
        found: dict[str, list[str]] = {}
        for path in self._files():
            if known := _parse(read_or_none(path)):
                found.setdefault(known[1], []).append(known[0])
        return {digest: tuple(sorted(references)) for digest, references in found.items()}

    def check(self) -> None:
        """See that every name can be read. Errors: `store-damaged`."""
        for path in self._files():
            data = read_or_none(path)
            if data is not None and _parse(data) is None:
                raise ContainerizeError(
                    "store-damaged",
                    what="A name in the store cannot be read.",
                    why=f"Which image {path} names is lost, so none may be removed.",
                    fix=f"Delete that file; `build` or `tag` names the image again. {_HINT}",
                )

    def _files(self) -> list[str]:
        names = sorted(os.listdir(self._folder))
        return [os.path.join(self._folder, name) for name in names if not name.endswith(".tmp")]


def _parse(data: bytes | None) -> tuple[str, str] | None:
    with contextlib.suppress(ContainerizeError, ValueError, KeyError, TypeError):
        record = json.loads(data or b"")
        digest = str(record["digest"])
        hex_of(digest)
        return str(record["reference"]), digest
    return None
