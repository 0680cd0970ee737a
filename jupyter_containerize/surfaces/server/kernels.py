"""The server's kernels, as the capture reaches them."""

from __future__ import annotations

from typing import Any

from ...errors import ContainerizeError


def connection_of(kernel_id: str, manager: Any) -> str:
    """Return a kernel's connection file. Errors: `no-such-kernel`, `remote-kernel`."""
    if kernel_id not in manager:
        raise ContainerizeError(
            "no-such-kernel",
            what="This notebook's kernel is not there any more.",
            why="It was shut down, or it died.",
            fix="Restart the kernel and run the cells, or build without a kernel: the notebook is "
            "then run in a new one.",
        )
    kernel = manager.get_kernel(kernel_id)
    path = getattr(kernel, "connection_file", "")
    if not isinstance(path, str) or not path:
        raise ContainerizeError(
            "remote-kernel",
            what="This notebook's kernel does not run on this server.",
            why="The server passes it through a gateway, so its files cannot be read from here.",
            fix="Use `%containerize` in the notebook, or start a kernel on this server.",
        )
    return path
