"""What a surface asks of the workflow: one dataclass a command, plain data over any pipe.

Paths are absolute: the surface knows the folder the user is in, the worker does not.
`store` is the store's folder, "" for the default one. `image` is a name, a digest, or the
beginning of one; `run` a run's id or its beginning; "" means the newest.
"""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass, field
from typing import Any

from .cluster import ClusterOptions, Place
from .options import DEFAULT_RTOL, CaptureOptions, RunOptions


@dataclass(frozen=True, slots=True)
class BuildRequest:
    """Build an image, or only `plan` it.

    `base` is `host`, an image's reference or `oci:DIR`; `platform` such as `linux/arm64`, several
    with commas between them; `pull` asks the registry for a newer base; `slim` leaves out what
    runs do not need of packages.

    `record` is the file of a probe record of a live kernel; without one the notebook's
    kernel is started; `connection` is the connection file of a running kernel that is asked for
    its record. `front_end` is the notebook as the front end shows it (nbformat JSON). `output` is `oci:DIR`, `oci-archive:FILE` or `docker-archive:FILE`. `to` is `docker`: into the engine.
    """

    notebook: str = ""
    record: str = ""
    connection: str = ""
    front_end: Mapping[str, Any] | None = None
    capture: CaptureOptions = field(default_factory=CaptureOptions)
    name: str = ""
    base: str = "host"
    platform: str = ""
    pull: bool = False
    slim: bool = False
    builder: str = ""
    output: str = ""
    to: str = ""
    run: bool = False
    verify: bool = False
    runtime: str = ""
    options: RunOptions = field(default_factory=RunOptions)
    rtol: float = DEFAULT_RTOL
    store: str = ""


@dataclass(frozen=True, slots=True)
class ServeRequest:
    """Build an inference image of the object that `expression` names in the notebook's kernel.

    `saved` is the folder in which a live kernel has saved it already (see `capture.saving`), with
    its probe `record`; `connection` is the connection file of a running kernel that is to save it;
    without them, or if nothing has run there, the notebook's kernel is started. `example` is an
    expression too. `compile` is "" or `onnx`. `batches` says that a callable takes rows of several requests.
    `packages` are distributions to add. `port` is the one of this machine for `run`, 0 for any.
    """

    expression: str = ""
    notebook: str = ""
    record: str = ""
    connection: str = ""
    saved: str = ""
    front_end: Mapping[str, Any] | None = None
    example: str = ""
    compile: str = ""
    batches: bool = False
    packages: tuple[str, ...] = ()
    capture: CaptureOptions = field(default_factory=CaptureOptions)
    name: str = ""
    base: str = "host"
    pull: bool = False
    slim: bool = False
    builder: str = ""
    output: str = ""
    to: str = ""
    run: bool = False
    detach: bool = False
    port: int = 0
    runtime: str = ""
    options: RunOptions = field(default_factory=RunOptions)
    store: str = ""


@dataclass(frozen=True, slots=True)
class RunRequest:
    """Run an image, or `entrypoint` in it; `detach` returns once it has started."""

    image: str = ""
    options: RunOptions = field(default_factory=RunOptions)
    entrypoint: tuple[str, ...] | None = None
    runtime: str = ""
    detach: bool = False
    store: str = ""


@dataclass(frozen=True, slots=True)
class VerifyRequest:
    """Run an image without network and compare its outputs with the notebook's."""

    image: str = ""
    options: RunOptions = field(default_factory=RunOptions)
    runtime: str = ""
    rtol: float = DEFAULT_RTOL
    store: str = ""


@dataclass(frozen=True, slots=True)
class StoreRequest:
    """A command about the whole store: `ls`, `runs`, `gc`."""

    store: str = ""


@dataclass(frozen=True, slots=True)
class RunsRequest:
    """List runs; with a `place` that names something, those of that cluster as well."""

    place: Place = field(default_factory=Place)
    store: str = ""


@dataclass(frozen=True, slots=True)
class OutputsRequest:
    """Fetch a run's outputs into the store, and copy them to the folder `output` if given."""

    run: str = ""
    output: str = ""
    store: str = ""


@dataclass(frozen=True, slots=True)
class UpdateRequest:
    """Roll `image` out in place of what the service `run` serves."""

    run: str
    image: str = ""
    cluster: ClusterOptions = field(default_factory=ClusterOptions)
    store: str = ""


