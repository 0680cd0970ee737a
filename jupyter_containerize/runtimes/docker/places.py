"""Places to write to in images that were not made for it."""

from __future__ import annotations

import io
import tarfile
from collections.abc import Mapping
from typing import Any

from ...engine.client import Engine
from ...model.image import Image
from ...model.plan import LABEL_VERSION
from .container import OUTPUTS

_PLACES = ("tmp", OUTPUTS.lstrip("/"))


def create(name: str, body: Mapping[str, Any], image: Image, engine: Engine) -> str:
    """Create the container; let everyone write to `/tmp` and `/outputs`. Errors: the engine's.

    Images that we made have these folders. In others a fresh volume there would be root's, and
    nothing but a container whose root may be written to can change that: so one that is never
    started opens the volumes, and hands them on.
    """
    if LABEL_VERSION in image.config.labels:
        return engine.create(name, body)
    host = body["HostConfig"]
    opener = {"Image": body["Image"], "Cmd": ["none"], "Labels": body["Labels"]}
    opener["HostConfig"] = {"Mounts": [one for one in host["Mounts"] if one["Type"] == "volume"]}
    opened = engine.create(f"{name}-places", opener)
    try:
        engine.put(opened, "/", _open_folders())
        binds = [one for one in host["Mounts"] if one["Type"] != "volume"]
        made = {**body, "HostConfig": {**host, "Mounts": binds, "VolumesFrom": [opened]}}
        created = engine.create(name, made)
    except BaseException:
        engine.remove(opened)
        raise
    engine.remove(opened, volumes=False)  # they are the other's now
    return created


def _open_folders() -> bytes:
    buffer = io.BytesIO()
    with tarfile.open(fileobj=buffer, mode="w") as tar:
        for name in _PLACES:
            entry = tarfile.TarInfo(name)
            entry.type, entry.mode = tarfile.DIRTYPE, 0o1777
            tar.addfile(entry)
    return buffer.getvalue()
