"""Following a run: what its pods wait for, what they log, how they end; whatever breaks meanwhile."""

from __future__ import annotations

import queue
import re
import threading
import time
from collections import Counter
from collections.abc import Iterator
from dataclasses import dataclass, field
from typing import Any

from ...errors import ContainerizeError
from . import paths, story
from .connection import Connection
from .listening import Listening
from .manifests.names import LABEL_RUN, STOPPED
from .manifests.pods import TRAINING
from .runs import index_of

Json = dict[str, Any]

_LOOK_S = 2.0
#: Of how many waiting pods the events are asked for.
_ASKED = 3
#: How long a problem may last before it counts as lasting: registries have bad moments.
_PATIENCE_S = 20.0
#: So often a node may evict the same worker before it is given up: it would go on for ever.
_EVICTIONS = 3
_PROGRESS = re.compile(r"\[(\d+)/(\d+)\] ")


@dataclass(frozen=True, slots=True)
class Told:
    """What the run waits for now."""

    text: str


@dataclass(frozen=True, slots=True)
class Line:
    """A line of a worker's log, with its end."""

    index: int
    text: str


@dataclass(frozen=True, slots=True)
class Repeated:
    """An attempt failed, and the cluster makes another one."""

    pod: Json
    ending: story.Ending


@dataclass(frozen=True, slots=True)
class Ended:
    """The run's work is done. `endings` are the deciding pods by index, `failed` the first that failed.

    `stopped`: somebody has stopped it, here or elsewhere.
    """

    endings: dict[int, tuple[Json, story.Ending]]
    failed: int | None = None
    reason: str = ""
    stopped: bool = False


News = Told | Line | Repeated | Ended