@dataclass(frozen=True, slots=True)
class ScaleRequest:
    """Serve with so many pods."""

    run: str
    replicas: int
    store: str = ""


@dataclass(frozen=True, slots=True)
class HistoryRequest:
    """What a service has served."""

    run: str = ""
    store: str = ""


@dataclass(frozen=True, slots=True)
class RollbackRequest:
    """Return to an earlier revision, 0 for the one before."""

    run: str = ""
    revision: int = 0
    store: str = ""


@dataclass(frozen=True, slots=True)
class ForwardRequest:
    """Let a port of this machine (0: a free one) lead to a service."""

    run: str = ""
    port: int = 0
    store: str = ""


@dataclass(frozen=True, slots=True)
class ExportRequest:
    """Write `image` into the folder `output`, for use without us.

    The manifests that running it would apply (with `helm` as a chart), or with `dockerfile` a
    Dockerfile with its context; `base` is what its FROM names, "" for what fits the kernel.
    """

    image: str = ""
    output: str = ""
    helm: bool = False
    dockerfile: bool = False
    base: str = ""
    options: RunOptions = field(default_factory=RunOptions)
    store: str = ""


@dataclass(frozen=True, slots=True)
class ImageRequest:
    """A command about one image: `inspect` (with `snapshot`: its document), `validate`.

    `remote` asks the registry although the image is here.
    """

    image: str = ""
    snapshot: bool = False
    remote: bool = False
    store: str = ""


@dataclass(frozen=True, slots=True)
class TagRequest:
    """Give `image` the further name `name`."""

    image: str
    name: str
    store: str = ""


@dataclass(frozen=True, slots=True)
class PushRequest:
    """Push `image` to `reference` in a registry; "" is the image of that name, or the newest.

    `compression` is gzip or zstd, "" for the default.
    """

    reference: str
    image: str = ""
    compression: str = ""
    store: str = ""


@dataclass(frozen=True, slots=True)
class DiffRequest:
    """Compare the images `old` and `new`."""

    old: str
    new: str
    store: str = ""


@dataclass(frozen=True, slots=True)
class RemoveRequest:
    """Remove images (by name or digest) and runs (by id)."""

    names: tuple[str, ...]
    store: str = ""


@dataclass(frozen=True, slots=True)
class LogsRequest:
    """Show a run's output; with `follow` until it ends."""

    run: str = ""
    follow: bool = False
    store: str = ""


@dataclass(frozen=True, slots=True)
class StopRequest:
    """Stop a run: SIGTERM, and SIGKILL after `grace_s`."""

    run: str = ""
    grace_s: float = 10.0
    store: str = ""


@dataclass(frozen=True, slots=True)
class DoctorRequest:
    """What works on this machine; with an absolute `notebook`, for that one."""

    notebook: str = ""
    store: str = ""


Request = (
    BuildRequest
    | ServeRequest
    | RunRequest
    | VerifyRequest
    | StoreRequest
    | RunsRequest
    | OutputsRequest
    | UpdateRequest
    | ScaleRequest
    | HistoryRequest
    | RollbackRequest
    | ForwardRequest
    | ImageRequest
    | ExportRequest
    | TagRequest
    | PushRequest
    | DiffRequest
    | RemoveRequest
    | LogsRequest
    | StopRequest
    | DoctorRequest
)

#: Every command and what it is asked with.
REQUESTS: dict[str, type[Request]] = {
    "build": BuildRequest,
    "plan": BuildRequest,
    "serve": ServeRequest,
    "run": RunRequest,
    "verify": VerifyRequest,
    "runs": RunsRequest,
    "outputs": OutputsRequest,
    "update": UpdateRequest,
    "scale": ScaleRequest,
    "history": HistoryRequest,
    "rollback": RollbackRequest,
    "forward": ForwardRequest,
    "logs": LogsRequest,
    "stop": StopRequest,
    "rm": RemoveRequest,
    "ls": StoreRequest,
    "inspect": ImageRequest,
    "diff": DiffRequest,
    "export": ExportRequest,
    "tag": TagRequest,
    "push": PushRequest,
    "gc": StoreRequest,
    "validate": ImageRequest,
    "doctor": DoctorRequest,
}
