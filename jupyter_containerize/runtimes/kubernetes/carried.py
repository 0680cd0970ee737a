"""Runs that another controller carries: JobSet, Kubeflow's TrainJob, KServe's InferenceService.

What becomes of them is told by their conditions. A JobSet makes a Job that has our labels; from
then on the run is that Job's (`training`), and only stopping and removing are the JobSet's.
Sources: https://jobset.sigs.k8s.io/docs/reference/,
https://www.kubeflow.org/docs/components/trainer/reference/,
https://kserve.github.io/website/docs/reference/crd-api
"""

from __future__ import annotations

import contextlib
import time
from collections.abc import Callable, Iterator, Mapping
from dataclasses import dataclass, replace
from typing import Any

from ...errors import ContainerizeError
from ...model.event import Emit
from ...model.run import Run, RunState
from ...oci.store import Store
from . import collecting, paths, story
from .connection import Connection
from .kept import Kept
from .manifests.kinds import TRAINJOB_CONTAINER
from .manifests.names import COLLECTED, LABEL_RUN, STOPPED
from .manifests.pods import HELD_FOLDER, TRAINING
from .manifests.serving import KSERVE_CONTAINER
from .runs import index_of, plain, time_of
from .streams import log_lines
from .waits import Waits

Json = dict[str, Any]

_LOOK_S = 1.0
#: How often a TrainJob's chief is asked whether it has trained.
_ASK_S = 5.0
#: Kind to the container that does the work, and the label that its pods have.
_WORK = {
    "JobSet": (TRAINING, LABEL_RUN),
    "TrainJob": (TRAINJOB_CONTAINER, "jobset.sigs.k8s.io/jobset-name"),
    "InferenceService": (KSERVE_CONTAINER, LABEL_RUN),
}
_GOOD = ("Completed", "Complete")
_STOP = "serving.kserve.io/stop"


def carrier_of(job: Mapping[str, Any]) -> Json | None:
    """Return the JobSet that made a Job (kind, name and uid of it); None for a Job of our own."""
    owners = job["metadata"].get("ownerReferences") or ()
    return next((dict(one) for one in owners if one["kind"] == "JobSet"), None)


def run_of(item: Mapping[str, Any]) -> Run:
    """Return the run that such an object is, by its conditions."""
    serves = item["kind"] == "InferenceService"
    notes = item["metadata"].get("annotations") or {}
    status = item.get("status") or {}
    run = plain(item)
    if serves:
        run = replace(run, endpoint=str((status.get("address") or {}).get("url") or ""))
    if STOPPED in notes:
        return replace(run, state=RunState.STOPPED, ended_at=time_of(notes[STOPPED]))
    found = {one["type"]: one for one in status.get("conditions") or () if one["status"] == "True"}
    for kind, state, code in (
        *((good, RunState.SUCCEEDED, 0) for good in _GOOD),
        ("Failed", RunState.FAILED, 1),
    ):
        if kind in found and not serves:
            told = found[kind]
            return replace(
                run,
                state=state,
                exit_code=code,
                reason=str(told.get("message") or "") if code else "",
                ended_at=time_of(told.get("lastTransitionTime")),
            )
    if "Ready" in found:
        return replace(run, state=RunState.RUNNING)
    return replace(run, state=RunState.STARTING, reason=_waiting(item, found))


def _waiting(item: Mapping[str, Any], found: Mapping[str, Any]) -> str:
    """Return what the controller says it waits for; that it says nothing, where it does not."""
    if (item["spec"] or {}).get("suspend") or "Suspended" in found:
        return "Waiting in its queue"
    conditions = (item.get("status") or {}).get("conditions") or ()
    said = [str(one["message"]) for one in conditions if one.get("message")]
    return said[-1] if said else f"Waiting for the controller of {item['kind']}s"


