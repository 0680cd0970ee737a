"""The probe record as it arrives: checked once, so that nobody after needs to."""

from __future__ import annotations

import json
from typing import Any

from ..errors import ContainerizeError

#: The format of `docs/architecture.md`; `probe.recorder` writes the same number.
RECORD_VERSION = 1

_KINDS: dict[str, type | tuple[type, ...]] = {
    "created_at": str,
    "host": str,
    "pid": int,
    "boot_id": str,
    "python": dict,
    "platform": dict,
    "cwd": str,
    "initial_cwd": str,
    "session": dict,
    "kernel": dict,
    "modules": list,
    "executions": list,
    "history": list,
    "names": dict,
    "opens": list,
    "commands": list,
    "maps": list,
    "env_read": list,
    "environ": dict,
    "static": bool,
    "problems": list,
}


def parse(text: str | bytes) -> dict[str, Any]:
    """Return the record in JSON `text`, checked by `check`."""
    try:
        data = json.loads(text)
    except ValueError as error:
        raise _broken(str(error)) from error
    return check(data)


def check(data: Any) -> dict[str, Any]:
    """Return `data` if it is a probe record that this version understands.

    Errors: `record-too-new` for a record of a later version, `bad-format` for anything else.
    """
    version = data.get("version") if isinstance(data, dict) else None
    if not isinstance(version, int):
        raise _broken("it has no version")
    if version > RECORD_VERSION:
        raise ContainerizeError(
            "record-too-new",
            what=f"The kernel's record has version {version}; this reads up to {RECORD_VERSION}.",
            why="The kernel has a newer jupyter-containerize than the program that reads it.",
            fix="Install the same version of jupyter-containerize in both environments.",
        )
    for key, kind in _KINDS.items():
        if not isinstance(data.get(key), kind):
            raise _broken(f"`{key}` is missing or of the wrong kind")
    record: dict[str, Any] = data
    return record


def _broken(why: str) -> ContainerizeError:
    return ContainerizeError(
        "bad-format",
        what="This is not a record that a kernel's probe wrote.",
        why=why,
        fix="Capture the notebook again.",
    )
