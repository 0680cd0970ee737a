"""A training run in a cluster: started, followed to its end, its outputs fetched, stopped."""

from __future__ import annotations

import contextlib
import json
import os
import secrets
import time
from collections.abc import Callable, Iterator
from dataclasses import dataclass, replace
from datetime import datetime, timezone
from typing import Any, ClassVar

from ...errors import ContainerizeError
from ...model.event import Emit, Progress
from ...model.image import Image
from ...model.run import Run, RunSpec, RunState
from ...oci.store import Store
from . import carried, collecting, paths, placing, starting, story
from .carried import carrier_of
from .connection import Connection
from .following import Ended, Follower, Line, Repeated, Told, progress_of
from .kept import Kept
from .manifests.names import COLLECTED, IMAGE, LABEL_RUN, STOPPED, STOPPING, run_name
from .manifests.pods import COLLECTOR, TRAINING, PodImage
from .manifests.training import Training, objects
from .manifests.volumes import target
from .runs import VERDICT, index_of, record_of, run_of_job
from .streams import log_lines
from .waits import Waits

Json = dict[str, Any]

_LOOK_S = 0.5
#: How long whoever stops a run may take to fetch its outputs before they count as interrupted.
_STOP_PATIENCE_S = 600.0


def start(spec: RunSpec, image: Image, connection: Connection, *, store: Store, emit: Emit) -> Run:
    """Create the run's objects and return it; the cluster is asked before anything is pushed.

    At most two calls an object, and two. Errors: those of checking, placing and creating.
    """
    run_id = secrets.token_hex(4)
    expected = placing.expected(image, spec, connection)
    planned = manifests(spec, expected, run_id)
    if planned[0]["kind"] == "Job":
        starting.check_room(connection, planned[0], int(planned[0]["spec"]["parallelism"]))
    elif planned[0]["kind"] == "JobSet":
        (workers,) = planned[0]["spec"]["replicatedJobs"]
        starting.check_version(connection, workers["template"]["spec"])
    even = starting.agree(
        connection, lambda even: manifests(spec, expected, run_id, even=even), new=True
    )
    placed = placing.place(image, spec, connection, store=store, emit=emit)
    made = manifests(spec, placed, run_id, even=even)
    owner = starting.create(connection, made, emit)
    return run_of_job(owner, ()) if owner["kind"] == "Job" else carried.run_of(owner)


def manifests(spec: RunSpec, image: PodImage, run_id: str, *, even: bool = False) -> list[Json]:
    """Return the run's objects, the owner first. Errors: `no-docker-credentials`."""
    name = run_name(spec.image_name, run_id)
    docker = spec.cluster.pull_secret == placing.DOCKER
    if docker:
        image = replace(image, pull_secret=f"{name}-pull")
    training = Training(name, run_id, spec, image, record=record_of(spec), even=even)
    made = objects(training)
    made[0]["metadata"].setdefault("annotations", {})[IMAGE] = image.reference
    if docker:
        secret = starting.pull_secret(f"{name}-pull", spec.cluster.registry, training.labels())
        made.append(secret)
    return made