@dataclass
class Follower:
    """Follows one Job. `sweep`: indices stand for themselves; else they train together."""

    connection: Connection
    job: Json
    run_id: str
    sweep: bool = False
    logs: bool = True
    _pods: dict[str, Json] = field(default_factory=dict)
    _reading: dict[str, threading.Thread] = field(default_factory=dict)
    _counted: set[str] = field(default_factory=set)
    _failures: Counter[int] = field(default_factory=Counter)
    _evictions: Counter[int] = field(default_factory=Counter)
    _final: dict[int, tuple[Json, story.Ending]] = field(default_factory=dict)
    _said: str = ""
    _refusal: ContainerizeError | None = None
    _troubled_since: float | None = None

    def __post_init__(self) -> None:
        self._listening = Listening(self.connection)
        self._looks_at = time.monotonic() + _LOOK_S

    def news(self) -> Iterator[News]:
        """Yield what happens until the work is done. Errors: what the run cannot recover from."""
        self._listening.watch(
            paths.collection(*paths.JOBS, self.connection.namespace),
            "job",
            fields=f"metadata.name={self.job['metadata']['name']}",
        )
        self._listening.watch(
            paths.collection(*paths.PODS, self.connection.namespace),
            "pod",
            selector=f"{LABEL_RUN}={self.run_id}",
        )
        try:
            while True:
                yield from self._next()
                ended = self._ended()
                if ended is not None:
                    yield from self._drained()
                    yield ended
                    return
        finally:
            self._listening.over = True

    def _next(self) -> Iterator[News]:
        # By the clock: workers that print all the time must not hide what the others wait for.
        patience = self._looks_at - time.monotonic()
        try:
            if patience <= 0:
                raise queue.Empty  # noqa: TRY301 - as if nothing had come
            kind, item = self._listening.news.get(timeout=patience)
        except queue.Empty:
            yield from self._tell(look=True)
            self._looks_at = time.monotonic() + _LOOK_S
            return
        if kind == "line":
            yield item
        elif kind == "error":
            raise item
        elif kind == "job":
            if item.deleted:
                raise _gone(self.run_id)
            self.job = item.object
        elif kind == "pod":
            yield from self._pod(item.object, deleted=item.deleted)

    def _pod(self, pod: Json, *, deleted: bool) -> Iterator[News]:
        uid = pod["metadata"]["uid"]
        self._pods[uid] = pod
        ending = story.ending(pod)
        if ending is None and deleted:
            ending = story.Ending(1, "its pod was deleted", preempted=True)
        self._listen_to(pod)
        if ending is not None and uid not in self._counted:
            self._counted.add(uid)
            yield from self._count(pod, ending)
        if deleted:
            self._pods.pop(uid)
        yield from self._tell(look=False)

    def _listen_to(self, pod: Json) -> None:
        uid, index = pod["metadata"]["uid"], index_of(pod)
        if not self.logs or uid in self._reading or not story.has_started(pod):
            return

        def ended() -> bool:
            now = self._pods.get(uid)
            return now is None or story.ending(now) is not None

        self._reading[uid] = self._listening.read(
            pod["metadata"]["name"], TRAINING, line=lambda text: Line(index, text), ended=ended
        )

    def _count(self, pod: Json, ending: story.Ending) -> Iterator[News]:
        index = index_of(pod)
        if ending.preempted:
            self._evictions[index] += ending.evicted
            if self._evictions[index] >= _EVICTIONS:
                raise _evicted(f"{self._who(index)}{ending.why}", ending.fix)
            yield Told(f"{self._who(index)}{ending.why}: the cluster starts it again")
            return
        if ending.exit_code:
            self._failures[index] += 1
            if not self._last_attempt(index, ending):
                yield Repeated(pod, ending)
                return
        self._final[index] = (pod, ending)

    def _last_attempt(self, index: int, ending: story.Ending) -> bool:
        spec = self.job.get("spec") or {}
        rules = (spec.get("podFailurePolicy") or {}).get("rules") or ()
        for rule in rules:
            codes = rule.get("onExitCodes")
            if codes and rule["action"] in ("FailJob", "FailIndex"):
                listed = ending.exit_code in codes["values"]
                if listed == (codes["operator"] == "In"):
                    return True
        if "backoffLimitPerIndex" in spec:
            return self._failures[index] > int(spec["backoffLimitPerIndex"])
        return sum(self._failures.values()) > int(spec.get("backoffLimit") or 0)

    def _ended(self) -> Ended | None:
        if STOPPED in (self.job["metadata"].get("annotations") or {}):
            return Ended(dict(self._final), stopped=True)
        wanted = int((self.job.get("spec") or {}).get("completions") or 1)
        failed = next((index for index, (_, end) in self._final.items() if end.exit_code), None)
        if self.sweep:
            if len(self._final) == wanted:
                return Ended(dict(self._final), failed)
        elif failed is not None or 0 in self._final:
            return Ended(dict(self._final), failed)
        conditions = (self.job.get("status") or {}).get("conditions") or ()
        kinds = {one["type"]: one for one in conditions if one.get("status") == "True"}
        if not kinds.keys() & {"Failed", "Complete"}:
            return None
        self._look_again()
        if "Complete" in kinds:
            return Ended(dict(self._final))
        failed = next((index for index, (_, end) in self._final.items() if end.exit_code), None)
        one = kinds["Failed"]
        return Ended(dict(self._final), failed or 0, str(one.get("message") or one["reason"]))

    def _look_again(self) -> None:
        """Count the pods that ended before the job did: the news of them may still be on its way."""
        path = paths.collection(*paths.PODS, self.connection.namespace)
        pods = self.connection.list(path, f"{LABEL_RUN}={self.run_id}")["items"]
        # Of several attempts the last one counts.
        for pod in sorted(pods, key=lambda one: one["metadata"]["creationTimestamp"], reverse=True):
            uid = pod["metadata"]["uid"]
            self._pods[uid] = pod
            self._listen_to(pod)
            ending = story.ending(pod)
            if ending is not None and not ending.preempted:
                self._counted.add(uid)
                self._final.setdefault(index_of(pod), (pod, ending))

    def _drained(self) -> Iterator[News]:
        """Yield the lines that are still on their way from the pods that have ended."""
        readers = [self._reading[uid] for uid in self._counted if uid in self._reading]
        for kind, item in self._listening.rest(readers):
            if kind == "line":
                yield item
            elif kind == "pod":
                self._pods[item.object["metadata"]["uid"]] = item.object

    # -- the story -----------------------------------------------------------------------

    def _tell(self, *, look: bool) -> Iterator[News]:
        """Yield what pods wait for, when it changes; raise what will not get better."""
        waiting: list[tuple[int, story.Phase]] = []
        for pod in [*self._pods.values()]:
            if story.ending(pod) is not None or story.has_started(pod):
                continue
            events = self._events(pod["metadata"]["uid"]) if look and len(waiting) < _ASKED else []
            phase = story.phase(pod, events)
            if phase is not None:
                waiting.append((index_of(pod), phase))
        if look:
            self._refusal = self._job_problem()
            if not self._pods and (self.job.get("spec") or {}).get("suspend"):
                waiting.append((0, story.Phase("Waiting in its queue")))
        if self._refusal is not None:
            waiting.insert(0, (0, story.Phase(self._refusal.what, self._refusal)))
        self._give_up_on(waiting)
        text = self._summary(waiting)
        # Events say more than a pod alone; without them nothing is taken back.
        if text and text != self._said and (look or not self._said):
            self._said = text
            yield Told(text)

    def _give_up_on(self, waiting: list[tuple[int, story.Phase]]) -> None:
        problem = next((phase.problem for _, phase in waiting if phase.problem), None)
        if problem is None:
            self._troubled_since = None
            return
        now = time.monotonic()
        self._troubled_since = self._troubled_since or now
        # Nodes and webhooks have bad moments; that an image is not where it must be is none.
        never = problem.code == "image-not-on-node"
        if never or now - self._troubled_since > _PATIENCE_S:
            raise problem

    def _job_problem(self) -> ContainerizeError | None:
        """Return why the cluster does not make the pods without which the run cannot go on."""
        spec = self.job.get("spec") or {}
        together = not self.sweep and int(spec.get("completions") or 1) > 1
        if len(self._pods) >= (int(spec.get("parallelism") or 1) if together else 1):
            return None
        return story.job_problem(self._events(self.job["metadata"]["uid"]))

    def _summary(self, waiting: list[tuple[int, story.Phase]]) -> str:
        if not waiting:
            return ""
        wanted = int((self.job.get("spec") or {}).get("completions") or 1)
        if self._refusal is not None and wanted > 1:
            return f"{len(self._pods)} of {wanted} pods are made: {self._refusal.what}"
        texts = Counter(phase.text for _, phase in waiting)
        text, count = texts.most_common(1)[0]
        return text if wanted == 1 else f"{count} of {wanted} pods: {text}"

    def _events(self, uid: str) -> list[Json]:
        path = paths.collection(*paths.EVENTS, self.connection.namespace)
        try:
            found = self.connection.get(path, {"fieldSelector": f"involvedObject.uid={uid}"})
        except ContainerizeError:
            return []  # events are a comfort: some users may not read them
        items = found.get("items") or []
        return sorted(items, key=lambda e: str(e.get("lastTimestamp") or e.get("eventTime") or ""))

    def _who(self, index: int) -> str:
        wanted = int((self.job.get("spec") or {}).get("completions") or 1)
        return f"worker {index}: " if wanted > 1 else ""


def progress_of(text: str) -> tuple[int, int] | None:
    """Return which cell of how many a line of the guest's log announces."""
    found = _PROGRESS.match(text)
    return (int(found[1]), int(found[2])) if found else None


def _evicted(why: str, fix: str) -> ContainerizeError:
    return ContainerizeError(
        "run-evicted",
        what=f"The run was evicted {_EVICTIONS} times; the cluster would start it again for ever.",
        why=why,
        fix=fix,
    )


def _gone(run_id: str) -> ContainerizeError:
    return ContainerizeError(
        "run-deleted",
        what=f"Run {run_id} was deleted from the cluster while it was followed.",
        fix="Start it again if that was not meant.",
    )
