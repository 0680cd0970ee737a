"""Waits for the answer of a kernel that somebody else started, as long as it is there."""

from __future__ import annotations

import asyncio
import time
from collections.abc import Coroutine
from queue import Empty
from typing import Any, TypeVar

from jupyter_client.asynchronous.client import AsyncKernelClient

from ..errors import ContainerizeError

#: How long a kernel's heart may stand still: a starved machine stops it for seconds.
GONE_S = 20.0
LOOK_S = 1.0
T = TypeVar("T")


async def while_there(client: AsyncKernelClient, work: Coroutine[Any, Any, T]) -> T:
    """Await `work`, which asks a kernel that may be busy with a cell for hours.

    A kernel that dies never answers, nor does its successor, which the server starts on the
    same ports: who it is, it tells on the control channel, beside the cell that runs. One that
    tells nothing there is watched by its heartbeat alone. Errors: those of `work`, `kernel-died`.
    """
    task = asyncio.ensure_future(work)
    who, asked, heard = "", False, time.monotonic()
    try:
        while not task.done():
            if not asked:
                client.control_channel.send(client.session.msg("kernel_info_request"))
                asked = True
            now_there = await _answered_by(client)
            if now_there:
                if who and now_there != who:
                    raise _gone("It was started again, and what it had loaded is gone.")
                who, asked = now_there, False
            if now_there or client.hb_channel.is_beating():
                heard = time.monotonic()
            elif time.monotonic() - heard > GONE_S:
                raise _gone(f"It has shown no sign of life for {GONE_S:.0f} seconds.")
            await asyncio.wait({task}, timeout=LOOK_S)
        return task.result()
    finally:
        task.cancel()


async def _answered_by(client: AsyncKernelClient) -> str:
    """Return which kernel process has answered on the control channel, "" if none has."""
    try:
        message = await client.control_channel.get_msg(timeout=LOOK_S)
    except Empty:
        return ""
    session: str = message["header"]["session"]
    return session


def _gone(why: str) -> ContainerizeError:
    return ContainerizeError(
        "kernel-died",
        what="The kernel died.",
        why=why,
        fix="Restart the kernel and run the cells; or build without the kernel: the notebook is then "
        "run in a new one.",
    )
