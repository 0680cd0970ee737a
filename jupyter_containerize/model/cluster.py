"""What a user may ask of a cluster: where it is, and how pods run there. Plain data."""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass, field
from enum import Enum


@dataclass(frozen=True, slots=True)
class Place:
    """A namespace of a cluster, as kubeconfig names it.

    "" means what kubeconfig says: its current context, that context's namespace. `kubeconfig`
    is a file, "" for `KUBECONFIG`, `~/.kube/config`, or the pod we are in.
    """

    context: str = ""
    namespace: str = ""
    kubeconfig: str = ""


class Scheduling(Enum):
    """Which object carries a training run; all but `job` need their controller in the cluster."""

    JOB = "job"
    JOBSET = "jobset"
    TRAINJOB = "trainjob"
    DEPLOYMENT = "deployment"
    KSERVE = "kserve"


@dataclass(frozen=True, slots=True)
class Serving:
    """How an inference image is served.

    `max_replicas` makes an autoscaler: between `replicas` and that many, by CPU
    (`target_cpu` per cent), or by `target_rps` requests a second and pod where the cluster
    serves that metric. `host` makes a route to it: an Ingress, or with `gateway` (a
    Gateway's name) an HTTPRoute.
    """

    replicas: int = 2
    max_replicas: int = 0
    target_cpu: int = 80
    target_rps: int = 0
    host: str = ""
    ingress_class: str = ""
    gateway: str = ""
    name: str = ""


@dataclass(frozen=True, slots=True)
class ClusterOptions:
    """How pods run in a cluster.

    `registry` is where images are pushed for the nodes to pull. `pull_secret` names an
    existing secret; `docker` makes one of the user's own Docker credentials. `tolerations`
    are `KEY[=VALUE][:EFFECT]`. `outputs` is "" (collected), `pvc:NAME`, `pvc:SIZE` or an fsspec
    URL; `data` are `pvc:NAME:PATH` or `URL:PATH`. `keep_s` is how long outputs wait in the
    cluster to be fetched, `ttl_s` how long an ended run stays. `sweep` maps parameters to values.
    """

    place: Place = field(default_factory=Place)
    registry: str = ""
    pull_secret: str = ""
    service_account: str = ""
    priority_class: str = ""
    node_selector: Mapping[str, str] = field(default_factory=dict)
    tolerations: tuple[str, ...] = ()
    gpu_resource: str = "nvidia.com/gpu"
    retries: int = 0
    keep_s: float = 3600.0
    ttl_s: float = 86400.0
    outputs: str = ""
    data: tuple[str, ...] = ()
    queue: str = ""
    scheduling: Scheduling = Scheduling.JOB
    sweep: Mapping[str, tuple[str, ...]] = field(default_factory=dict)
    parallel: int = 0
    serving: Serving = field(default_factory=Serving)
