"""Where a path of the kernel lies in the image.

Absolute paths stay as they are, but what belongs to one person's prefix (a venv, a pyenv or
uv Python, the user site) is moved under a fixed prefix, so that people who share packages
share layers; the `links` layer leads from the kernel's path to it (see `links.py`).
"""

from __future__ import annotations

import posixpath
import re
from collections.abc import Collection, Iterable, Mapping
from dataclasses import dataclass

from ..model.files import FileEntry
from ..model.plan import ROOT
from ..model.snapshot import Snapshot

#: Fixed places of the environment, the base interpreter, the user site, further site folders.
ENVIRONMENT_PREFIX = f"{ROOT}/env"
PYTHON_PREFIX = f"{ROOT}/python"
USER_PREFIX = f"{ROOT}/user"
SITE_PREFIX = f"{ROOT}/site"

#: Folders that are no one's own: what lies there stays and may be in a shared layer.
_SYSTEM = ("/usr", "/opt", "/etc", "/lib", "/lib32", "/lib64", "/libx32", "/bin", "/sbin", "/var")
#: What folders of installed distributions are called.
SITE_FOLDERS = ("site-packages", "dist-packages")
_SITE_TAIL = re.compile(r"/lib(?:64)?/python3\.\d+t?/site-packages$")
_MAX_LINKS = 40  # as the kernel's own limit


def under(path: str, folder: str) -> bool:
    """Tell whether `path` is `folder` or lies below it."""
    return path == folder or path.startswith(folder.rstrip("/") + "/")


@dataclass(frozen=True, slots=True)
class Moved:
    """A prefix of the kernel and the fixed prefix that stands for it in the image."""

    kernel: str
    image: str


@dataclass(frozen=True, slots=True)
class Folder:
    """Where a folder lies: `kernel` with links resolved, `target` in the image.

    `shared` is false where the target may carry a user's name. `moved` is the prefix that
    was replaced, if any.
    """

    kernel: str
    target: str
    shared: bool
    moved: Moved | None


class Placement:
    """Maps the kernel's paths to image paths for one snapshot; pure, caches by folder."""

    def __init__(
        self,
        snapshot: Snapshot,
        links: Iterable[FileEntry],
        *,
        moves: Mapping[str, str] | None = None,
    ) -> None:
        """`links` are the symlinks among all recorded files: paths are resolved through them.

        `moves` says where the kernel's folders lie on a base that is not `host`.
        """
        self._links: dict[str, str] = {entry.path: entry.link or "" for entry in links}
        self._resolved: dict[str, str] = {}
        for path, text in list(self._links.items()):
            self._links[self._physical(path)] = text
        self._resolved.clear()
        self._folders: dict[str, Folder] = {}
        interpreter = snapshot.interpreter
        #: A conda prefix is in its files' contents: it stays where it is.
        self.kept_prefixes = (
            (interpreter.base_prefix, interpreter.prefix) if interpreter.conda else ()
        )
        self.moved = self._find_moved(snapshot) if moves is None else self._as_told(moves)
        self._sites = tuple(
            self.resolve(path)
            for path in interpreter.sys_path
            if posixpath.basename(path) in SITE_FOLDERS
        )

    def folder(self, path: str) -> Folder:
        """Return where the folder `path` lies."""
        found = self._folders.get(path)
        if found is None:
            found = self._folders[path] = self._place(self.resolve(path))
        return found

    def kept(self, path: str) -> Folder:
        """Return where local code and data of the folder `path` lie: as in the kernel.

        But a site folder moves as a whole, with a module in it that nobody installed.
        """
        physical = self.resolve(path)
        if any(under(physical, site) for site in self._sites):
            return self.folder(path)
        return Folder(physical, physical, shared=self.is_shared(physical), moved=None)

    def target(self, path: str) -> str:
        """Return the image path of the file, link or folder `path` (a link is not followed)."""
        return self._place(self._physical(path)).target

    def resolve(self, path: str) -> str:
        """Return `path` with every recorded symlink in it followed."""
        for _ in range(_MAX_LINKS):
            path = self._physical(path)
            text = self._links.get(path)
            if text is None:
                break
            path = posixpath.normpath(posixpath.join(posixpath.dirname(path), text))
        return path

    def _physical(self, path: str) -> str:
        """Return `path` with the links in its parents followed, but not its last part."""
        parent, name = posixpath.split(path)
        if parent in ("", "/") or not name:
            return path
        found = self._resolved.get(parent)
        if found is None:
            self._resolved[parent] = parent  # a loop of links ends here
            found = self._resolved[parent] = self.resolve(parent)
        return f"{found.rstrip('/')}/{name}"

    def _place(self, physical: str) -> Folder:
        for moved in self.moved:
            if under(physical, moved.kernel):
                target = moved.image + physical[len(moved.kernel) :]
                return Folder(physical, target, shared=True, moved=moved)
        return Folder(physical, physical, shared=self.is_shared(physical), moved=None)

    def is_shared(self, target: str) -> bool:
        """Tell whether an image path names nobody's own place."""
        return any(under(target, folder) for folder in (*_SYSTEM, *self.kept_prefixes))

    def linked(self) -> tuple[Moved, ...]:
        """Return the moved prefixes that images lead to from the kernel's own paths.

        Not those of the system: an image has its own there.
        """
        return tuple([moved for moved in self.moved if not self.is_shared(moved.kernel)])

    def _as_told(self, moves: Mapping[str, str]) -> tuple[Moved, ...]:
        found = {self.resolve(kernel): image for kernel, image in moves.items()}
        found = {kernel: image for kernel, image in found.items() if kernel not in ("", "/")}
        implied = {
            kernel
            for kernel, image in found.items()
            for other, over in found.items()
            if kernel != other and under(kernel, other) and image == over + kernel[len(other) :]
        }
        longest_first = sorted(found.keys() - implied, key=lambda k: (-len(k), k))
        return tuple([Moved(kernel, found[kernel]) for kernel in longest_first])

    def _find_moved(self, snapshot: Snapshot) -> tuple[Moved, ...]:
        interpreter = snapshot.interpreter
        found: dict[str, str] = {}

        def move(kernel: str, image: str) -> None:
            kernel = self.resolve(kernel)
            if kernel not in ("", "/") and not self.is_shared(kernel):
                found.setdefault(kernel, image)

        move(interpreter.base_prefix, PYTHON_PREFIX)
        move(interpreter.prefix, ENVIRONMENT_PREFIX)
        if interpreter.user_site:
            tail = _SITE_TAIL.search(interpreter.user_site)
            move(interpreter.user_site, USER_PREFIX + (tail.group() if tail else ""))
        for number, site in enumerate(self._other_sites(snapshot, found)):
            move(site, f"{SITE_PREFIX}/{number}")
        # The longest first: a venv may lie inside the folder of its base interpreter.
        return tuple(
            Moved(kernel, found[kernel]) for kernel in sorted(found, key=lambda k: (-len(k), k))
        )

    def _other_sites(self, snapshot: Snapshot, prefixes: Collection[str]) -> list[str]:
        """Return the site folders that neither stay nor move with a prefix, as in `sys.path`."""
        order = {path: place for place, path in enumerate(snapshot.interpreter.sys_path)}
        outside = []
        for site in {one.location for one in snapshot.distributions}:
            physical = self.resolve(site)
            stays = self.is_shared(physical) or any(under(physical, one) for one in prefixes)
            if posixpath.basename(site) in SITE_FOLDERS and not stays:
                outside.append(site)
        return sorted(outside, key=lambda site: (order.get(site, len(order)), site))
