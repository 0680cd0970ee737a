"""Runs as the cluster's objects tell them: pure functions from objects to `Run`."""

from __future__ import annotations

import json
from collections.abc import Mapping, Sequence
from dataclasses import replace
from datetime import datetime
from typing import Any

from ...model.codec import from_json, to_json
from ...model.run import Isolation, Run, RunSpec, RunState
from . import story
from .manifests.names import COLLECTED, IMAGE, LABEL_RUN, RECORD, STOPPED
from .manifests.pods import TRAINING

Json = Mapping[str, Any]

RUNTIME = "kubernetes"
#: Written on the owner by who saw the run end, for who looks later.
VERDICT = "jupyter-containerize.io/verdict"
INDEX = "batch.kubernetes.io/job-completion-index"


def record_of(spec: RunSpec) -> dict[str, Any]:
    """Return what an object keeps of a run's wishes: without values of `--env`."""
    data: dict[str, Any] = to_json(spec)
    data["environment"] = dict.fromkeys(data["environment"], "…")
    return data


def index_of(pod: Json) -> int:
    """Return a pod's index in its job."""
    metadata = pod.get("metadata") or {}
    text = (metadata.get("annotations") or {}).get(INDEX) or (metadata.get("labels") or {}).get(
        INDEX
    )
    return int(text) if text and str(text).isdecimal() else 0


def plain(item: Json) -> Run:
    """Return the run that an object of ours carries, by its metadata alone."""
    metadata = item["metadata"]
    notes = metadata.get("annotations") or {}
    return Run(
        id=metadata["labels"][LABEL_RUN],
        spec=spec_of(notes),
        runtime=RUNTIME,
        isolation=Isolation.KUBERNETES,
        limits_by=RUNTIME,
        started_at=time_of(metadata.get("creationTimestamp")),
        outputs=str(notes.get(COLLECTED) or ""),
    )


def run_of_job(job: Json, pods: Sequence[Json]) -> Run:  # noqa: PLR0911 - one line a state
    """Return the run that a Job is, with what its pods tell."""
    status = job.get("status") or {}
    notes = job["metadata"].get("annotations") or {}
    run = plain(job)
    run = replace(run, started_at=time_of(status.get("startTime")) or run.started_at)
    if VERDICT in notes:
        told = json.loads(notes[VERDICT])
        return replace(
            run,
            state=RunState(told["state"]),
            exit_code=told.get("exit_code"),
            reason=str(told.get("reason") or ""),
            ended_at=told.get("ended_at"),
        )
    ended_at = time_of(notes.get(STOPPED) or _last_change(status))
    if STOPPED in notes:
        return replace(run, state=RunState.STOPPED, ended_at=ended_at, exit_code=143)
    kinds = {one["type"] for one in status.get("conditions") or () if one["status"] == "True"}
    endings = [(pod, end) for pod in pods if (end := story.ending(pod)) is not None]
    if kinds & {"Complete", "SuccessCriteriaMet"}:
        return replace(run, state=RunState.SUCCEEDED, ended_at=ended_at, exit_code=0)
    if kinds & {"Failed", "FailureTarget"}:
        code, reason = _failure(endings, status)
        return replace(run, state=RunState.FAILED, ended_at=ended_at, exit_code=code, reason=reason)
    if endings and len(endings) == len(pods) and not _more_to_come(job, endings):
        # The training has ended; its collector waits for someone to fetch the outputs.
        code, reason = _failure(endings, status)
        state = RunState.FAILED if code else RunState.SUCCEEDED
        last = max((end.at for _, end in endings), default="")
        kept = "outputs wait in the cluster" if not run.outputs else ""
        return replace(
            run,
            state=state,
            exit_code=code,
            ended_at=time_of(last),
            reason="; ".join(part for part in (reason, kept) if part),
        )
    if any(_running(pod) for pod in pods):
        return replace(run, state=RunState.RUNNING)
    phases = [phase.text for pod in pods if (phase := story.phase(pod)) is not None]
    waiting = phases[0] if phases else "Waiting in its queue" if _suspended(job) else ""
    return replace(run, state=RunState.STARTING, reason=waiting)


def _suspended(job: Json) -> bool:
    return bool((job.get("spec") or {}).get("suspend"))


def spec_of(notes: Json) -> RunSpec:
    """Return the wishes that an object of ours keeps."""
    try:
        return from_json(RunSpec, json.loads(notes[RECORD]))
    except Exception:  # noqa: BLE001 - written by another version; the run is there all the same
        return RunSpec(image=str(notes.get(IMAGE) or ""))


def _more_to_come(job: Json, endings: Sequence[tuple[Json, story.Ending]]) -> bool:
    spec, status = job.get("spec") or {}, job.get("status") or {}
    failed = [end for _, end in endings if end.exit_code]
    succeeded = {index_of(pod) for pod, end in endings if not end.exit_code}
    if failed:
        if any(end.preempted for end in failed):
            return True
        return len(failed) <= int(spec.get("backoffLimit") or 0)
    wanted = int(spec.get("completions") or 1)
    return len(succeeded) < wanted and int(status.get("succeeded") or 0) < wanted


def _failure(endings: Sequence[tuple[Json, story.Ending]], status: Json) -> tuple[int | None, str]:
    """Return exit code and reason: those of the pod that failed first, else the Job's own words."""
    failed = sorted(
        ((end.at or "9", index_of(pod), end) for pod, end in endings if end.exit_code),
        key=lambda one: one[:2],
    )
    if failed:
        _, index, end = failed[0]
        who = f"worker {index}: " if len({index_of(pod) for pod, _ in endings}) > 1 else ""
        return end.exit_code, f"{who}{end.why}" if end.why else who.rstrip(": ")
    for one in status.get("conditions") or ():
        if one["type"] in ("Failed", "FailureTarget") and one["status"] == "True":
            return 1, str(one.get("message") or one.get("reason") or "")
    return 0, ""


def _running(pod: Json) -> bool:
    for one in (pod.get("status") or {}).get("containerStatuses") or ():
        if one["name"] == TRAINING and "running" in (one.get("state") or {}):
            return True
    return False


def _last_change(status: Json) -> str:
    if status.get("completionTime"):
        return str(status["completionTime"])
    changes = [str(one.get("lastTransitionTime") or "") for one in status.get("conditions") or ()]
    return max(changes, default="")


def time_of(text: str | None) -> float | None:
    """Return a time of the API as seconds since the epoch."""
    if not text:
        return None
    try:
        return datetime.fromisoformat(str(text).replace("Z", "+00:00")).timestamp()
    except ValueError:
        return None
