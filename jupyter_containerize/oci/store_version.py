"""The store's version: new folders are marked, older ones migrated, newer ones refused."""

from __future__ import annotations

import json
import os
from collections.abc import Callable, Mapping, Sequence

from ..errors import ContainerizeError
from .disk import read_or_none, write_atomically, writing
from .locks import locked

STORE_VERSION = 1

#: What turns a store of version N, in this folder, into one of version N + 1.
MIGRATIONS: Mapping[int, Callable[[str], None]] = {}


def prepare(root: str, *, folders: Sequence[str]) -> None:
    """Make `root` a store of this version with `folders`; a good one is not written to.

    Errors: `store-too-new`, `not-a-store`, `store-read-only`.
    """
    if os.path.lexists(root) and not os.path.isdir(root):
        raise _not_a_store(root, why="It is a file.")
    if _version(root) != STORE_VERSION:
        with writing(root):
            os.makedirs(root, mode=0o700, exist_ok=True)
        _refuse_foreign(root)
        with writing(root), locked(os.path.join(root, "store.lock")):
            _upgrade(root)
    if not all(os.path.isdir(os.path.join(root, folder)) for folder in folders):
        with writing(root):
            for folder in folders:
                os.makedirs(os.path.join(root, folder), mode=0o700, exist_ok=True)


def _upgrade(root: str) -> None:
    version = _version(root)
    if version is None:
        os.chmod(root, 0o700)
        version = STORE_VERSION
    while version < STORE_VERSION:
        MIGRATIONS[version](root)
        version += 1
    write_atomically(_path(root), json.dumps({"version": version}).encode())


def _version(root: str) -> int | None:
    """Return the version of the store at `root`, None when it holds none."""
    with writing(root):
        data = read_or_none(_path(root))
    if data is None:
        return None
    try:
        version = int(json.loads(data)["version"])
    except (ValueError, KeyError, TypeError) as error:
        raise _not_a_store(root, why=f"Its store.json is not one of ours ({error}).") from error
    if version > STORE_VERSION:
        raise ContainerizeError(
            "store-too-new",
            what=f"The store {root} has version {version}; this program knows up to {STORE_VERSION}.",
            why="A newer jupyter-containerize has written it.",
            fix="Upgrade jupyter-containerize, or set JUPYTER_CONTAINERIZE_STORE to another folder.",
        )
    return version


def _refuse_foreign(root: str) -> None:
    foreign = [name for name in os.listdir(root) if not name.startswith("store.")]
    if foreign and not os.path.exists(_path(root)):
        raise _not_a_store(root, why="It has files in it but no store.json.")


def _not_a_store(root: str, *, why: str) -> ContainerizeError:
    return ContainerizeError(
        "not-a-store",
        what=f"The folder {root} is not a store of ours.",
        why=why,
        fix="Set JUPYTER_CONTAINERIZE_STORE to a new or empty folder.",
    )


def _path(root: str) -> str:
    return os.path.join(root, "store.json")
