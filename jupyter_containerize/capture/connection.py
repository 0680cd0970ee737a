"""Talks to a kernel: injects the probe and fetches its record."""

from __future__ import annotations

import os
import shutil
import tempfile
from typing import Any

from jupyter_client.asynchronous.client import AsyncKernelClient

from ..errors import ContainerizeError
from . import injection
from . import record as records

#: How long an idle kernel may take to answer; importing what cells name has no limit.
ANSWER_S = 60.0


async def call(
    client: AsyncKernelClient,
    function: str,
    *arguments: object,
    timeout_s: float | None,
    **options: object,
) -> None:
    """Call the probe's `function` in the kernel. Errors: `kernel-silent`, `probe-failed`."""
    await execute(client, injection.code(function, *arguments, **options), timeout_s=timeout_s)


async def execute(client: AsyncKernelClient, code: str, *, timeout_s: float | None) -> None:
    """Run code of ours in the kernel. Errors: `kernel-silent`, `probe-failed`."""
    try:
        reply = await client.execute(
            code,
            silent=True,
            store_history=False,
            allow_stdin=False,
            stop_on_error=False,
            reply=True,
            timeout=timeout_s,
        )
    except TimeoutError as error:
        raise ContainerizeError(
            "kernel-silent",
            what=f"The kernel did not answer within {timeout_s:.0f} seconds.",
            why="It is busy with a cell, or it hangs.",
            fix="Wait until the cell has ended or interrupt it, then try again.",
        ) from error
    content = reply["content"]
    if content["status"] != "ok":
        raise ContainerizeError(
            "probe-failed",
            what="The kernel could not tell what it has loaded and read.",
            why=f"{content.get('ename', content['status'])}: {content.get('evalue', '')}"[:500],
            fix="Restart the kernel and try again; if it stays, please report it.",
        )


async def fetch(client: AsyncKernelClient, *, timeout_s: float | None = ANSWER_S) -> dict[str, Any]:
    """Return the kernel's probe record.

    It comes through a file in a folder only we can read, for it can be large, and because a
    kernel whose files are not our files cannot be containerized from here (`remote-kernel`).
    """
    folder = tempfile.mkdtemp(prefix="jupyter-containerize-")
    path = os.path.join(folder, "record.json")
    try:
        await call(client, "write", path, timeout_s=timeout_s)
        record = _read(path)
    except FileNotFoundError as error:
        raise _remote("The file that it wrote did not appear here.") from error
    except ContainerizeError as error:
        if error.code == "probe-failed" and folder in error.why:
            raise _remote("It could not write into a folder of this machine.") from error
        raise
    finally:
        shutil.rmtree(folder, ignore_errors=True)
    _check_is_here(record)
    return record


def _read(path: str) -> dict[str, Any]:
    with open(path, "rb") as file:
        return records.parse(file.read())


def _check_is_here(record: dict[str, Any]) -> None:
    python = record["python"]["real_executable"]
    if record["boot_id"] != _boot_id():
        raise _remote(f"It runs on {record['host']}.")
    if not os.path.exists(python):
        raise _remote(f"Its Python, {python}, is not to be seen here.")


def _boot_id() -> str:
    try:
        with open("/proc/sys/kernel/random/boot_id", encoding="ascii") as file:
            return file.read().strip()
    except OSError:
        return ""


def _remote(why: str) -> ContainerizeError:
    return ContainerizeError(
        "remote-kernel",
        what="The kernel runs where its files cannot be read from here.",
        why=why,
        fix="Run `jupyter containerize` or the magic on the machine (or in the container) where "
        "the kernel runs; or build without the kernel: the notebook is then run in a new one here.",
    )
