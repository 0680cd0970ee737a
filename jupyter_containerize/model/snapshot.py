"""The snapshot: an immutable, serialisable record of one kernel and notebook at one instant.

It holds no live objects and no secret values. Its digest leaves out times and host names.
The JSON Schema is published as `docs/snapshot.schema.json`.
"""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass, field
from enum import Enum
from typing import Any

from .artifact import Artifact
from .codec import VOLATILE, digest_of
from .files import FileEntry
from .platform import Platform
from .reasons import Finding, Reason

#: The format that this version writes; `capture` migrates older ones, refuses newer ones.
SNAPSHOT_VERSION = 1


class SnapshotMode(Enum):
    """`live`: the cells ran in this kernel. `static`: only imports ran; never verified."""

    LIVE = "live"
    STATIC = "static"


class CellSource(Enum):
    """Where a cell's source text comes from, in order of precedence."""

    EXECUTED = "executed"
    FRONT_END = "front end"
    FILE = "file"
    HISTORY = "history"


@dataclass(frozen=True, slots=True)
class Cell:
    """One code cell in document order; `number` is 1-based among the notebook's code cells.

    `outputs` are nbformat 4 output objects as recorded, None when the cell never ran.
    `tags` are the cell's metadata tags (`parameters`, `serve`, `skip`, `nondeterministic`).
    Cells that only hold our own magics and cells tagged `skip` are not in a snapshot.
    """

    id: str
    number: int
    source: str
    origin: CellSource
    tags: tuple[str, ...] = ()
    execution_count: int | None = None
    outputs: tuple[Any, ...] | None = None


@dataclass(frozen=True, slots=True)
class TextCell:
    """A Markdown or raw cell, so that the executed notebook reads as the author wrote it.

    It stands before code cell `before` (1-based; one more than there are: at the end).
    `kind` is nbformat's cell type. Attachments (pasted pictures) are kept as nbformat has them.
    """

    id: str
    before: int
    source: str
    kind: str = "markdown"
    attachments: Mapping[str, Any] = field(default_factory=dict)


@dataclass(frozen=True, slots=True)
class Notebook:
    """The notebook: `path` is absolute, "" when there is no file (then `folder` is the cwd)."""

    name: str
    path: str
    folder: str
    cells: tuple[Cell, ...]
    metadata: Mapping[str, Any] = field(default_factory=dict)
    texts: tuple[TextCell, ...] = ()


@dataclass(frozen=True, slots=True)
class Interpreter:
    """The kernel's Python, as it described itself.

    `executable` is `sys.executable`, `real_executable` the file behind all links.
    `sys_path` is the kernel's at capture, with "" for the current folder. `stdlib` and
    `platstdlib` are folders, `pyc_magic` hex. `conda` is true under a conda prefix.
    `markers` is the PEP 508 environment. `purelib`/`platlib` are the active site folders.
    """

    executable: str
    real_executable: str
    version: str
    implementation: str
    cache_tag: str
    pyc_magic: str
    prefix: str
    base_prefix: str
    exec_prefix: str
    base_exec_prefix: str
    sys_path: tuple[str, ...]
    stdlib: str
    platstdlib: str
    purelib: str
    platlib: str
    site_packages: tuple[str, ...]
    user_site: str | None
    conda: bool
    markers: Mapping[str, str]
    libc: tuple[str, ...] = ()
    home: str = ""
    optimize: int = 0


class OriginKind(Enum):
    """Where an installed distribution came from."""

    INDEX = "index"
    VCS = "vcs"
    LOCAL = "local"
    EDITABLE = "editable"
    CONDA = "conda"
    SYSTEM = "system"
    UNKNOWN = "unknown"


@dataclass(frozen=True, slots=True)
class Origin:
    """A distribution's origin; `url` never holds credentials, `commit` is for VCS.

    `package` names the owning dpkg/rpm/conda package (`python3-numpy 1:1.24.2-1`). `hashes` are
    the index's (`sha256:<hex>`), where it was resolved for another platform.
    """

    kind: OriginKind
    url: str = ""
    commit: str = ""
    package: str = ""
    hashes: tuple[str, ...] = ()


@dataclass(frozen=True, slots=True)
class Distribution:
    """An installed Python package with the files that go into the image.

    `name` is as in its metadata, `key` normalised by PEP 503. `location` is the site folder
    that holds its metadata. `files` are what its RECORD (or the folder, or dpkg) lists and
    what exists, absolute, without `.pyc` files: those are in `bytecode`.
    `requires` are keys of other distributions in the snapshot (markers and extras applied).
    `import_names` are its top-level modules. `license` is an SPDX expression or "". `pure` says
    that its files are the same on every platform.
    """

    name: str
    key: str
    version: str
    origin: Origin
    location: str
    files: tuple[FileEntry, ...]
    bytecode: tuple[FileEntry, ...] = ()
    requires: tuple[str, ...] = ()
    import_names: tuple[str, ...] = ()
    reasons: tuple[Reason, ...] = ()
    license: str = ""
    summary: str = ""
    pure: bool = False

    @property
    def size_bytes(self) -> int:
        """Bytes of all files, compiled ones not counted."""
        return sum(entry.size_bytes for entry in self.files)


