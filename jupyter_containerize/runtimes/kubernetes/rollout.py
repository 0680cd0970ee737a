"""What a Deployment and its pods tell: pure functions of the objects."""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from dataclasses import replace
from typing import Any

from ...model.run import Run, RunState
from .manifests.names import STOPPED
from .manifests.serving import SERVICE
from .runs import plain, time_of

#: So often a container may end before it counts as one that will not stay up.
_CRASHES = 3


def run_of(deployment: Mapping[str, Any], namespace: str) -> Run:
    """Return the run that a Deployment is."""
    metadata = deployment["metadata"]
    notes = metadata.get("annotations") or {}
    status = deployment.get("status") or {}
    wanted = deployment["spec"].get("replicas")
    available = int(status.get("availableReplicas") or 0)
    waiting = progress(deployment)
    state = RunState.RUNNING if available and not waiting else RunState.STARTING
    if available and waiting:
        state = RunState.RUNNING
    if STOPPED in notes and not wanted:
        state, waiting = RunState.STOPPED, ""
    return replace(
        plain(deployment),
        state=state,
        ended_at=time_of(notes.get(STOPPED)) if state is RunState.STOPPED else None,
        reason=waiting,
        endpoint=f"http://{metadata['name']}.{namespace}.svc",
    )


def progress(deployment: Mapping[str, Any]) -> str:
    """Return what a rollout waits for, "" when it is complete.

    Source: kubectl's own rule for `rollout status`.
    """
    status, metadata = deployment.get("status") or {}, deployment["metadata"]
    wanted = int(deployment["spec"].get("replicas", 1) or 0)
    if int(status.get("observedGeneration") or 0) < int(metadata.get("generation") or 0):
        return "The cluster has not seen the change yet"
    updated = int(status.get("updatedReplicas") or 0)
    if updated < wanted:
        return f"{updated} of {wanted} new pods are made"
    old = int(status.get("replicas") or 0) - updated
    if old > 0:
        return f"{old} old pods are still ending"
    available = int(status.get("availableReplicas") or 0)
    return "" if available >= updated else f"{available} of {updated} pods are ready"


def is_ready(pod: Mapping[str, Any]) -> bool:
    """Tell whether a pod takes requests."""
    conditions: Sequence[Mapping[str, Any]] = (pod.get("status") or {}).get("conditions") or ()
    return any(one["type"] == "Ready" and one["status"] == "True" for one in conditions)


def crash(pod: Mapping[str, Any]) -> Mapping[str, Any] | None:
    """Return how the container ended that will not stay up; None while it may yet."""
    for one in (pod.get("status") or {}).get("containerStatuses") or ():
        last: Mapping[str, Any] | None = (one.get("lastState") or {}).get("terminated")
        often = int(one.get("restartCount") or 0) >= _CRASHES
        if (
            one["name"] == SERVICE
            and last is not None
            and (often or last.get("reason") == "OOMKilled")
        ):
            return last
    return None
