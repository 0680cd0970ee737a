"""Where the model's code finds itself: the kernel's folder and module search path."""

from __future__ import annotations

import contextlib
import json
import os
import sys
from typing import NamedTuple

from ..problem import CannotStart

CONFIG_FILE = "/opt/jupyter-containerize/guest.json"


class Place(NamedTuple):
    """What `guest.json` says."""

    artifact: str
    cwd: str
    sys_path: list[str]

    def enter(self) -> None:
        """Make this process look as the kernel did. What the service needs is imported by then."""
        if self.cwd:
            with contextlib.suppress(OSError):  # it may be no folder of this image
                os.chdir(self.cwd)
        if self.sys_path:
            sys.path[:] = self.sys_path
        elif "" not in sys.path:
            sys.path.insert(0, "")


def read_place() -> Place:
    """Read `guest.json`; `CONTAINERIZE_GUEST_CONFIG` names another file in tests."""
    path = os.environ.get("CONTAINERIZE_GUEST_CONFIG", CONFIG_FILE)
    try:
        with open(path, encoding="utf-8") as file:
            data = json.load(file)
        found = data.get("version"), data.get("kind")
        if found != (1, "inference"):
            raise CannotStart(f"{path} is for another guest: {found}, not (1, 'inference').")
        return Place(data["artifact"], data.get("cwd", ""), data.get("sys_path", []))
    except (OSError, ValueError, KeyError, AttributeError) as error:
        raise CannotStart(f"{path} cannot be used: {error}. Build the image again.") from error