@dataclass(frozen=True, slots=True)
class LocalCode:
    """A module or package imported from the notebook's folder, a parent, or an editable install.

    `root` is the `sys.path` folder it was found in; `files` include package data beside it
    and all carry `sha256`. `distribution` is the key of the editable one it belongs to, or "".
    """

    name: str
    root: str
    files: tuple[FileEntry, ...]
    distribution: str = ""
    reasons: tuple[Reason, ...] = ()


@dataclass(frozen=True, slots=True)
class DataFile:
    """A file or folder that cells read, or that the user asked for with `--include`.

    `path` is absolute; `given` is how the cell named it (`../data/x.csv`), if known. For a
    folder `files` has all below it. Symlinks on the way appear as entries of their own.
    """

    path: str
    files: tuple[FileEntry, ...]
    given: str = ""
    reasons: tuple[Reason, ...] = ()

    @property
    def size_bytes(self) -> int:
        """Bytes of all files."""
        return sum(entry.size_bytes for entry in self.files)


@dataclass(frozen=True, slots=True)
class SystemPackage:
    """The dpkg or rpm package that owns system files; `status` is its dpkg stanza, or "".

    `distro` is the operating system's ID and version from os-release (`debian-12`), or "".
    """

    manager: str
    name: str
    version: str
    architecture: str
    source: str = ""
    status: str = ""
    distro: str = ""


@dataclass(frozen=True, slots=True)
class NativeLibrary:
    """A shared library outside all distributions.

    `files` holds the real file and every symlink on the way from the name that was asked
    for. `search_path` is true when the loader finds it by soname in its default search (so
    it belongs into `ld.so.cache`). `package` is the owning package's name, or "".
    """

    soname: str
    path: str
    files: tuple[FileEntry, ...]
    search_path: bool = False
    package: str = ""
    reasons: tuple[Reason, ...] = ()


@dataclass(frozen=True, slots=True)
class Executable:
    """A program that cells call, with the symlinks on the way and its interpreter's files."""

    name: str
    path: str
    files: tuple[FileEntry, ...]
    package: str = ""
    reasons: tuple[Reason, ...] = ()


class SystemGroup(Enum):
    """What a group of system files is for."""

    INTERPRETER = "interpreter"
    STDLIB = "standard library"
    LOADER = "loader"
    CERTIFICATES = "certificates"
    TIME_ZONES = "time zones"
    LOCALES = "locales"
    GCONV = "character sets"
    OPENSSL = "OpenSSL providers"
    IDENTITY = "identity"
    TOOLS = "tools"


@dataclass(frozen=True, slots=True)
class SystemFiles:
    """Files that base `host` needs beside libraries: the standard library, certificates, ...

    `bytecode` are existing `.pyc` files of the standard library; `package` as elsewhere.
    """

    group: SystemGroup
    files: tuple[FileEntry, ...]
    bytecode: tuple[FileEntry, ...] = ()
    packages: tuple[str, ...] = ()
    reasons: tuple[Reason, ...] = ()


@dataclass(frozen=True, slots=True)
class Variable:
    """An environment variable: `value` is None when only its name is recorded."""

    name: str
    value: str | None = None
    reasons: tuple[Reason, ...] = ()


@dataclass(frozen=True, slots=True)
class Parameter:
    """A papermill-style parameter: a simple assignment in the cell tagged `parameters`.

    `default` is the source text of its value, `type` the Python type's name or "".
    """

    name: str
    default: str
    type: str = ""


@dataclass(frozen=True, slots=True)
class Snapshot:
    """Everything known about one kernel and notebook at one instant.

    With an `artifact` it is of the kind inference: it holds what serving that needs, no more.
    """

    notebook: Notebook
    interpreter: Interpreter
    platform: Platform
    mode: SnapshotMode = SnapshotMode.LIVE
    distributions: tuple[Distribution, ...] = ()
    local_code: tuple[LocalCode, ...] = ()
    data_files: tuple[DataFile, ...] = ()
    libraries: tuple[NativeLibrary, ...] = ()
    executables: tuple[Executable, ...] = ()
    system_files: tuple[SystemFiles, ...] = ()
    system_packages: tuple[SystemPackage, ...] = ()
    environment: tuple[Variable, ...] = ()
    parameters: tuple[Parameter, ...] = ()
    findings: tuple[Finding, ...] = ()
    cwd: str = ""
    artifact: Artifact | None = None
    version: int = SNAPSHOT_VERSION
    created_at: str = field(default="", metadata=VOLATILE)
    host: str = field(default="", metadata=VOLATILE)

    def digest(self) -> str:
        """Return `sha256:<hex>` over everything but times and host names."""
        return digest_of(self)
