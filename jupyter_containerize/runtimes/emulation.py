"""Whether this machine can start the programs of an image: its own platform's, or emulated ones."""

from __future__ import annotations

import os
import platform as machine

from ..errors import ContainerizeError
from ..model.platform import Platform

_BINFMT = "/proc/sys/fs/binfmt_misc"
#: What emulators call a platform's architecture, where that is not OCI's name.
_NAMES = {"amd64": "x86_64", "arm64": "aarch64"}


def check(wanted: Platform) -> None:
    """See that an image of that platform can run here. Errors: `platform-not-runnable`.

    Source: Linux, Documentation/admin-guide/binfmt-misc.rst.
    """
    own = Platform.of_machine("linux", machine.machine())
    if wanted.architecture == own.architecture:
        return
    name = _NAMES.get(wanted.architecture, wanted.architecture)
    try:
        registered = os.listdir(_BINFMT)
    except OSError:
        registered = []
    if any(one.endswith(name) for one in registered):
        return
    raise ContainerizeError(
        "platform-not-runnable",
        what=f"The image is for {wanted}; this machine runs {own}.",
        why="No emulator for it is registered with the kernel (binfmt_misc).",
        fix=(
            "Push it and run it on such a machine; or emulate: "
            "apt-get install qemu-user-static binfmt-support"
        ),
    )