@dataclass(frozen=True, slots=True)
class CarriedRun:
    """One such run, as this machine deals with it.

    A TrainJob's chief keeps its outputs in its own container, so they are lost with it (out of memory).
    """

    connection: Connection
    item: Json
    store: Store

    @property
    def id(self) -> str:
        """The run's id."""
        return str(self.item["metadata"]["labels"][LABEL_RUN])

    @property
    def serves(self) -> bool:
        """True when it has no end of its own."""
        return bool(self.item["kind"] == "InferenceService")

    @property
    def kept_log(self) -> bool:
        """True when the whole log of an ended run is on this machine."""
        return Kept(self.store, self.id).has_log

    def _path(self) -> str:
        return paths.of(self.item, self.connection.namespace)

    def now(self) -> Run:
        """Return the run as it is now."""
        found = self.connection.get(self._path())
        return run_of({"kind": self.item["kind"], **found})

    def follow(
        self, emit: Emit, line: Callable[[str], object], *, until: Callable[[], bool]
    ) -> Run:
        """Wait for the run's end, until it serves, or `until()`; then tell the log of what has ended.

        Errors: the cluster's.
        """
        waits, problem, asked_at = Waits(emit), "", time.monotonic()
        while (run := self.now()).state is RunState.STARTING or self._trains(run):
            if until():
                break
            if run.reason:
                waits.tell(run.reason)
            if time.monotonic() - asked_at > _ASK_S and not run.outputs:
                problem, asked_at = self._collected(run, emit), time.monotonic()
            time.sleep(_LOOK_S)
        waits.close(ok=run.state is not RunState.FAILED)
        if run.state.final:
            run = self._concluded(run, problem, line)
        return run

    def _concluded(self, run: Run, problem: str, line: Callable[[str], object]) -> Run:
        kept = Kept(self.store, self.id)
        with kept.log(run) as keep:
            for text in self.logs():
                keep(text)
                line(text)
        if self.item["kind"] == "TrainJob" and not run.outputs:
            problem = "outputs are not complete: they ended with their container"
        done = replace(run, reason="; ".join(part for part in (run.reason, problem) if part))
        kept.record(done)
        return done

    def _collected(self, run: Run, emit: Emit) -> str:
        """Fetch a TrainJob's outputs if its chief has trained, and let it end; return what did not come."""
        chief = next((pod for pod in self._pods() if index_of(pod) == 0 and self._holds(pod)), None)
        if chief is None:
            return ""
        name = chief["metadata"]["name"]
        python = str(self.item["spec"]["trainer"]["command"][0])
        keeper = collecting.Keeper(python, TRAINJOB_CONTAINER, HELD_FOLDER)
        if not collecting.has_ended(self.connection, name, keeper):
            return ""
        folder = Kept(self.store, self.id).outputs(run)
        problem = collecting.gather(
            self.connection, {name: folder}, keeper=keeper, run_id=self.id, emit=emit
        )
        self.connection.merge(self._path(), {"metadata": {"annotations": {COLLECTED: folder}}})
        if problem:  # it is said; the TrainJob must end all the same
            with contextlib.suppress(ContainerizeError):
                collecting.release(self.connection, name, keeper)
        return problem

    def _holds(self, pod: Json) -> bool:
        states = (pod.get("status") or {}).get("containerStatuses") or ()
        held = self.item["kind"] == "TrainJob"
        return held and any(
            one["name"] == TRAINJOB_CONTAINER and "running" in (one.get("state") or {})
            for one in states
        )

    def _pods(self) -> list[Json]:
        _, label = _WORK[self.item["kind"]]
        value = self.id if label == LABEL_RUN else self.item["metadata"]["name"]
        path = paths.collection(*paths.PODS, self.connection.namespace)
        return sorted(self.connection.list(path, f"{label}={value}")["items"], key=index_of)

    def _trains(self, run: Run) -> bool:
        return not self.serves and not run.state.final

    def logs(self) -> Iterator[str]:
        """Yield what the pods wrote so far, one pod after the other."""
        work, pods = _WORK[self.item["kind"]][0], self._pods()
        for pod in pods:
            if story.has_started(pod, work=work):
                mark = f"[worker {index_of(pod)}] " if len(pods) > 1 else ""
                name = pod["metadata"]["name"]
                for text in log_lines(self.connection, name, work, follow=False):
                    yield mark + text

    def stop(self) -> Run:
        """Have the controller let no pod run any more; the objects stay until `rm`."""
        at = time.strftime("%Y-%m-%dT%H:%M:%SZ", time.gmtime())
        notes = {STOPPED: at}
        change: Json = {"metadata": {"annotations": notes}}
        if self.serves:
            notes[_STOP] = "true"
        else:
            change["spec"] = {"suspend": True}
        return run_of({"kind": self.item["kind"], **self.connection.merge(self._path(), change)})

    def remove(self) -> None:
        """Delete the object and what it owns."""
        self.connection.delete(self._path(), uid=self.item["metadata"]["uid"])

    def fetch(self, emit: Emit) -> Run:
        """Fetch a TrainJob's outputs once it has trained. Errors: `no-outputs`."""
        run = self.now()
        if self.item["kind"] == "TrainJob" and not run.outputs:
            run = self.follow(emit, lambda _: None, until=lambda: False)
        if not run.outputs:
            raise ContainerizeError(
                "no-outputs",
                what=f"There are no outputs of run {self.id}: a {self.item['kind']} carries it.",
                why="Its pods are the controller's own; they ended before anybody had fetched them, "
                "or are not there yet.",
                fix="Leave --as out: a Job's outputs outlive its training.",
            )
        return run
