"""The files that an operating system has and a snapshot does not record."""

from __future__ import annotations

import re
from collections.abc import Iterable

from ..model.plan import OUTPUTS_FOLDER, Entry, FolderContent, InlineContent
from ..model.snapshot import Snapshot, SystemPackage

#: The image's user; any other user id with group 0 works as well (OpenShift's convention).
USER_ID = 1000
USER_NAME = "user"
#: Of the machine, not of the image: runtimes write their own, or names of people are in it.
NOT_COPIED = frozenset(
    {
        "/etc/passwd", "/etc/passwd-", "/etc/shadow", "/etc/shadow-", "/etc/group", "/etc/group-",
        "/etc/gshadow", "/etc/subuid", "/etc/subgid", "/etc/hosts", "/etc/hostname",
        "/etc/resolv.conf", "/etc/machine-id", "/etc/mtab", "/etc/ld.so.cache",
    }
)  # fmt: skip
_NSSWITCH = """passwd: files
group: files
shadow: files
hosts: files dns
networks: files
protocols: files
services: files
"""
_UNSAFE = re.compile(r"[\r\n:]")


def home_of(snapshot: Snapshot) -> str:
    """Return the image's HOME: the kernel's, unless that is no folder one may write to."""
    home = snapshot.interpreter.home
    return home if writable_place(home) else "/tmp"  # noqa: S108 - a path in the image


def writable_place(path: str) -> bool:
    """Tell whether a run may own the folder `path`: not the root, nor a system folder."""
    return path.startswith("/") and path.rstrip("/") not in (
        "", "/bin", "/boot", "/dev", "/etc", "/home", "/lib", "/lib64", "/opt", "/proc", "/run",
        "/sbin", "/sys", "/usr", "/usr/bin", "/usr/lib", "/usr/local", "/var", "/nonexistent",
    )  # fmt: skip


def system_entries(snapshot: Snapshot, *, present: Iterable[str]) -> dict[str, Entry]:
    """Return users, name service, temporary folders and package records.

    `present` are image paths that other layers have already.
    """
    home = _UNSAFE.sub("_", home_of(snapshot))
    texts = {
        "/etc/passwd": (
            "root:x:0:0:root:/root:/sbin/nologin\n"
            f"{USER_NAME}:x:{USER_ID}:0:{USER_NAME}:{home}:/bin/sh\n"
            "nobody:x:65534:65534:nobody:/nonexistent:/sbin/nologin\n"
        ),
        "/etc/group": f"root:x:0:\n{USER_NAME}:x:{USER_ID}:\nnogroup:x:65534:\n",
    }
    if "/etc/nsswitch.conf" not in present:
        texts["/etc/nsswitch.conf"] = _NSSWITCH
    texts.update(_package_records(snapshot.system_packages))
    entries = {path: Entry(path, InlineContent(text)) for path, text in texts.items()}
    for folder in ("/tmp", "/var/tmp"):  # noqa: S108 - folders of the image
        entries[folder] = Entry(folder, FolderContent(), 0o1777)
    for folder in ("/dev", "/proc", "/sys", "/run"):
        entries[folder] = Entry(folder, FolderContent(), 0o755)
    entries[OUTPUTS_FOLDER] = Entry(OUTPUTS_FOLDER, FolderContent(), 0o755, group_writable=True)
    return entries


def _package_records(packages: Iterable[SystemPackage]) -> dict[str, str]:
    """Return one dpkg stanza a file, where vulnerability scanners look for them."""
    return {
        f"/var/lib/dpkg/status.d/{package.name}": package.status.rstrip("\n") + "\n"
        for package in packages
        if package.manager == "dpkg" and package.status
    }