@dataclass(frozen=True, slots=True)
class TrainingRun:
    """One run in the cluster, as this machine deals with it."""

    connection: Connection
    job: Json
    store: Store
    serves: ClassVar[bool] = False

    @property
    def _kept(self) -> Kept:
        return Kept(self.store, self.id)

    @property
    def id(self) -> str:
        """The run's id."""
        return str(self.job["metadata"]["labels"][LABEL_RUN])

    def pods(self) -> list[Json]:
        """Return the run's pods."""
        path = paths.collection(*paths.PODS, self.connection.namespace)
        found: list[Json] = self.connection.list(path, f"{LABEL_RUN}={self.id}")["items"]
        return found

    def now(self) -> Run:
        """Return the run as it is now."""
        return run_of_job(self.connection.get(self._path()), self.pods())

    def _path(self) -> str:
        return paths.of(self.job, self.connection.namespace)

    def follow(self, emit: Emit, line: Callable[[str], object]) -> Run:
        """Follow the run to its end, fetch its outputs, keep its log, return it as it ended.

        Errors: what the run cannot recover from; it is stopped then, and says why.
        """
        run = self.now()
        if run.state.final and (run.outputs or not self._collected_by_us()):
            return run
        follower = Follower(self.connection, self.job, self.id, sweep=bool(run.spec.cluster.sweep))
        waits = Waits(emit)
        try:
            with self._kept.log(run) as keep:

                def told(text: str) -> None:
                    keep(text)
                    line(text)

                ended = self._followed(follower, waits, emit, told)
        except ContainerizeError as error:
            waits.close(ok=False)
            if error.code not in ("run-deleted", "cluster-unreachable", "cluster-login"):
                self._give_up(run, error)
            raise
        waits.close()
        return self.conclude(run, ended, emit)

    def fetch(self, emit: Emit) -> Run:
        """Fetch the outputs of a run that has ended, again if need be; of another, wait for its end."""
        run = self.now()
        if not run.state.final:
            return self.follow(emit, lambda _: None)
        if not self._collected_by_us() or (run.outputs and not any(map(_keeps, self.pods()))):
            return run
        self._keep_log(run)
        outputs, problem = self.collect(run, emit)
        marked = run.reason.partition("outputs are not complete")[0].strip("; ")
        waiting = "outputs wait in the cluster"
        reasons = [part for part in marked.split("; ") if part and part != waiting]
        done = replace(run, outputs=outputs, reason="; ".join([*reasons, *filter(None, [problem])]))
        self._write_down(done)
        return done

    def _followed(
        self,
        follower: Follower,
        waits: Waits,
        emit: Emit,
        line: Callable[[str], object],
    ) -> Ended:
        for news in follower.news():
            match news:
                case Told(text):
                    waits.tell(text)
                case Line(index, text):
                    waits.close()
                    line(self._marked(index, text))
                    progress = progress_of(text)
                    if progress and index == 0:
                        emit(Progress("run", "cells", progress[0] - 1, progress[1], "cells"))
                case Repeated(pod, ending):
                    waits.tell(
                        f"The attempt failed ({_why(ending)}); the cluster makes another one"
                    )
                    with contextlib.suppress(ContainerizeError):
                        self._release(pod)
                case Ended():
                    return news
        raise AssertionError("a follower ends with Ended")

    def conclude(self, run: Run, ended: Ended, emit: Emit) -> Run:
        """Fetch the outputs of the pods that count, write down how the run ended, here and there."""
        if ended.stopped or ended.failed is not None:
            stopped = self._stopped_by_another()
            if stopped is not None:
                return stopped
        exit_code, reason = 0, ended.reason
        if ended.failed is not None:
            ending = ended.endings.get(ended.failed, ({}, story.Ending(1)))[1]
            exit_code = ending.exit_code
            who = f"worker {ended.failed}" if run.spec.workers > 1 else ""
            words = ". ".join(part for part in (ending.why, ending.fix) if part) or ended.reason
            reason = ": ".join(part for part in (who, words) if part)
        outputs, problem = run.outputs, ""
        if self._collected_by_us():
            outputs, problem = self.collect(run, emit, ended)
        state = RunState.FAILED if ended.failed is not None else RunState.SUCCEEDED
        done = replace(
            run,
            state=state,
            exit_code=exit_code,
            reason="; ".join(part for part in (reason, problem) if part),
            ended_at=time.time(),
            outputs=outputs or _elsewhere(run.spec, self.job),
        )
        self._write_down(done)
        return done

    def _stopped_by_another(self) -> Run | None:
        """Return the run if somebody stops it, once they have: the outputs are with them."""
        until = time.monotonic() + _STOP_PATIENCE_S
        while STOPPING in (self.connection.get(self._path())["metadata"].get("annotations") or {}):
            run = self.now()
            if run.state is RunState.STOPPED:
                return run
            if time.monotonic() > until:  # they were interrupted: it ends as it would have
                return None
            time.sleep(_LOOK_S)
        return None

    # -- outputs -------------------------------------------------------------------------

    def _collected_by_us(self) -> bool:
        template = (self.job.get("spec") or {}).get("template") or {}
        containers = (template.get("spec") or {}).get("containers") or ()
        return any(one["name"] == COLLECTOR and "collect" in one["command"] for one in containers)

    def collect(self, run: Run, emit: Emit, ended: Ended | None = None) -> tuple[str, str]:
        """Fetch outputs into the store; return their folder, and what did not come (a sentence).

        Of pods that trained together the chief's, of a sweep each in a folder by its index.
        """
        outputs = self._kept.outputs(run)
        places = {
            pod["metadata"]["name"]: os.path.join(outputs, str(index))
            if run.spec.cluster.sweep
            else outputs
            for index, pod in sorted(self._deciding(run, ended).items())
        }
        problem = collecting.gather(
            self.connection, places, keeper=self._keeper(), run_id=run.id, emit=emit
        )
        return outputs, problem

    def _deciding(self, run: Run, ended: Ended | None) -> dict[int, Json]:
        pods = sorted(self.pods(), key=lambda pod: pod["metadata"]["creationTimestamp"])
        latest = {index_of(pod): pod for pod in pods if _keeps(pod)}
        if ended is not None:
            # The attempt that counts, not one that the cluster may be making after it.
            latest |= {
                index: pod for index, (pod, _) in ended.endings.items() if pod["metadata"]["uid"]
                in {other["metadata"]["uid"] for other in pods if _keeps(other)}
            }  # fmt: skip
        if run.spec.cluster.sweep:
            return latest
        return {index: pod for index, pod in latest.items() if index == 0}

    def _keeper(self) -> collecting.Keeper:
        containers = self.job["spec"]["template"]["spec"]["containers"]
        collector = next(one for one in containers if one["name"] == COLLECTOR)
        return collecting.Keeper(str(collector["command"][0]))

    def _release(self, pod: Json) -> None:
        collecting.release(self.connection, pod["metadata"]["name"], self._keeper())

    # -- ends ----------------------------------------------------------------------------

    def stop(self, grace_s: float) -> Run:
        """Ask every pod's training to end, fetch what it left, and end the job."""
        run = self.now()
        if run.state.final:
            return run
        # Who follows the run must not take this end for a failure, nor fetch what we fetch.
        self._note({STOPPING: _now()})
        asked = []
        for pod in self.pods():
            if story.ending(pod) is None and _keeps(pod):
                with contextlib.suppress(ContainerizeError):
                    collecting.ask_to_stop(
                        self.connection,
                        pod["metadata"]["name"],
                        self._keeper(),
                        grace_s=grace_s,
                    )
                    asked.append(pod["metadata"]["uid"])
        until = time.monotonic() + grace_s + 10.0
        while asked and time.monotonic() < until:
            left = [p for p in self.pods() if p["metadata"]["uid"] in asked and not story.ending(p)]
            if not left:
                break
            time.sleep(0.5)
        self._keep_log(run)
        outputs = ""
        if asked and self._collected_by_us():
            outputs, _ = self.collect(run, lambda _: None)
        self._note({STOPPED: _now(), COLLECTED: outputs})
        self._suspend()
        stopped = replace(
            run,
            state=RunState.STOPPED,
            ended_at=time.time(),
            exit_code=143,
            outputs=outputs,
            reason="",
        )
        self._kept.record(stopped)
        return stopped

    def _note(self, notes: Json) -> None:
        self.job.update(self.connection.merge(self._path(), {"metadata": {"annotations": notes}}))

    def remove(self) -> None:
        """Delete the run's objects; the Job owns them all, a JobSet the Job."""
        carrier = carrier_of(self.job)
        uid = (carrier or self.job["metadata"])["uid"]
        self.connection.delete(self._carried_by(), uid=uid)

    def _carried_by(self) -> str:
        """Return the path of what decides whether the Job goes on: itself, or its JobSet."""
        carrier = carrier_of(self.job)
        if carrier is None:
            return self._path()
        kind = (carrier["apiVersion"], carrier["kind"])
        return f"{paths.collection(*kind, self.connection.namespace)}/{carrier['name']}"

    def _suspend(self) -> None:
        self.connection.merge(self._carried_by(), {"spec": {"suspend": True}})

    def _give_up(self, run: Run, error: ContainerizeError) -> None:
        """Stop a run that cannot go on, so that nothing of it holds the cluster's room."""
        done = replace(
            run,
            state=RunState.FAILED,
            reason=f"{error.what} {error.why}".strip(),
            ended_at=time.time(),
        )
        with contextlib.suppress(ContainerizeError):
            self._write_down(done, suspend=True)

    def _write_down(self, run: Run, *, suspend: bool = False) -> None:
        """Tell the cluster how the run ended, for who looks from elsewhere, and the store."""
        verdict = {
            "state": run.state.value,
            "exit_code": run.exit_code,
            "reason": run.reason,
            "ended_at": run.ended_at,
        }
        notes = {VERDICT: json.dumps(verdict), COLLECTED: run.outputs}
        change: Json = {"metadata": {"annotations": notes}}
        with contextlib.suppress(ContainerizeError):
            self.connection.merge(self._path(), change)
            if suspend:
                self._suspend()
        self._kept.record(run)

    # -- logs ----------------------------------------------------------------------------

    @property
    def kept_log(self) -> bool:
        """True when the whole log of an ended run is on this machine."""
        return self._kept.has_log

    def logs(self) -> Iterator[str]:
        """Yield what the pods wrote so far, one pod after the other; see `follow` for more."""
        for pod in sorted(self.pods(), key=index_of):
            if story.has_started(pod):
                name, index = pod["metadata"]["name"], index_of(pod)
                for text in log_lines(self.connection, name, TRAINING, follow=False):
                    yield self._marked(index, text)

    def _marked(self, index: int, text: str) -> str:
        several = int((self.job.get("spec") or {}).get("completions") or 1) > 1
        return f"[worker {index}] {text}" if several else text

    def _keep_log(self, run: Run) -> None:
        """Keep the log of a run that nobody here followed."""
        if self._kept.has_log:
            return
        with contextlib.suppress(ContainerizeError), self._kept.log(run) as keep:
            for text in self.logs():
                keep(text)


def _now() -> str:
    return datetime.now(timezone.utc).isoformat(timespec="seconds")


def _keeps(pod: Json) -> bool:
    """Tell whether a pod's collector runs."""
    for one in (pod.get("status") or {}).get("containerStatuses") or ():
        if one["name"] == COLLECTOR and "running" in (one.get("state") or {}):
            return True
    return False


def _why(ending: story.Ending) -> str:
    return ending.why or f"exit code {ending.exit_code}"


def _elsewhere(spec: RunSpec, job: Json) -> str:
    """Return where outputs are that nobody fetches: a claim or a URL."""
    where = target(spec.cluster.outputs)
    claimed = where.claim or (job["metadata"]["name"] if where.size else "")
    return where.url or (f"pvc:{claimed}" if claimed else "")
