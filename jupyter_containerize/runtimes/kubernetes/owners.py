"""The objects that own runs in a namespace: found by our labels, whoever made them."""

from __future__ import annotations

import contextlib
from typing import Any

from ...errors import ContainerizeError
from ...model.run import Run
from . import carried, paths, rollout
from .connection import Connection
from .manifests.names import LABEL_RUN, MANAGER
from .problems import Refused
from .runs import run_of_job

Json = dict[str, Any]

_OURS = f"app.kubernetes.io/managed-by={MANAGER}"


def run_id_of(item: Json) -> str:
    """Return the id of the run that an object of ours belongs to."""
    return str(item["metadata"]["labels"][LABEL_RUN])


def look(connection: Connection) -> None:
    """Raise what stands in the way of seeing runs. Errors: `no-rights`, those of the connection."""
    one = {"limit": 1}
    try:
        connection.get(paths.collection(*paths.JOBS, connection.namespace), one)
    except ContainerizeError as error:
        if error.code != "no-rights":
            raise
        try:  # who serves may not see what trains
            connection.get(paths.collection(*paths.DEPLOYMENTS, connection.namespace), one)
        except ContainerizeError:
            raise error from None


def matching(connection: Connection, run_id: str) -> list[Json]:
    """Return what owns the runs whose id begins so; other controllers' objects if nothing else does."""

    def chosen(items: list[Json]) -> list[Json]:
        return [one for one in items if run_id_of(one).startswith(run_id)]

    return chosen(_owners(connection)) or chosen(_carried(connection))


def _owners(connection: Connection) -> list[Json]:
    """Return our Jobs and Deployments in a namespace: those of them that the user may list.

    Errors: `no-rights` if neither may be.
    """
    found, refusals = [], []
    kinds = (paths.JOBS, paths.DEPLOYMENTS)
    for kind in kinds:
        try:
            found += _ours(connection, kind)
        except ContainerizeError as error:  # noqa: PERF203 - who trains may not see what serves
            if error.code != "no-rights":
                raise
            refusals.append(error)
    if len(refusals) == len(kinds):
        raise refusals[0]
    return found


def _carried(connection: Connection) -> list[Json]:
    """Return our objects of other controllers, of those kinds that are there and may be listed."""
    groups = connection.get(paths.GROUPS).get("groups") or ()
    served = {one["groupVersion"] for group in groups for one in group.get("versions") or ()}
    found = []
    for kind in paths.CARRIERS:
        if kind[0] in served:
            with contextlib.suppress(Refused):
                found += _ours(connection, kind)
    return found


def _ours(connection: Connection, kind: tuple[str, str]) -> list[Json]:
    """Return our objects of a kind in a namespace."""
    items = connection.list(paths.collection(*kind, connection.namespace), _OURS)["items"]
    return [
        {**item, "apiVersion": kind[0], "kind": kind[1]}
        for item in items
        if LABEL_RUN in item["metadata"].get("labels", {})
    ]


def runs_of(connection: Connection) -> list[Run]:
    """Return the runs of a namespace."""
    items = [*_owners(connection), *_carried(connection)]
    if not items:
        return []
    pods = connection.list(paths.collection(*paths.PODS, connection.namespace), _OURS)["items"]
    by_run: dict[str, list[Json]] = {}
    for pod in pods:
        by_run.setdefault(pod["metadata"]["labels"].get(LABEL_RUN, ""), []).append(pod)
    found: dict[str, Run] = {}
    for one in reversed(items):  # a JobSet's run is its Job's, where there is one
        if one["kind"] == "Job":
            found[run_id_of(one)] = run_of_job(one, by_run.get(run_id_of(one), ()))
        elif one["kind"] == "Deployment":
            found[run_id_of(one)] = rollout.run_of(one, connection.namespace)
        else:
            found[run_id_of(one)] = carried.run_of(one)
    return [*found.values()]
