"""The image plan: everything an image will contain, before any byte exists. Pure data."""

from __future__ import annotations

import hashlib
from collections.abc import Mapping
from dataclasses import dataclass, field
from enum import Enum
from typing import ClassVar

from .codec import VOLATILE
from .platform import Platform
from .reasons import Finding

PLAN_VERSION = 1


class ImageKind(Enum):
    """`training` runs the cells to completion; `inference` serves an artifact."""

    TRAINING = "training"
    INFERENCE = "inference"


class BaseKind(Enum):
    """What lies under our layers."""

    HOST = "host"
    REGISTRY = "registry"
    LAYOUT = "layout"


@dataclass(frozen=True, slots=True)
class Base:
    """The base: `host`, or an image by reference, pinned to `digest`."""

    kind: BaseKind = BaseKind.HOST
    reference: str = ""
    digest: str = ""


@dataclass(frozen=True, slots=True)
class FileContent:
    """The bytes of a file on this machine; `sha256` (hex) where it is already known."""

    TAG: ClassVar[str] = "file"

    path: str
    size_bytes: int
    mtime_ns: int = field(default=0, metadata=VOLATILE)
    sha256: str | None = None


@dataclass(frozen=True, slots=True)
class InlineContent:
    """Bytes made by the plan itself, as text (UTF-8, surrogate-escaped)."""

    TAG: ClassVar[str] = "inline"

    text: str

    @property
    def data(self) -> bytes:
        """The bytes."""
        return self.text.encode("utf-8", "surrogateescape")


@dataclass(frozen=True, slots=True)
class BinaryContent:
    """Bytes made by the plan itself that are not text, in base64."""

    TAG: ClassVar[str] = "binary"

    base64: str


@dataclass(frozen=True, slots=True)
class BytecodeContent:
    """The hash-based `.pyc` of `source`, made from the existing `pyc` or compiled anew.

    `filename` is the `co_filename` it carries: the source's path in the image.
    """

    TAG: ClassVar[str] = "bytecode"

    source: FileContent
    filename: str
    pyc: FileContent | None = None


@dataclass(frozen=True, slots=True)
class RewrittenContent:
    """The file `source`; if its first line is a `#!` line that names a Python, `first_line` instead."""

    TAG: ClassVar[str] = "rewritten"

    source: FileContent
    first_line: str


@dataclass(frozen=True, slots=True)
class LinkContent:
    """A symbolic link's text."""

    TAG: ClassVar[str] = "link"

    to: str


@dataclass(frozen=True, slots=True)
class FolderContent:
    """An empty folder (parents of files need no entry of their own)."""

    TAG: ClassVar[str] = "folder"


Content = (
    FileContent
    | InlineContent
    | BinaryContent
    | BytecodeContent
    | RewrittenContent
    | LinkContent
    | FolderContent
)


@dataclass(frozen=True, slots=True)
class Entry:
    """One path in a layer. `target` is absolute in the image; `mode` is 0o644, 0o755 or 0o1777.

    Owner is always 0:0, unless `group_writable` asks for the OpenShift convention
    (owner = the image's user, group 0, group bits as the owner's).
    """

    target: str
    content: Content
    mode: int = 0o644
    group_writable: bool = False


class LayerKind(Enum):
    """Layers from the one that changes least to the one that changes most."""

    BASE = "base"
    LIBRARIES = "libraries"
    DISTRIBUTION = "distribution"
    DISTRIBUTIONS = "distributions"
    LOCAL_CODE = "local code"
    DATA = "data"
    GUEST = "guest"
    LINKS = "links"
    NOTEBOOK = "notebook"
    ARTIFACT = "artifact"


@dataclass(frozen=True, slots=True)
class LayerPlan:
    """The files of one layer. `title` is for people; `contains` lists what it holds.

    `entries` are sorted by target, with no target twice.
    """

    kind: LayerKind
    title: str
    entries: tuple[Entry, ...]
    contains: tuple[str, ...] = ()

    @property
    def size_bytes(self) -> int:
        """Bytes of the files that are known without reading (inline and bytecode estimated)."""
        return sum(_size(entry.content) for entry in self.entries)

    def key(self) -> str:
        """Return the cache key: hex SHA-256 over targets, modes, sizes, times and known hashes.

        Equal keys mean that the layer need not be read again on this machine.
        """
        # 16,000 entries and more: one text, not generic JSON. A zero byte, which no path has,
        # parts the fields; what may hold one goes in by its own digest.
        lines = [f"{_KEY_VERSION}\0{self.kind.value}\0{_digest(self.title)}"]
        lines.extend(_digest(text) for text in self.contains)
        lines.extend(
            f"{entry.target}\0{entry.mode:o}\0{entry.group_writable:d}\0{_key(entry.content)}"
            for entry in self.entries
        )
        return _digest("\n\0".join(lines))


