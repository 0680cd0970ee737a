"""The platform an image is for, as in the OCI image index specification."""

from __future__ import annotations

from dataclasses import dataclass

from ..errors import ContainerizeError

_ARCHITECTURES = {
    "x86_64": "amd64",
    "amd64": "amd64",
    "aarch64": "arm64",
    "arm64": "arm64",
    "armv7l": "arm",
    "ppc64le": "ppc64le",
    "s390x": "s390x",
    "riscv64": "riscv64",
}


@dataclass(frozen=True, slots=True)
class Platform:
    """Operating system and architecture with OCI's names (`linux`, `amd64`)."""

    os: str
    architecture: str

    def __str__(self) -> str:
        return f"{self.os}/{self.architecture}"

    @classmethod
    def parse(cls, text: str) -> Platform:
        """Parse `os/architecture`. Errors: `invalid-platform`."""
        os, _, architecture = text.partition("/")
        known = _ARCHITECTURES.get(architecture)
        if os not in ("linux", "darwin", "windows") or known is None:
            raise ContainerizeError(
                "invalid-platform",
                what=f"{text!r} is not a platform.",
                fix="Write it as os/architecture, for example linux/amd64 or linux/arm64.",
            )
        return cls(os, known)

    @classmethod
    def of_machine(cls, system: str, machine: str) -> Platform:
        """Return the platform for `platform.system()` and `platform.machine()` values."""
        return cls(system.lower(), _ARCHITECTURES.get(machine.lower(), machine.lower()))
