"""Files and folders as recorded facts: no I/O here."""

from __future__ import annotations

from dataclasses import dataclass, field
from enum import Enum
from typing import ClassVar

from .codec import VOLATILE


class FileKind(Enum):
    """What an entry of a file table is."""

    FILE = "file"
    SYMLINK = "symlink"
    DIRECTORY = "directory"


@dataclass(frozen=True, slots=True)
class FileEntry:
    """One file, symlink or folder on the kernel's machine, as `lstat` saw it.

    `path` is absolute and normalised, not resolved. `sha256` is hex and known either from
    a RECORD whose size and time still fit, or because the file was read; None otherwise.
    `link` is a symlink's text. Undecodable bytes in names are surrogate-escaped.
    """

    ROW: ClassVar[bool] = True

    path: str
    kind: FileKind = FileKind.FILE
    size_bytes: int = 0
    mtime_ns: int = field(default=0, metadata=VOLATILE)
    executable: bool = False
    sha256: str | None = None
    link: str | None = None
