"""The options about clusters: of `run` and `build`, and of the commands about what serves there."""

from __future__ import annotations

import argparse
from collections.abc import Mapping
from typing import Any

from ..errors import ContainerizeError
from ..model.cluster import ClusterOptions, Place, Scheduling, Serving
from . import values

_MANY: dict[str, Any] = {"action": "append", "default": []}
_DEFAULT_KEEP_S = 3600.0
_DEFAULT_TTL_S = 86400.0


def add_place(command: Any) -> None:
    """Add the options that say which cluster."""
    command.add_argument("--context", metavar="NAME", help="cluster, by its context in kubeconfig")
    command.add_argument("--namespace", metavar="NAME", help="namespace in it")


def add_cluster(parser: Any) -> None:
    """Add the options of the kubernetes runtime."""
    group = parser.add_argument_group("on Kubernetes (--runtime kubernetes)")
    add = group.add_argument
    add_place(group)
    add("--registry", metavar="HOST/NAME", help="push the image there, for the nodes to pull")
    add("--pull-secret", metavar="NAME", help="secret to pull with; docker: from your own login")
    add("--retries", metavar="N", help="start a failed training again so many times")
    add("--outputs", metavar="WHERE", help="pvc:NAME, pvc:SIZE or a URL (default: fetched)")
    add(
        "--data",
        **_MANY,
        metavar="WHAT:PATH",
        help="mount pvc:NAME or fetch a URL; may be repeated",
    )
    add("--keep", metavar="TIME", help="how long outputs wait to be fetched (default: 1h)")
    add("--ttl", metavar="TIME", help="how long an ended run stays in the cluster (default: 24h)")
    add("--sweep", **_MANY, metavar="NAME=A,B", help="run once for each value; may be repeated")
    add("--parallel", metavar="N", help="at most so many runs of a sweep at once")
    add("--gpu-resource", metavar="NAME", help="what --gpus asks for (default: nvidia.com/gpu)")
    add(
        "--node-selector",
        **_MANY,
        metavar="LABEL=VALUE",
        help="only on such nodes; may be repeated",
    )
    add(
        "--toleration",
        **_MANY,
        metavar="KEY[=VALUE][:EFFECT]",
        help="tolerate a taint; may be repeated",
    )
    add("--priority-class", metavar="NAME", help="priority of the pods")
    add(
        "--service-account",
        metavar="NAME",
        help="service account of the pods (no token is mounted)",
    )
    add("--queue", metavar="NAME", help="Kueue queue to wait in")
    add(
        "--as",
        dest="scheduling",
        metavar="KIND",
        help="job (default), jobset, trainjob; deployment (default), kserve",
    )
    add("--replicas", metavar="N", help="pods that serve (default: 2)")
    add("--max-replicas", metavar="N", help="autoscale up to so many")
    add("--target-cpu", metavar="PERCENT", help="autoscale at this much CPU (default: 80)")
    add("--target-rps", metavar="N", help="autoscale at so many requests a second and pod")
    add("--name", metavar="NAME", help="name of the service in the cluster (default: the image's)")
    add("--host", metavar="HOST", help="make a route from this host name")
    add("--ingress-class", metavar="NAME", help="Ingress class of the route")
    add("--gateway", metavar="NAME", help="Gateway of the route, instead of an Ingress")


def add_services(made: Mapping[str, Any], *, image: str) -> None:
    """Add the arguments of the commands about services, and of `export`."""
    run = {"metavar": "RUN", "help": "the run's id (default: the newest)"}
    made["update"].add_argument("run", metavar="RUN", help="the service's run")
    made["update"].add_argument("image", metavar="IMAGE", nargs="?", help=image)
    made["update"].add_argument("--registry", metavar="HOST/NAME", help="push the image there")
    made["update"].add_argument("--pull-secret", metavar="NAME", help="secret to pull with")
    made["scale"].add_argument("run", metavar="RUN", help="the service's run")
    made["scale"].add_argument("replicas", metavar="N", help="how many pods")
    for name in ("history", "rollback", "forward"):
        made[name].add_argument("run", nargs="?", **run)
    made["rollback"].add_argument("--revision", metavar="N", help="which (default: the one before)")
    made["forward"].add_argument("--port", metavar="PORT", help="port of this machine")
    made["export"].add_argument("image", metavar="IMAGE", nargs="?", help=image)
    made["export"].add_argument(
        "--kubernetes", metavar="DIR", help="write manifests and a kustomization"
    )
    made["export"].add_argument("--helm", metavar="DIR", help="write a Helm chart")


