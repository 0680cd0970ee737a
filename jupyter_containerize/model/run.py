"""Runs: one execution of an image, as every runtime records it."""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass, field
from enum import Enum

from .cluster import ClusterOptions

RUN_VERSION = 1


class RunState(Enum):
    """Where a run is in its life; the last four are final."""

    CREATED = "created"
    STARTING = "starting"
    RUNNING = "running"
    SUCCEEDED = "succeeded"
    FAILED = "failed"
    STOPPED = "stopped"
    LOST = "lost"

    @property
    def final(self) -> bool:
        """True when nothing will change any more."""
        return self in (RunState.SUCCEEDED, RunState.FAILED, RunState.STOPPED, RunState.LOST)


class Isolation(Enum):
    """What separated the run from the machine."""

    BUBBLEWRAP = "bubblewrap"
    PROOT = "proot"
    DOCKER = "docker"
    KUBERNETES = "kubernetes"


@dataclass(frozen=True, slots=True)
class Mount:
    """`--mount HOST:PATH[:ro]`: a file or folder of this machine at a path in the container."""

    host: str
    path: str
    read_only: bool = False


@dataclass(frozen=True, slots=True)
class Port:
    """`-p HOST:CONTAINER`: loopback TCP port of this machine to the container's port."""

    host: int
    container: int


@dataclass(frozen=True, slots=True)
class Limits:
    """Upper bounds; None means none. `cpus` is processors' time, in processors (0.5, 2.0)."""

    memory_bytes: int | None = None
    processes: int | None = None
    timeout_s: float | None = None
    cpus: float | None = None


class Restart(Enum):
    """When a runtime starts the container of a run again; the words are Docker's."""

    NEVER = "no"
    ON_FAILURE = "on-failure"
    ALWAYS = "always"


@dataclass(frozen=True, slots=True)
class RunSpec:
    """What to run and how. `image` is a manifest digest in the store.

    `parameters` are texts as the user wrote them (`{"epochs": "5"}`); the guest parses them.
    `network` true joins the machine's network; default none. `entrypoint`, if given,
    replaces the image's entrypoint and command (used by tests and by `--`). `isolation`, if
    given, is the only one that will do. Values in `environment` are never written to disk.
    `gpus` is "all", a number of GPUs, or "" for none. A runtime refuses what it cannot do
    (`gpus`, `restart`, `limits.cpus`) rather than leave it out: `not-with-this-runtime`.
    `workers` processes train together, each told who the others are; `cluster` is heeded by
    the kubernetes runtime only.
    """

    image: str
    image_name: str = ""
    parameters: Mapping[str, str] = field(default_factory=dict)
    environment: Mapping[str, str] = field(default_factory=dict)
    mounts: tuple[Mount, ...] = ()
    ports: tuple[Port, ...] = ()
    network: bool = False
    limits: Limits = field(default_factory=Limits)
    entrypoint: tuple[str, ...] | None = None
    user: str | None = None
    isolation: Isolation | None = None
    gpus: str = ""
    restart: Restart = Restart.NEVER
    workers: int = 1
    cluster: ClusterOptions = field(default_factory=ClusterOptions)


@dataclass(frozen=True, slots=True)
class Run:
    """The record of one run; times are seconds since the epoch.

    `isolation` and `limits_by` (`cgroup`, `supervisor`, "") tell what was really used.
    `reason` explains a state that the exit code does not (`out of memory`, `timed out`).
    """

    id: str
    spec: RunSpec
    runtime: str
    state: RunState = RunState.CREATED
    isolation: Isolation | None = None
    limits_by: str = ""
    started_at: float | None = None
    ended_at: float | None = None
    exit_code: int | None = None
    reason: str = ""
    outputs: str = ""
    log: str = ""
    endpoint: str = ""
    version: int = RUN_VERSION
