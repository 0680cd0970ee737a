"""From a run's wishes to objects in a cluster: checked first, all or nothing."""

from __future__ import annotations

import copy
import json
from collections.abc import Callable, Mapping, Sequence
from functools import partial
from typing import Any

from ...errors import ContainerizeError
from ...model.cluster import Scheduling
from ...model.run import RunSpec
from . import paths, story
from .connection import Connection
from .manifests.names import MANAGER
from .problems import Refused, too_old

Json = dict[str, Any]

#: Kinds whose template is a pod, which can be asked for.
_WITH_PODS = ("Job", "Deployment")

_POD_FAILURE_POLICY = (1, 26)
_BACKOFF_PER_INDEX = (1, 29)
_SUCCESS_POLICY = (1, 31)


def create(connection: Connection, objects: Sequence[Json]) -> Json:
    """Apply objects, the first of which owns the others; return it as the cluster has it.

    If a later part fails, what was made is deleted again. Errors: those of the cluster.
    """
    owner = connection.apply(paths.of(objects[0], connection.namespace), objects[0])
    reference = {
        "apiVersion": owner["apiVersion"],
        "kind": owner["kind"],
        "name": owner["metadata"]["name"],
        "uid": owner["metadata"]["uid"],
    }
    try:
        for item in objects[1:]:
            made = copy.deepcopy(item)
            if made["kind"] != "PersistentVolumeClaim":  # outputs outlive their run
                made["metadata"]["ownerReferences"] = [reference]
            connection.apply(paths.of(made, connection.namespace), made)
    except BaseException:
        connection.delete(paths.of(objects[0], connection.namespace), uid=reference["uid"])
        raise
    return owner


def dry_run(connection: Connection, objects: Sequence[Json]) -> None:
    """Ask the server whether it would take every object, and a pod of the first of them.

    A Job or a Deployment is taken whatever its pods need; quotas, limits and most admission rules
    are about pods. Errors: all its refusals together.
    """
    problems: list[ContainerizeError] = []
    asks: list[Callable[[], object]] = [
        partial(connection.apply, paths.of(item, connection.namespace), item, dry_run=True)
        for item in objects
    ]
    asks += [partial(_would_make, connection, pod) for pod in _pods_of(objects[0])]
    for ask in asks:
        try:
            ask()
        except Refused as error:  # noqa: PERF203 - all that is wrong is told at once
            if "does not support dry run" in error.why:
                continue  # a webhook that can only be asked in earnest
            if not any(error.code == one.code and error.what == one.what for one in problems):
                problems.append(error)
    if problems:
        raise ContainerizeError.together(problems)


def _would_make(connection: Connection, pod: Json) -> None:
    """Ask whether a pod would be taken, where the user may ask. Errors: that it is refused."""
    path = paths.collection(*paths.PODS, connection.namespace)
    query = {"fieldManager": MANAGER, "dryRun": "All"}
    try:
        connection.call("POST", path, query=query, body=pod)
    except Refused as error:
        # Who may make Jobs need not have the right to make pods: the Job's controller makes them.
        if error.code not in ("no-rights", "no-such-namespace"):
            raise


def _pods_of(owner: Json) -> list[Json]:
    """Return the pod that a Job or a Deployment would make, none for other kinds."""
    template = (owner["spec"].get("template") or {}) if owner["kind"] in _WITH_PODS else {}
    if not template:
        return []
    metadata = {**template["metadata"], "generateName": f"{owner['metadata']['name']}-"}
    pod = {"apiVersion": "v1", "kind": "Pod", "metadata": metadata, "spec": template["spec"]}
    return [copy.deepcopy(pod)]


def check_version(connection: Connection, spec: RunSpec) -> None:
    """Refuse a cluster that is older than what the run needs. Errors: `cluster-too-old`."""
    if spec.cluster.scheduling is Scheduling.TRAINJOB:
        return
    told = connection.get(paths.VERSION)
    version = tuple(
        int("".join(c for c in str(told.get(key, "0")) if c.isdigit()) or 0)
        for key in ("major", "minor")
    )
    needs = [(_POD_FAILURE_POLICY, "pod failure policy of Jobs", "Use a newer cluster.")]
    if spec.cluster.sweep:
        fix = "Run the combinations one by one, or use a newer cluster."
        needs.append((_BACKOFF_PER_INDEX, "backoff limit per index of Jobs", fix))
    if spec.workers > 1:
        fix = "Use a newer cluster, or train with one worker."
        needs.append((_SUCCESS_POLICY, "success policy of Jobs", fix))
    for since, feature, fix in needs:
        if version < since:
            raise too_old(f"{version[0]}.{version[1]}", feature, f"{since[0]}.{since[1]}", fix=fix)


