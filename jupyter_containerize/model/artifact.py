"""The artifact: what a notebook made and an inference image carries, with its signature."""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass, field
from typing import Any

from .codec import VOLATILE
from .files import FileEntry


@dataclass(frozen=True, slots=True)
class Artifact:
    """A saved object. `expression` is what named it in the kernel, `name` what URLs call it.

    `files` have the paths they get in the image; `folder` is where they lie on this machine.
    `signature` holds `style`, `inputs` and `outputs` as docs/architecture.md tells.
    """

    name: str
    expression: str
    adapter: str
    framework: str
    framework_version: str
    files: tuple[FileEntry, ...]
    signature: Mapping[str, Any] = field(default_factory=dict)
    folder: str = field(default="", metadata=VOLATILE)

    @property
    def size_bytes(self) -> int:
        """Bytes of all files."""
        return sum(entry.size_bytes for entry in self.files)
