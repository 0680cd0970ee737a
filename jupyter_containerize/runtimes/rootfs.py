"""An image's root file system from its unpacked layers: pure lookups, nothing is mounted here."""

from __future__ import annotations

import os
import stat
from collections.abc import Sequence

from ..errors import ContainerizeError

#: Symbolic links followed in one path before it counts as a loop. Source: Linux, MAXSYMLINKS.
_MAX_LINKS = 40


class Rootfs:
    """Layers as folders, bottom first, seen as the one tree that an overlay makes of them.

    Whiteouts are as overlayfs has them (a 0:0 character device; the extended attribute
    `user.overlay.opaque`), which is how `oci.unpack` writes them.
    """

    def __init__(self, layers: Sequence[str]) -> None:
        self.layers = tuple(layers)

    def resolve(self, path: str) -> str:
        """Return the image path that `path` means once symbolic links in the image are followed.

        What does not exist is kept as written. Errors: `bad-path` (a loop of links).
        """
        pending = _parts(path)[::-1]
        done: list[str] = []
        links = 0
        while pending:
            part = pending.pop()
            if part == "..":
                del done[-1:]
                continue
            done.append(part)
            target = self._link("/" + "/".join(done))
            if target is None:
                continue
            links += 1
            if links > _MAX_LINKS:
                raise ContainerizeError(
                    "bad-path",
                    what=f"{path} cannot be found in the image.",
                    why="Its symbolic links go round in a circle.",
                )
            del done[-1:]
            if target.startswith("/"):
                done = []
            pending.extend(_parts(target)[::-1])
        return "/" + "/".join(done)

    def folders(self, path: str) -> list[str]:
        """Return the folders, bottom first, that make up the resolved image folder `path`."""
        visible = list(self.layers)
        for part in _parts(path):
            visible = _step(visible, part)
        return visible

    def find(self, path: str) -> str | None:
        """Return the file on this machine behind the resolved image path, None if it is absent."""
        parent, _, name = path.rstrip("/").rpartition("/")
        if not name:
            return self.layers[-1] if self.layers else None
        for folder in reversed(self.folders(parent)):
            candidate = os.path.join(folder, name)
            state = _lstat(candidate)
            if state is not None:
                return None if is_whiteout(state) else candidate
        return None

    def _link(self, path: str) -> str | None:
        found = self.find(path)
        if found is None:
            return None
        try:
            return os.readlink(found)
        except OSError:
            return None


def is_whiteout(state: os.stat_result) -> bool:
    """Tell whether this is overlayfs' mark for "deleted here"."""
    return stat.S_ISCHR(state.st_mode) and state.st_rdev == 0


def is_opaque(folder: str) -> bool:
    """Tell whether the folder hides those of the same name in lower layers."""
    try:
        return os.getxattr(folder, "user.overlay.opaque", follow_symlinks=False) == b"y"
    except OSError:
        return False


def _step(folders: list[str], name: str) -> list[str]:
    found: list[str] = []
    for folder in reversed(folders):
        candidate = os.path.join(folder, name)
        state = _lstat(candidate)
        if state is None:
            continue
        if not stat.S_ISDIR(state.st_mode):
            break
        found.append(candidate)
        if is_opaque(candidate):
            break
    return found[::-1]


def _lstat(path: str) -> os.stat_result | None:
    try:
        return os.lstat(path)
    except (FileNotFoundError, NotADirectoryError):
        return None


def _parts(path: str) -> list[str]:
    return [part for part in path.split("/") if part not in ("", ".")]