def check_room(connection: Connection, job: Json, count: int) -> None:
    """Refuse pods that no node could ever hold. Errors: `does-not-fit`.

    Nodes are looked at where the user may; what other pods use is the scheduler's to know.
    """
    try:
        nodes = connection.get(paths.NODES).get("items") or []
    except ContainerizeError:
        return
    pod = (job.get("spec") or {}).get("template", {}).get("spec")
    if not nodes or not pod:
        return
    requests: dict[str, float] = {}
    for one in pod["containers"]:
        for name, amount in one["resources"]["requests"].items():
            requests[name] = requests.get(name, 0.0) + story.quantity(str(amount))
    chosen = [node for node in nodes if suits(node, pod.get("nodeSelector") or {})]
    if not chosen:
        raise _does_not_fit(
            f"No node has the labels {json.dumps(pod['nodeSelector'])}.",
            "Correct --node-selector; `kubectl get nodes --show-labels` shows what there is.",
        )
    room = sum(_holds(node, requests) for node in chosen)
    if room < count:
        asked = ", ".join(
            f"{name} {story.size(amount) if name == 'memory' else f'{amount:g}'}"
            for name, amount in requests.items()
        )
        best = {name: max(_allocatable(node, name) for node in chosen) for name in requests}
        largest = ", ".join(
            f"{name} {story.size(amount) if name == 'memory' else f'{amount:g}'}"
            for name, amount in best.items()
        )
        who = f"The {len(chosen)} nodes hold" if len(chosen) > 1 else "The only node holds"
        several = f"{who} {room} of {count} pods at once, other pods left out of account"
        raise _does_not_fit(
            f"{several}: each asks for {asked}; the most that a node has is {largest}.",
            "Ask for less (--memory, --cpus, --gpus), or for fewer workers.",
        )


def suits(node: Json, selector: Mapping[str, str]) -> bool:
    """Tell whether a node has all labels of a selector."""
    labels = node["metadata"].get("labels") or {}
    return all(labels.get(name) == value for name, value in selector.items())


def _allocatable(node: Json, name: str) -> float:
    return story.quantity(str(((node.get("status") or {}).get("allocatable") or {}).get(name, "0")))


def _holds(node: Json, requests: Mapping[str, float]) -> int:
    counts = [
        int(_allocatable(node, name) // amount) for name, amount in requests.items() if amount
    ]
    return min([*counts, int(_allocatable(node, "pods") or 110)])


def _does_not_fit(why: str, fix: str) -> ContainerizeError:
    return ContainerizeError(
        "does-not-fit", what="The run does not fit on this cluster.", why=why, fix=fix
    )


def pull_secret(name: str, registry: str, labels: dict[str, str]) -> Json:
    """Return a pull secret made of the user's own Docker credentials for one registry.

    Errors: `no-docker-credentials`, those of reading them.
    """
    from ...oci.registry.credentials import credentials_for  # noqa: PLC0415 - only when asked for

    host = registry.partition("/")[0]
    found = credentials_for(host)
    if found is None or not found.basic:
        raise ContainerizeError(
            "no-docker-credentials",
            what=f"There are no credentials for {host} to make a pull secret of.",
            why="Neither Docker's nor Podman's configuration has a name and a password for it.",
            fix=f"Log in first (docker login {host}), or name a secret: --pull-secret NAME",
        )
    config = {"auths": {host: {"auth": found.basic.removeprefix("Basic ")}}}
    return {
        "apiVersion": "v1",
        "kind": "Secret",
        "metadata": {"name": name, "labels": labels},
        "type": "kubernetes.io/dockerconfigjson",
        "stringData": {".dockerconfigjson": json.dumps(config)},
    }