#: Changes when the same plan gives other bytes than before.
_KEY_VERSION = 1


def _digest(text: str) -> str:
    return hashlib.sha256(text.encode("utf-8", "surrogatepass")).hexdigest()


def _key(content: Content) -> str:  # noqa: PLR0911 - one return per kind of content
    match content:
        case FileContent():
            return f"f\0{content.path}\0{content.size_bytes}\0{content.mtime_ns}\0{content.sha256}"
        case BytecodeContent():
            pyc = _key(content.pyc) if content.pyc is not None else ""
            return f"b\0{_key(content.source)}\0{content.filename}\0{pyc}"
        case RewrittenContent():
            return f"r\0{_key(content.source)}\0{_digest(content.first_line)}"
        case InlineContent():
            return f"i\0{_digest(content.text)}"
        case BinaryContent():
            return f"n\0{_digest(content.base64)}"
        case LinkContent():
            return f"l\0{content.to}"
        case FolderContent():
            return "d"


def _size(content: Content) -> int:
    match content:
        case FileContent():
            return content.size_bytes
        case InlineContent():
            return len(content.text)
        case BinaryContent():
            return len(content.base64) * 3 // 4
        case BytecodeContent():
            return (content.pyc or content.source).size_bytes
        case RewrittenContent():
            return content.source.size_bytes
        case _:
            return 0


@dataclass(frozen=True, slots=True)
class ImageConfig:
    """The runtime part of the OCI image config. Source: image-spec, config.md.

    `environment` maps names to values; `user` is `uid:gid`; `writable` are the folders that
    every runtime makes writable: the notebook's folder, HOME, `/tmp`, `/dev/shm`, `/outputs`.
    """

    user: str
    working_dir: str
    entrypoint: tuple[str, ...]
    command: tuple[str, ...] = ()
    environment: Mapping[str, str] = field(default_factory=dict)
    labels: Mapping[str, str] = field(default_factory=dict)
    exposed_ports: tuple[str, ...] = ()
    stop_signal: str = "SIGTERM"


@dataclass(frozen=True, slots=True)
class ContextFile:
    """One file, link or folder of a build context; `path` is relative to the context."""

    path: str
    content: Content
    executable: bool = False


@dataclass(frozen=True, slots=True)
class Recipe:
    """What `docker build` needs: `files` by path, `Dockerfile` and `.dockerignore` among them."""

    files: tuple[ContextFile, ...]
    buildkit: bool = True
    findings: tuple[Finding, ...] = ()


@dataclass(frozen=True, slots=True)
class ImagePlan:
    """Base, layers (bottom first) and config of one image. `created` is RFC 3339, UTC.

    `name` is the reference the image gets unless the user names another.
    `interpreter` is the kernel's executable on this machine: builders compile `.pyc` with it.
    `recipe` is there for a builder that works from a Dockerfile.
    """

    kind: ImageKind
    name: str
    platform: Platform
    base: Base
    layers: tuple[LayerPlan, ...]
    config: ImageConfig
    snapshot_digest: str
    interpreter: str
    pyc_magic: str
    created: str = "1970-01-01T00:00:00Z"
    findings: tuple[Finding, ...] = ()
    version: int = PLAN_VERSION
    recipe: Recipe | None = None


#: Fixed places in every image.
ROOT = "/opt/jupyter-containerize"
GUEST_FOLDER = f"{ROOT}/guest"
NOTEBOOK_FILE = f"{ROOT}/notebook.ipynb"
GUEST_CONFIG_FILE = f"{ROOT}/guest.json"
SBOM_FILE = f"{ROOT}/sbom.cdx.json"
ARTIFACT_FOLDER = f"{ROOT}/artifact"
#: Shared libraries that another base lacks.
LIBRARY_FOLDER = f"{ROOT}/lib"
OUTPUTS_FOLDER = "/outputs"

#: Our labels beside `org.opencontainers.image.*`.
LABEL_KIND = "io.jupyter-containerize.kind"
LABEL_SNAPSHOT = "io.jupyter-containerize.snapshot"
LABEL_MODE = "io.jupyter-containerize.mode"
LABEL_WRITABLE = "io.jupyter-containerize.writable"
LABEL_VERSION = "io.jupyter-containerize.version"
LABEL_PYTHON = "io.jupyter-containerize.python"
LABEL_PARAMETERS = "io.jupyter-containerize.parameters"
LABEL_NOTEBOOK_FOLDER = "io.jupyter-containerize.notebook-folder"
LABEL_LARGE_FILES = "io.jupyter-containerize.mounts"
#: Of inference images: what is served, and its signature, as JSON.
LABEL_MODEL = "io.jupyter-containerize.model"
LABEL_SIGNATURE = "io.jupyter-containerize.signature"
#: The port that inference images listen on.
SERVICE_PORT = 8080
