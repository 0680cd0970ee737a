"""What one engine is and can do, from its own answers."""

from __future__ import annotations

from dataclasses import dataclass
from typing import Any

from ..model.platform import Platform

#: What limits an engine says it can keep, by its name in `/info`.
_LIMITS = {"--memory": "MemoryLimit", "--cpus": "CpuCfsQuota", "--processes": "PidsLimit"}
#: Docker 19.03: device requests, init and mounts as we use them.
MIN_API = (1, 40)


@dataclass(frozen=True, slots=True)
class Facts:
    """`kind` is docker or podman; `containerd_store` tells how the engine keeps images.

    `init` tells whether it may have a small program that reaps orphans.
    """

    kind: str
    version: str
    api: tuple[int, int]
    platform: Platform
    containerd_store: bool
    rootless: bool
    init: bool

    @classmethod
    def of(cls, version: dict[str, Any], info: dict[str, Any]) -> Facts:
        """Read the answers to `/version` and `/info` (empty: what `/version` does not say is off)."""
        security = " ".join(map(str, info.get("SecurityOptions") or ()))
        status = {
            str(row[0]): str(row[1]) for row in info.get("DriverStatus") or () if len(row) > 1
        }
        machine = {"x86_64": "amd64", "aarch64": "arm64"}
        architecture = str(info.get("Architecture") or version.get("Arch") or "")
        return cls(
            kind=kind_of(version),
            version=str(version.get("Version", "")),
            api=api_of(version),
            platform=Platform(
                str(info.get("OSType") or version.get("Os") or "linux"),
                machine.get(architecture, architecture),
            ),
            containerd_store="containerd.snapshotter" in status.get("driver-type", ""),
            rootless="rootless" in security,
            init=kind_of(version) == "podman" or bool(info.get("InitBinary")),
        )

    def __str__(self) -> str:
        name = "Docker" if self.kind == "docker" else "podman"
        store = ", containerd image store" if self.containerd_store else ""
        return f"{name} {self.version}{', rootless' if self.rootless else ''}{store}"


def kind_of(version: dict[str, Any]) -> str:
    """Return `podman` or `docker`, by the answer to `/version`."""
    names = " ".join(str(one.get("Name", "")) for one in version.get("Components") or ())
    return "podman" if "podman" in names.lower() else "docker"


def api_of(version: dict[str, Any]) -> tuple[int, int]:
    """Return the API version that an engine speaks, (0, 0) if it does not say."""
    major, _, minor = str(version.get("ApiVersion", "")).partition(".")
    return (int(major), int(minor)) if major.isdigit() and minor.isdigit() else (0, 0)


def limits_of(info: dict[str, Any], facts: Facts) -> frozenset[str]:
    """Return which limits (`--memory`, …) an engine keeps, by its answer to `/info`."""
    if facts.kind == "podman" and facts.rootless and str(info.get("CgroupVersion")) == "1":
        return frozenset()  # it says that it does, and leaves them out
    return frozenset(option for option, name in _LIMITS.items() if info.get(name, True))
