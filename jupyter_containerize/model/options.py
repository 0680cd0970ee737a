"""What a user may ask of each step: parsed once at the surface, plain data from there on."""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass, field

from .base import BaseImage
from .cluster import ClusterOptions
from .plan import Base, ImageKind
from .run import Limits, Mount, Port, Restart

#: Files larger than this stop a build unless they are included by name or mounted.
DEFAULT_MAX_FILE_BYTES = 100_000_000
DEFAULT_RTOL = 1e-6
MAX_LAYERS = 24


@dataclass(frozen=True, slots=True)
class Mark:
    """A tag for a cell (by its number, from 1) that its notebook does not give it."""

    cell: int
    tag: str


@dataclass(frozen=True, slots=True)
class CaptureOptions:
    """How a notebook becomes a snapshot.

    `execute` false makes a static snapshot (imports only). `include` are absolute paths that
    go in whatever their size; `mounts` are absolute paths that stay out because a run will
    mount them. `environment` are variables set by the user: a value of None means "as in the
    kernel". `allow_secrets` names accepted secret findings (`CODE`, `cell N`, `PATH`, or
    `CODE@cell N` / `CODE@PATH`). `allow_errors` builds although a cell failed. `marks`
    are tags beside those that cells have. `kernel` is a kernelspec's name, "" for the
    notebook's own. `timeout_s` bounds each cell.
    """

    execute: bool = True
    include: tuple[str, ...] = ()
    mounts: tuple[str, ...] = ()
    environment: Mapping[str, str | None] = field(default_factory=dict)
    allow_secrets: tuple[str, ...] = ()
    allow_errors: bool = False
    marks: tuple[Mark, ...] = ()
    max_file_bytes: int = DEFAULT_MAX_FILE_BYTES
    kernel: str = ""
    timeout_s: float | None = None


@dataclass(frozen=True, slots=True)
class PlanOptions:
    """How a snapshot becomes an image plan.

    `guest` maps the guest's file names to their source text, read by the workflow because
    planning opens no file. `created` is RFC 3339 in UTC. `name` is the image's reference,
    "" to derive one from the notebook's name. `base_image` are the facts of a base that is not `host`. `mounts` are paths that the image leaves out
    and a run mounts. `snapshot_digest` saves computing it again.
    """

    guest: Mapping[str, str]
    name: str = ""
    kind: ImageKind = ImageKind.TRAINING
    base: Base = field(default_factory=Base)
    base_image: BaseImage | None = None
    created: str = "1970-01-01T00:00:00Z"
    max_layers: int = MAX_LAYERS
    mounts: tuple[str, ...] = ()
    snapshot_digest: str = ""


@dataclass(frozen=True, slots=True)
class RecipeOptions:
    """How a Dockerfile is rendered.

    `base` is what `FROM` names, "" for the Python image that fits the kernel. `hashes` maps a
    distribution's key to the SHA-256 sums (hex) of its files in the index; `why_no_hashes`
    explains their absence. `buildkit` allows what only BuildKit understands.
    """

    base: str = ""
    hashes: Mapping[str, tuple[str, ...]] = field(default_factory=dict)
    why_no_hashes: str = ""
    buildkit: bool = True


@dataclass(frozen=True, slots=True)
class RunOptions:
    """How an image is run; the same meanings as in `RunSpec`.

    Without `restart` the kind of image and the runtime decide.
    """

    parameters: Mapping[str, str] = field(default_factory=dict)
    environment: Mapping[str, str] = field(default_factory=dict)
    mounts: tuple[Mount, ...] = ()
    network: bool = False
    limits: Limits = field(default_factory=Limits)
    ports: tuple[Port, ...] = ()
    gpus: str = ""
    restart: Restart | None = None
    workers: int = 1
    cluster: ClusterOptions = field(default_factory=ClusterOptions)
