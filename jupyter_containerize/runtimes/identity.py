"""The image's user: numbers and home, by the image's own `/etc/passwd` and `/etc/group`."""

from __future__ import annotations

from ..errors import ContainerizeError
from .rootfs import Rootfs

_PATH = "/usr/local/sbin:/usr/local/bin:/usr/sbin:/usr/bin:/sbin:/bin"


def user_ids(user: str, rootfs: Rootfs) -> tuple[int, int]:
    """Return uid and gid of an image config's `user[:group]`. Errors: `unknown-user`.

    Source: image-spec, config.md, `User`; without a group, the user's own, or 0.
    """
    name, _, group = (user or "0").partition(":")
    entry = _entry(name, "/etc/passwd", rootfs)
    if name.isdigit():
        uid = int(name)
    elif entry:
        uid = int(entry[2])
    else:
        raise _unknown(name, "/etc/passwd")
    if not group:
        return uid, int(entry[3]) if entry else 0
    if group.isdigit():
        return uid, int(group)
    found = _entry(group, "/etc/group", rootfs)
    if not found:
        raise _unknown(group, "/etc/group")
    return uid, int(found[2])


def default_environment(user: str, rootfs: Rootfs) -> dict[str, str]:
    """Return what a container has even if its image names no variables: PATH and HOME."""
    entry = _entry((user or "0").partition(":")[0], "/etc/passwd", rootfs)
    return {"PATH": _PATH, "HOME": entry[5] if entry else "/"}


def _entry(name: str, path: str, rootfs: Rootfs) -> list[str]:
    column = 2 if name.isdigit() else 0
    fields = 7 if path == "/etc/passwd" else 4
    source = rootfs.find(rootfs.resolve(path))
    if source is not None:
        with open(source, encoding="utf-8", errors="surrogateescape") as file:
            for line in file:
                parts = line.rstrip("\n").split(":")
                if len(parts) >= fields and parts[column] == name and parts[2].isdigit():
                    return parts
    return []


def _unknown(name: str, path: str) -> ContainerizeError:
    return ContainerizeError(
        "unknown-user",
        what=f"The image has no user or group {name!r}.",
        why=f"Its {path} does not list it.",
        fix="Give numbers instead, for example --user 1000:0",
    )