def export_form(args: argparse.Namespace) -> tuple[str, str]:
    """Return in which form to export, and the folder for it. Errors: `usage`."""
    forms = ("kubernetes", "helm", "dockerfile")
    asked = [(form, getattr(args, form)) for form in forms if getattr(args, form)]
    if len(asked) != 1:
        raise ContainerizeError(
            "usage",
            what="`export` needs one folder to write to.",
            fix=(
                "Write --kubernetes DIR for manifests, --helm DIR for a chart, or --dockerfile DIR "
                "for a Dockerfile with its context."
            ),
        )
    return asked[0][0], values.absolute(asked[0][1])


def place_of(args: argparse.Namespace, settings: Any) -> Place:
    """Return the place that the words and the settings name."""
    return Place(
        context=getattr(args, "context", None) or settings.context,
        namespace=getattr(args, "namespace", None) or settings.namespace,
    )


def cluster_options(args: argparse.Namespace, settings: Any) -> ClusterOptions:
    """Return what the words and the settings ask of a cluster. Errors: `usage`."""
    if not hasattr(args, "retries"):
        return ClusterOptions(place=Place(settings.context, settings.namespace))
    keep, ttl = args.keep, args.ttl
    return ClusterOptions(
        place=place_of(args, settings),
        registry=args.registry or settings.registry,
        pull_secret=args.pull_secret or settings.pull_secret,
        service_account=args.service_account or "",
        priority_class=args.priority_class or "",
        node_selector=_labels(args.node_selector, "--node-selector"),
        tolerations=tuple(args.toleration),
        gpu_resource=args.gpu_resource or "nvidia.com/gpu",
        retries=values.count(args.retries, "--retries") if args.retries not in (None, "0") else 0,
        keep_s=values.time_s(keep, "--keep") if keep else _DEFAULT_KEEP_S,
        ttl_s=values.time_s(ttl, "--ttl") if ttl else _DEFAULT_TTL_S,
        outputs=args.outputs or "",
        data=tuple(args.data),
        queue=args.queue or "",
        scheduling=_scheduling(args.scheduling or ""),
        sweep=_sweep(args.sweep),
        parallel=_number(args.parallel, "--parallel", 0),
        serving=Serving(
            replicas=_number(args.replicas, "--replicas", 2),
            max_replicas=_number(args.max_replicas, "--max-replicas", 0),
            target_cpu=_number(args.target_cpu, "--target-cpu", 80),
            target_rps=_number(args.target_rps, "--target-rps", 0),
            host=args.host or "",
            ingress_class=args.ingress_class or "",
            gateway=args.gateway or "",
            name=args.name or "",
        ),
    )


def _number(text: str | None, option: str, default: int) -> int:
    return values.count(text, option) if text else default


def _scheduling(text: str) -> Scheduling:
    try:
        return Scheduling(text or "job")
    except ValueError:
        raise ContainerizeError(
            "usage",
            what=f"`--as {text}` is no kind of object to run as.",
            fix=f"Write one of: {', '.join(item.value for item in Scheduling)}.",
        ) from None


def _labels(words: list[str], option: str) -> dict[str, str]:
    made = {}
    for word in words:
        name, equals, value = word.partition("=")
        if not equals or not name:
            raise ContainerizeError(
                "usage",
                what=f"`{option} {word}` is no label.",
                fix=f"Write it like {option} disk=ssd.",
            )
        made[name] = value
    return made


def _sweep(words: list[str]) -> dict[str, tuple[str, ...]]:
    made = {}
    for name, text in values.pairs(words, "--sweep").items():
        made[name] = tuple(part.strip() for part in text.split(",") if part.strip())
        if not made[name]:
            raise ContainerizeError(
                "usage",
                what=f"`--sweep {name}=` has no values.",
                fix="Write it like --sweep lr=0.1,0.01.",
            )
    return made
