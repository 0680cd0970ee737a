"""From a run's wishes to objects in a cluster: checked first, all or nothing."""

from __future__ import annotations

import copy
import json
from collections.abc import Callable, Mapping, Sequence
from dataclasses import dataclass
from functools import partial
from typing import Any

from ...errors import ContainerizeError
from ...model.event import Emit
from . import paths, story
from .connection import Connection
from .manifests.names import MANAGER
from .problems import Refused, lacks_field, limits_small, owned_by_another, too_old
from .waits import Waits

Json = dict[str, Any]

#: Kinds whose template is a pod, which can be asked for.
_WITH_PODS = ("Job", "Deployment")


@dataclass(frozen=True, slots=True)
class _Feature:
    """A part of a Job's specification that not every cluster has: its field, name and first version."""

    field: str
    name: str
    since: tuple[int, int]
    fix: str


_FEATURES = (
    _Feature("podFailurePolicy", "pod failure policy of Jobs", (1, 26), "Use a newer cluster."),
    _Feature(
        "backoffLimitPerIndex", "backoff limit per index of Jobs", (1, 29),
        "Run the combinations one by one, or use a newer cluster.",
    ),
    _Feature(
        "successPolicy", "success policy of Jobs", (1, 31),
        "Use a newer cluster, or train with one worker.",
    ),
)  # fmt: skip


def create(connection: Connection, objects: Sequence[Json], emit: Emit) -> Json:
    """Apply objects, the first of which owns the others; return it as the cluster has it.

    If a later part fails, what was made is deleted again. Errors: those of the cluster.
    """
    name = f"{objects[0]['kind']} {objects[0]['metadata']['name']}"
    waits = Waits(emit)
    waits.tell(f"Creating {name} in namespace {connection.namespace}")
    try:
        owner = _create(connection, objects)
    except BaseException:
        waits.close(ok=False)
        raise
    waits.close()
    return owner


def _create(connection: Connection, objects: Sequence[Json]) -> Json:
    owner = connection.apply(paths.of(objects[0], connection.namespace), objects[0])
    reference = {
        "apiVersion": owner["apiVersion"],
        "kind": owner["kind"],
        "name": owner["metadata"]["name"],
        "uid": owner["metadata"]["uid"],
    }
    try:
        # Outputs outlive their run: nobody owns the claim, so it comes when nothing else can fail.
        for item in sorted(objects[1:], key=lambda one: one["kind"] == "PersistentVolumeClaim"):
            made = copy.deepcopy(item)
            if made["kind"] != "PersistentVolumeClaim":
                made["metadata"]["ownerReferences"] = [reference]
            connection.apply(paths.of(made, connection.namespace), made)
    except BaseException:
        connection.delete(paths.of(objects[0], connection.namespace), uid=reference["uid"])
        raise
    return owner


def agree(connection: Connection, make: Callable[..., Sequence[Json]], *, new: bool) -> bool:
    """Ask for the objects of a run; return how `make` makes those that the server would take.

    A LimitRange may want more of each container than our own small steps ask for; then all are
    made even. Errors: those of `dry_run`.
    """
    try:
        dry_run(connection, make(even=False), new=new)
    except ContainerizeError as error:
        if not any(limits_small(one.why) for one in (error, *error.also)):
            raise
        dry_run(connection, make(even=True), new=new)
        return True
    return False


def dry_run(connection: Connection, objects: Sequence[Json], *, new: bool = True) -> None:
    """Ask the server whether it would take every object, and a pod of the first of them.

    A Job or a Deployment is taken whatever its pods need; quotas, limits and most admission rules
    are about pods. With `new` none of them may be there already as somebody else's.
    Errors: all its refusals together, `cluster-too-old`.
    """
    problems: list[ContainerizeError] = []
    asks: list[Callable[[], object]] = [
        partial(_would_take, connection, item, new=new) for item in objects
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


def _would_take(connection: Connection, item: Json, *, new: bool) -> None:
    """Ask whether an object would be taken, whole. Errors: its refusal, `cluster-too-old`."""
    try:
        taken = connection.apply(paths.of(item, connection.namespace), item, dry_run=True)
    except Refused as error:
        lost = [one for one in _used(item) if lacks_field(error.why, one.field)]
        if not lost:
            raise
    else:
        # A server that knows a field, but not yet its feature, leaves it out without a word.
        lost = [one for one in _used(item) if one.field not in (taken.get("spec") or {})]
        managed = taken["metadata"].get("managedFields") or ()
        others = sorted({str(one.get("manager")) for one in managed} - {MANAGER})
        if new and others:
            # An apply is no conflict where the other says nothing of our fields: it would mix the two.
            raise owned_by_another(f"{item['kind']} {item['metadata']['name']}", others)
    if lost:
        raise _too_old(_version(connection), lost[0])


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


def check_version(connection: Connection, job_spec: Json) -> None:
    """Refuse a cluster that is older than what another controller's Job needs. Errors: `cluster-too-old`.

    A Job of our own is asked for itself (see `dry_run`).
    """
    version = _version(connection)
    for one in _FEATURES:
        if one.field in job_spec and version < one.since:
            raise _too_old(version, one)


def _used(item: Json) -> list[_Feature]:
    return [one for one in _FEATURES if item["kind"] == "Job" and one.field in item["spec"]]


def _version(connection: Connection) -> tuple[int, ...]:
    told = connection.get(paths.VERSION)
    return tuple(
        int("".join(c for c in str(told.get(key, "0")) if c.isdigit()) or 0)
        for key in ("major", "minor")
    )


def _too_old(version: tuple[int, ...], feature: _Feature) -> ContainerizeError:
    here, since = (".".join(map(str, one)) for one in (version, feature.since))
    return too_old(here, feature.name, since, fix=feature.fix)


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
