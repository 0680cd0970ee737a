"""From an image and a run's wishes to the body of the engine's `create`. Pure.

Source: docs.docker.com, Docker Engine API, "Create a container" (1.40).
"""

from __future__ import annotations

import math
import os
from typing import Any

from ...engine.facts import Facts
from ...model.image import Image
from ...model.run import Restart, RunSpec
from ..preparation import command_of, writable_folders

#: By this label a container names its run.
LABEL_RUN = "io.jupyter-containerize.run"
OUTPUTS = "/outputs"
_TMP = "/tmp"  # noqa: S108 - the container's
_SHM = "/dev/shm"  # noqa: S108 - the container's
_SHM_BYTES = 1 << 30
_NOBODY_SPECIAL = "1000:0"
#: The engine counts from the start again once a container has lived for ten seconds.
_FAILURES_IN_A_ROW = 5


def container_name(run_id: str) -> str:
    """Return the name of a run's container."""
    return f"containerize-{run_id}"


def user_of(image: Image, spec: RunSpec, *, uid: int, facts: Facts) -> str:
    """Return the user to run as: never root unless the run asks for it.

    The caller's own uid where that is the same outside, so that mounted files are the caller's;
    group 0 may write where the image's user may.
    """
    if spec.user:
        return spec.user
    if uid and (not facts.rootless or facts.kind == "podman"):
        return f"{uid}:0"
    name = image.config.user.partition(":")[0]
    return _NOBODY_SPECIAL if name in ("", "0", "root") else image.config.user


def body(
    image: Image, spec: RunSpec, *, image_id: str, run_id: str, uid: int, facts: Facts
) -> dict[str, Any]:
    """Return the body of `create`. Errors: `no-command`."""
    command = command_of(image, spec)
    made: dict[str, Any] = {
        "Image": image_id,
        "User": user_of(image, spec, uid=uid, facts=facts),
        "Entrypoint": list(command[:1]),
        "Cmd": list(command[1:]),
        "Env": [f"{name}={value}" for name, value in spec.environment.items()],
        "Labels": {LABEL_RUN: run_id},
        "StopSignal": image.config.stop_signal,
        "AttachStdout": False,
        "AttachStderr": False,
        "HostConfig": _host_config(image, spec, facts),
    }
    if spec.ports:
        made["ExposedPorts"] = {f"{port.container}/tcp": {} for port in spec.ports}
    return made


def _host_config(image: Image, spec: RunSpec, facts: Facts) -> dict[str, Any]:
    limits = spec.limits
    host: dict[str, Any] = {
        "ReadonlyRootfs": True,
        "CapDrop": ["ALL"],
        "SecurityOpt": ["no-new-privileges"],
        "NetworkMode": network_mode(spec),
        "ShmSize": _SHM_BYTES,
        "Mounts": _mounts(image, spec),
        "RestartPolicy": _restart_policy(spec.restart),
        "Init": facts.init,
    }
    if limits.memory_bytes is not None:
        # No swap beyond it, or the limit would be twice as much.
        host.update(Memory=limits.memory_bytes, MemorySwap=limits.memory_bytes)
    if limits.processes is not None:
        host["PidsLimit"] = limits.processes
    if limits.cpus is not None:
        host["NanoCpus"] = math.ceil(limits.cpus * 1e9)
    if spec.gpus:
        count = -1 if spec.gpus == "all" else int(spec.gpus)
        host["DeviceRequests"] = [{"Count": count, "Capabilities": [["gpu"]]}]
    if spec.ports:
        host["PortBindings"] = {
            f"{port.container}/tcp": [
                {"HostIp": "127.0.0.1", "HostPort": str(port.host) if port.host else ""}
            ]
            for port in spec.ports
        }
    if facts.kind == "podman" and facts.rootless:
        host["UsernsMode"] = "keep-id"
    return host


def _restart_policy(restart: Restart) -> dict[str, Any]:
    """Return the engine's words. What fails at once, time after time, is not started for ever."""
    policy: dict[str, Any] = {"Name": restart.value}
    if restart is Restart.ON_FAILURE:
        policy["MaximumRetryCount"] = _FAILURES_IN_A_ROW
    return policy


def network_mode(spec: RunSpec) -> str:
    """Return `none`, or the engine's bridge where the run wants the network or a port."""
    return "bridge" if spec.network or spec.ports else "none"


def _mounts(image: Image, spec: RunSpec) -> list[dict[str, Any]]:
    """Return a volume for each place to write to (filled from the image), and the user's mounts."""
    volumes = [{"Type": "volume", "Target": path} for path in writable(image)]
    binds = [
        {"Type": "bind", "Source": one.host, "Target": one.path, "ReadOnly": one.read_only}
        for one in spec.mounts
    ]
    taken = {os.path.normpath(one.path) for one in spec.mounts}
    return [one for one in volumes if one["Target"] not in taken] + binds


def writable(image: Image) -> tuple[str, ...]:
    """Return the folders that become volumes, none inside another; `/dev/shm` is the engine's."""
    paths = {os.path.normpath(path) for path in (*writable_folders(image), _TMP, OUTPUTS)}
    found: list[str] = []
    for path in sorted(paths - {_SHM, "/"}):
        if not any(path.startswith(f"{above}/") for above in found):
            found.append(path)
    return tuple(found)


def restarts(spec: RunSpec) -> bool:
    """Whether the engine may start the container again by itself."""
    return spec.restart is not Restart.NEVER
