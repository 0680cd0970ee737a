"""The server's kernels, as the capture reaches them."""

from __future__ import annotations

from typing import Any

from jupyter_core.utils import ensure_async

from ...errors import ContainerizeError

_GONE_FIX = (
    "Restart the kernel and run the cells; or build without the kernel: the notebook is then run "
    "in a new one."
)


async def connection_of(kernel_id: str, manager: Any) -> str:
    """Return a living kernel's connection file.

    A worker that asks a dead one would wait for its heartbeat first. Errors: `no-such-kernel`,
    `kernel-died`, `remote-kernel`.
    """
    if kernel_id not in manager:
        raise ContainerizeError(
            "no-such-kernel",
            what="This notebook's kernel is not there any more.",
            why="It was shut down, or it died.",
            fix=_GONE_FIX,
        )
    kernel = manager.get_kernel(kernel_id)
    path = getattr(kernel, "connection_file", "")
    if not isinstance(path, str) or not path:
        raise ContainerizeError(
            "remote-kernel",
            what="This notebook's kernel does not run on this server.",
            why="The server passes it through a gateway, so its files cannot be read from here.",
            fix="Use `%containerize` in the notebook, with jupyter-containerize installed where the "
            "kernel runs; or build without the kernel: the notebook is then run in a new one on "
            "this server.",
        )
    if not await ensure_async(kernel.is_alive()):
        raise ContainerizeError(
            "kernel-died",
            what="This notebook's kernel is dead.",
            why="Its process ended, and what it had loaded is gone.",
            fix=_GONE_FIX,
        )
    return path
