"""An image's root file system from its unpacked layers; nothing is mounted here."""

from __future__ import annotations

import contextlib
import fcntl
import os
import shutil
import stat
from collections.abc import Iterable, Iterator, Sequence
from concurrent.futures import ThreadPoolExecutor, as_completed

from ..errors import ContainerizeError
from ..model.event import Emit, Progress
from ..model.image import Image
from ..oci.store import Store
from ..oci.unpack import Unpacked, unpack_layers

#: Symbolic links followed in one path before it counts as a loop. Source: Linux, MAXSYMLINKS.
_MAX_LINKS = 40
#: When layers must be merged, so many on top stay apart: an edited cell costs no new merge.
_KEPT_APART = 8
_FICLONE = 0x40049409


def unpacked(image: Image, *, store: Store, fits: int, emit: Emit) -> Rootfs:
    """Unpack the image's layers into at most `fits` folders. Errors: as `oci.unpack`."""
    digests = [layer.digest for layer in image.layers]
    merged = len(digests) - min(fits - 1, _KEPT_APART) if len(digests) > fits else 0
    while True:
        groups = [digests[:merged], *([digest] for digest in digests[merged:])]
        folders = _unpack([group for group in groups if group], image, store=store, emit=emit)
        # A layer that takes something away is merged with all below it.
        hiding = [n for n, one in enumerate(folders) if n and (one.whiteouts or one.opaque)]
        if not hiding:
            return Rootfs([one.folder for one in folders])
        merged = hiding[-1] + max(merged, 1)


def _unpack(groups: list[list[str]], image: Image, *, store: Store, emit: Emit) -> list[Unpacked]:
    layers = {layer.digest: layer.size_bytes for layer in image.layers}
    sizes = [sum(layers[digest] for digest in group) for group in groups]
    found: dict[int, Unpacked] = {}
    done = 0
    with ThreadPoolExecutor(max_workers=2) as pool:
        # The largest first: the small ones then fill the other core's time.
        order = sorted(range(len(groups)), key=lambda number: -sizes[number])
        jobs = {pool.submit(unpack_layers, store, groups[number]): number for number in order}
        for job in as_completed(jobs):
            found[jobs[job]] = job.result()
            done += sizes[jobs[job]]
            emit(Progress(step="run", item="unpack", done=done, total=image.size_bytes))
    return [found[number] for number in range(len(groups))]


class Rootfs:
    """Layers as folders, bottom first, seen as the one tree that an overlay makes of them.

    The folders hold no whiteouts: `unpacked` merges layers that take something away.
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
            if _lstat(candidate) is not None:
                return candidate
        return None

    def assemble(
        self, target: str, *, link: bool, mode_mask: int = 0o7777, apart: Sequence[str] = ()
    ) -> None:
        """Make one folder `target` of all layers, of hard links where `link`, else of copies.

        Copies share their blocks with the original where the file system can do that, never
        the file. What lies in the image folders `apart` is copied in any case. Modes of
        folders and copies are reduced to `mode_mask`.
        """
        os.mkdir(target)
        copied = frozenset(target + path.rstrip("/") for path in apart)
        _fill(self.layers, target, link=link and target not in copied, mask=mode_mask, apart=copied)
        os.chmod(target, 0o755 & mode_mask)

    def _link(self, path: str) -> str | None:
        found = self.find(path)
        if found is None:
            return None
        try:
            return os.readlink(found)
        except OSError:
            return None


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
    return found[::-1]


def _fill(
    folders: Iterable[str], target: str, *, link: bool, mask: int, apart: frozenset[str]
) -> None:
    winners: dict[str, os.DirEntry[str]] = {}
    parts: dict[str, list[str]] = {}
    for folder in folders:
        with os.scandir(folder) as entries:
            for entry in entries:
                if not entry.is_dir(follow_symlinks=False):
                    parts.pop(entry.name, None)
                else:
                    parts.setdefault(entry.name, []).append(entry.path)
                winners[entry.name] = entry
    for name, entry in winners.items():
        path = os.path.join(target, name)
        if name in parts:
            os.mkdir(path)
            _fill(parts[name], path, link=link and path not in apart, mask=mask, apart=apart)
            os.chmod(path, stat.S_IMODE(entry.stat().st_mode) & mask)
        elif entry.is_symlink():
            os.symlink(os.readlink(entry.path), path)
        elif not (link and _linked(entry.path, path)):
            _copy(entry.path, path, mask)


def _linked(source: str, target: str) -> bool:
    try:
        os.link(source, target)
    except OSError:
        # Too many links, another file system, or links to others' files are forbidden.
        return False
    return True


def _copy(source: str, target: str, mode_mask: int) -> None:
    try:
        with open(source, "rb") as original, open(target, "xb") as copy:
            fcntl.ioctl(copy, _FICLONE, original.fileno())
    except OSError:
        shutil.copyfile(source, target)
    state = os.stat(source)
    os.utime(target, ns=(state.st_atime_ns, state.st_mtime_ns))
    os.chmod(target, stat.S_IMODE(state.st_mode) & mode_mask)


def mount_point(root: str, path: str, *, folder: bool) -> None:
    """Make an empty folder or file at the resolved `path` below `root`, if nothing is there."""
    parent, name = os.path.split(path)
    if folder or not name:
        with opened(root, path):
            return
    with opened(root, parent) as place:
        file = os.path.join(place, name)
        if not os.path.lexists(file):
            os.close(os.open(file, os.O_WRONLY | os.O_CREAT, 0o444))


@contextlib.contextmanager
def opened(root: str, path: str) -> Iterator[str]:
    """Make the folder `path` below `root` if absent; it may be written to meanwhile."""
    place = root
    for part in _parts(path):
        below = os.path.join(place, part)
        if not os.path.isdir(below):
            with _writable(place):
                os.mkdir(below, 0o755)
        place = below
    with _writable(place):
        yield place


@contextlib.contextmanager
def _writable(folder: str) -> Iterator[None]:
    mode = stat.S_IMODE(os.stat(folder).st_mode)
    os.chmod(folder, mode | 0o700)
    yield
    os.chmod(folder, mode)


def _lstat(path: str) -> os.stat_result | None:
    try:
        return os.lstat(path)
    except (FileNotFoundError, NotADirectoryError):
        return None


def _parts(path: str) -> list[str]:
    return [part for part in path.split("/") if part not in ("", ".")]
