"""Where everything lies in one run's container, whatever isolates it."""

from __future__ import annotations

import os
from dataclasses import dataclass

from ..model.run import Mount
from .rootfs import Rootfs

#: Parts of `/sys` that numerical libraries ask about processors and memory.
SYSTEM = ("/sys/devices/system/cpu", "/sys/devices/system/node")


@dataclass(frozen=True, slots=True)
class Layout:
    """Paths in the image are resolved, so that none leads through a symbolic link.

    `scratch` is the run's folder for what goes away with it; `writable` are the image's
    folders that may be written to, none inside another; `outputs`, `files` (shown read-only)
    and `mounts` map a path in the container to what is there.
    """

    rootfs: Rootfs
    scratch: str
    writable: tuple[str, ...]
    outputs: str
    files: dict[str, str]
    mounts: dict[str, Mount]
    working_dir: str
    user: tuple[int, int]
    network: bool

    def place(self, name: str) -> str:
        """Make a folder below `scratch` that all may write to, as `/dev/shm` is."""
        folder = os.path.join(self.scratch, name)
        os.mkdir(folder)
        os.chmod(folder, 0o1777)  # noqa: S103 - it is the container's
        return folder

    def temporary(self) -> str:
        """Make the container's `/tmp`: what the image has there, as copies to write to.

        The notebook itself may lie below `/tmp`, or read its data there.
        """
        folder = os.path.join(self.scratch, "tmp")
        inside = self.rootfs.folders(self.rootfs.resolve("/tmp"))  # noqa: S108 - the container's
        Rootfs(inside).assemble(folder, link=False)
        os.chmod(folder, 0o1777)  # noqa: S103 - as everywhere
        return folder

    def points(self) -> dict[str, bool]:
        """Return the paths that something is mounted on; whether that is a folder."""
        resolve = self.rootfs.resolve
        folders = (*SYSTEM, "/proc", "/dev", resolve("/tmp"), resolve("/outputs"))  # noqa: S108 - the container's
        return {
            **dict.fromkeys((*folders, self.working_dir, *self.writable), True),
            **dict.fromkeys(self.files, False),
            **{path: os.path.isdir(mount.host) for path, mount in self.mounts.items()},
        }
