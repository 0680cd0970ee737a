"""What the image tells the guest: `guest.json`, written by planning (docs/architecture.md)."""

from __future__ import annotations

import json
import os
from typing import Any, NamedTuple

from .problem import CannotStart

CONFIG_FILE = "/opt/jupyter-containerize/guest.json"


class Settings(NamedTuple):
    """The fields of `guest.json`."""

    notebook: str
    outputs: str
    folder: str
    cwd: str
    sys_path: list[str]
    parameters: list[dict[str, str]]
    matplotlib_backend: str
    large_files: list[str]


def read_settings() -> Settings:
    """Read the image's settings; `CONTAINERIZE_GUEST_CONFIG` names another file in tests."""
    path = os.environ.get("CONTAINERIZE_GUEST_CONFIG", CONFIG_FILE)
    try:
        with open(path, encoding="utf-8") as file:
            data: dict[str, Any] = json.load(file)
    except (OSError, ValueError) as error:
        raise CannotStart(
            f"The image's settings cannot be read: {error}. Build it again."
        ) from error
    if data.get("version") != 1 or data.get("kind") != "training":
        found = f"version {data.get('version')}, kind {data.get('kind')}"
        raise CannotStart(
            f"{path} is for another guest ({found}; this one is version 1, training)."
        )
    return Settings(
        notebook=data["notebook"],
        outputs=os.environ.get("CONTAINERIZE_OUTPUTS") or data.get("outputs", "/outputs"),
        folder=data.get("folder", ""),
        cwd=data.get("cwd", ""),
        sys_path=data.get("sys_path", []),
        parameters=data.get("parameters", []),
        matplotlib_backend=data.get("matplotlib_backend", ""),
        large_files=data.get("large_files", []),
    )


def check_mounts(paths: list[str]) -> None:
    """Raise `CannotStart` naming each file that was to be mounted and is not there."""
    missing = [path for path in paths if not os.path.exists(path)]
    if missing:
        options = "".join(f"\n  --mount HOST:{path}:ro" for path in missing)
        raise CannotStart(
            "These files were too large for the image and must be mounted, HOST being where "
            f"they are on this machine:{options}"
        )


def prepare_outputs(folder: str) -> str:
    """Make the outputs' folders, empty the trail; return the folder of our own records."""
    ours = os.path.join(folder, ".containerize")
    try:
        os.makedirs(ours, exist_ok=True)
        with open(os.path.join(ours, "cells.jsonl"), "w", encoding="utf-8"):
            pass
    except OSError as error:
        raise CannotStart(
            f"The outputs cannot be written: {folder}: {error.strerror}. Mount a folder there "
            f"that user {os.getuid()} may write to, with space left on it."
        ) from error
    return ours
