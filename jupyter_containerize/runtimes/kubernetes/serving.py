"""A service in a cluster: rolled out, updated without losing a request, scaled, rolled back."""

from __future__ import annotations

import contextlib
import json
import secrets
import time
from collections.abc import Iterator, Mapping
from dataclasses import dataclass, replace
from typing import Any, ClassVar

from ...errors import ContainerizeError
from ...model.event import Emit
from ...model.image import Image
from ...model.run import Run, RunSpec, RunState
from ...oci.store import Store
from . import paths, placing, rollout, starting, story
from .connection import Connection
from .manifests.names import IMAGE, LABEL_RUN, MANAGER, RECORD, STOPPED, dns_label, title_of
from .manifests.pods import PodImage
from .manifests.serving import PROGRESS_S, SERVICE, Service, objects
from .runs import record_of, spec_of, time_of
from .streams import log_lines
from .tailing import Tail, marked
from .waits import Waits

Json = dict[str, Any]

_REVISION = "deployment.kubernetes.io/revision"
_LOOK_S = 1.0
#: How long a pod that cannot become ready is looked at before a rollout is given up.
_TROUBLE_S = 60.0


def start(spec: RunSpec, image: Image, connection: Connection, *, store: Store, emit: Emit) -> Json:
    """Create the service's objects; return their owner. Errors: `name-taken`, the cluster's."""
    run_id = secrets.token_hex(4)
    name = dns_label(spec.cluster.serving.name or title_of(spec.image_name))
    expected = placing.expected(image, spec, connection)
    planned = manifests(spec, expected, name, run_id)
    there = connection.find(paths.of(planned[0], connection.namespace))
    if there is not None:
        raise _taken(planned[0]["kind"], there, name)
    even = starting.agree(
        connection, lambda even: manifests(spec, expected, name, run_id, even=even), new=True
    )
    placed = placing.place(image, spec, connection, store=store, emit=emit)
    return starting.create(connection, manifests(spec, placed, name, run_id, even=even), emit)


def manifests(
    spec: RunSpec, image: PodImage, name: str, run_id: str, *, even: bool = False
) -> list[Json]:
    """Return the service's objects, the owner first. Errors: `no-docker-credentials`."""
    docker = spec.cluster.pull_secret == placing.DOCKER
    if docker:
        image = replace(image, pull_secret=f"{name}-pull")
    service = Service(name, run_id, spec, image, record=record_of(spec), even=even)
    made = objects(service)
    if docker:
        secret = starting.pull_secret(f"{name}-pull", spec.cluster.registry, service.labels())
        made.append(secret)
    return made


def _path(connection: Connection, name: str) -> str:
    return f"{paths.collection(*paths.DEPLOYMENTS, connection.namespace)}/{name}"


def _taken(kind: str, there: Json, name: str) -> ContainerizeError:
    labels = there["metadata"].get("labels") or {}
    if labels.get("app.kubernetes.io/managed-by") == MANAGER and labels.get(LABEL_RUN):
        run_id = labels[LABEL_RUN]
        update = f"Update it: jupyter containerize update {run_id} IMAGE. Or choose --name NAME."
        remove = f"Remove it: jupyter containerize rm {run_id}. Or choose --name NAME."
        return ContainerizeError(
            "name-taken",
            what=f"A service {name} is there already: run {run_id}.",
            fix=update if kind == "Deployment" else remove,
        )
    return ContainerizeError(
        "name-taken",
        what=f"{kind} {name} is there already, and it is not ours.",
        why=f"It is managed by {labels.get('app.kubernetes.io/managed-by') or 'somebody else'}.",
        fix="Choose another name: --name NAME",
    )


@dataclass(frozen=True, slots=True)
class Revision:
    """One image that a service has had. `current` is what it has now."""

    number: int
    image: str
    created_at: float | None
    current: bool


@dataclass(frozen=True, slots=True)
class ServiceRun:
    """One service in the cluster, as this machine deals with it."""

    connection: Connection
    deployment: Json
    store: Store
    serves: ClassVar[bool] = True

    @property
    def id(self) -> str:
        """The run's id."""
        return str(self.deployment["metadata"]["labels"][LABEL_RUN])

    @property
    def name(self) -> str:
        """The Deployment's and the Service's name."""
        return str(self.deployment["metadata"]["name"])

    def now(self) -> Run:
        """Return the service as a run."""
        found = self.connection.get(_path(self.connection, self.name))
        return rollout.run_of(found, self.connection.namespace)

    def pods(self) -> list[Json]:
        """Return the service's pods, the newest first."""
        path = paths.collection(*paths.PODS, self.connection.namespace)
        found = self.connection.list(path, f"{LABEL_RUN}={self.id}")["items"]
        return sorted(found, key=lambda pod: pod["metadata"]["creationTimestamp"], reverse=True)

    def ready(self, emit: Emit) -> Run:
        """Wait until all pods of the current revision are ready; tell meanwhile what they wait for.

        Errors: `not-ready` with the last log lines, and what pods cannot recover from.
        """
        since, troubled, waits = time.monotonic(), None, Waits(emit)
        while True:
            found = self.connection.get(_path(self.connection, self.name))
            text = rollout.progress(found)
            if not text:
                waits.close()
                return rollout.run_of(found, self.connection.namespace)
            problem, phase = self._trouble()
            troubled = (troubled or time.monotonic()) if problem else None
            lasting = troubled is not None and time.monotonic() - troubled > _TROUBLE_S / 3
            if problem is not None and (
                lasting or problem.code in ("not-ready", "pod-cannot-start")
            ):
                waits.close(ok=False)
                raise problem
            if time.monotonic() - since > PROGRESS_S:
                waits.close(ok=False)
                raise _not_ready(self.name, f"It did not become ready within {PROGRESS_S} s.")
            waits.tell(f"{text}: {phase}" if phase else text)
            time.sleep(_LOOK_S)

    def _trouble(self) -> tuple[ContainerizeError | None, str]:
        """Return what the newest pods suffer from, and what they wait for."""
        text = ""
        for pod in self.pods():
            if rollout.is_ready(pod) or pod["metadata"].get("deletionTimestamp"):
                continue
            phase = story.phase(pod, self._events(pod), work=SERVICE)
            if phase is not None and phase.problem is not None:
                return phase.problem, phase.text
            crash = rollout.crash(pod)
            if crash is not None:
                return self._crashed(pod, crash), ""
            text = text or (phase.text if phase else "Waiting for it to be ready")
        return None, text

    def _crashed(self, pod: Json, crash: Mapping[str, Any]) -> ContainerizeError:
        lines: list[str] = []
        with contextlib.suppress(ContainerizeError, ConnectionError):
            lines = list(
                log_lines(
                    self.connection, pod["metadata"]["name"], SERVICE, follow=False, previous=True
                )
            )[-8:]
        if crash.get("reason") == "OOMKilled":
            ending = story.out_of_memory(pod, SERVICE, int(crash.get("exitCode", 137)), "")
            return ContainerizeError(
                "not-ready", what=f"{self.name}: {ending.why}.", fix=ending.fix
            )
        why = "".join(lines).strip() or str(crash.get("message") or "")
        return _not_ready(self.name, f"Exit code {crash.get('exitCode')}:\n{why}")

    def _events(self, pod: Json) -> list[Json]:
        path = paths.collection(*paths.EVENTS, self.connection.namespace)
        query = {"fieldSelector": f"involvedObject.uid={pod['metadata']['uid']}"}
        try:
            return list(self.connection.get(path, query).get("items") or [])
        except ContainerizeError:
            return []

    # -- changes -------------------------------------------------------------------------

    def update(self, image: Image, options: RunSpec, emit: Emit) -> Run:
        """Roll out another image, and back again if it does not become ready.

        Errors: `rolled-back` with why; those of placing.
        """
        before = self.connection.get(_path(self.connection, self.name))
        spec = replace(
            spec_of(before["metadata"].get("annotations") or {}),
            image=image.digest,
            image_name=options.image_name,
        )
        wished = replace(
            spec.cluster,
            registry=options.cluster.registry or spec.cluster.registry,
            pull_secret=options.cluster.pull_secret or spec.cluster.pull_secret,
        )
        spec = replace(spec, cluster=wished)
        expected = placing.expected(image, spec, self.connection)

        def made(pod_image: PodImage, *, even: bool) -> Json:
            owner = manifests(spec, pod_image, self.name, self.id, even=even)[0]
            self._keep_replicas(owner)
            return owner

        even = starting.agree(self.connection, lambda even: [made(expected, even=even)], new=False)
        placed = placing.place(image, spec, self.connection, store=self.store, emit=emit)
        changed = made(placed, even=even)
        self.connection.apply(_path(self.connection, self.name), changed)
        return self._settled(before, emit)

    def _keep_replicas(self, manifest: Json) -> None:
        """Leave the number of pods as it is: an update is about the image."""
        if self._autoscaler() is not None:
            manifest["spec"].pop("replicas", None)
            return
        now = self.connection.get(_path(self.connection, self.name))
        manifest["spec"]["replicas"] = int(now["spec"].get("replicas") or 0)

    def _settled(self, before: Json, emit: Emit) -> Run:
        try:
            return self.ready(emit)
        except ContainerizeError as error:
            self._roll_back_to(before)
            raise ContainerizeError(
                "rolled-back",
                what=f"The new image of {self.name} did not become ready; the old one serves on.",
                why=f"{error.what} {error.why}".strip(),
                fix=error.fix or "Run the image on this machine first: jupyter containerize run",
            ) from error

    def _roll_back_to(self, before: Json) -> None:
        notes = before["metadata"].get("annotations") or {}
        change = {
            "metadata": {"annotations": {IMAGE: notes.get(IMAGE), RECORD: notes.get(RECORD)}},
            "spec": {"template": before["spec"]["template"]},
        }
        self.connection.merge(_path(self.connection, self.name), change)

    def roll_back(self, revision: int, emit: Emit) -> Run:
        """Return to an earlier revision, 0 for the one before. Errors: `no-such-revision`."""
        known = {int(_note(one, _REVISION) or 0): one for one in self._sets()}
        now = int(_note(self.connection.get(_path(self.connection, self.name)), _REVISION) or 0)
        earlier = [number for number in known if number < now]
        wanted = revision or max(earlier, default=0)
        if wanted not in known or wanted == now:
            raise ContainerizeError(
                "no-such-revision",
                what=f"{self.name} has no earlier revision {revision or ''}".strip() + ".",
                why=f"It has: {', '.join(str(number) for number in sorted(known))}; now {now}.",
                fix=f"jupyter containerize history {self.id} lists them.",
            )
        template = json.loads(json.dumps(known[wanted]["spec"]["template"]))
        template["metadata"].get("labels", {}).pop("pod-template-hash", None)
        before = self.connection.get(_path(self.connection, self.name))
        notes = {IMAGE: _note(known[wanted], IMAGE), RECORD: _note(known[wanted], RECORD)}
        change = {"metadata": {"annotations": notes}, "spec": {"template": template}}
        self.connection.merge(_path(self.connection, self.name), change)
        return self._settled(before, emit)

    def scale(self, count: int, emit: Emit) -> Run:
        """Serve with `count` pods; where an autoscaler decides, move its bounds."""
        found = self._autoscaler()
        if found is None:
            self.connection.merge(_path(self.connection, self.name), {"spec": {"replicas": count}})
            return self.ready(emit)
        path = f"{paths.collection(*paths.AUTOSCALERS, self.connection.namespace)}/{self.name}"
        most = max(count, int(found["spec"]["maxReplicas"]))
        self.connection.merge(path, {"spec": {"minReplicas": count, "maxReplicas": most}})
        return self.now()

    def _autoscaler(self) -> Json | None:
        path = f"{paths.collection(*paths.AUTOSCALERS, self.connection.namespace)}/{self.name}"
        try:
            return self.connection.find(path)
        except ContainerizeError:
            return None  # a cluster without autoscaling/v2 has none

    def history(self) -> tuple[Revision, ...]:
        """Return what the service has served, the newest first."""
        now = int(_note(self.connection.get(_path(self.connection, self.name)), _REVISION) or 0)
        revisions = [
            Revision(
                number=int(_note(one, _REVISION) or 0),
                image=one["spec"]["template"]["spec"]["containers"][0]["image"],
                created_at=time_of(one["metadata"].get("creationTimestamp")),
                current=int(_note(one, _REVISION) or 0) == now,
            )
            for one in self._sets()
        ]
        return tuple(sorted(revisions, key=lambda one: -one.number))

    def _sets(self) -> list[Json]:
        path = paths.collection(*paths.REPLICA_SETS, self.connection.namespace)
        found: list[Json] = self.connection.list(path, f"{LABEL_RUN}={self.id}")["items"]
        return found

    def stop(self) -> Run:
        """Let no pod serve any more; the objects stay until `rm`."""
        run = self.now()
        if run.state is RunState.STOPPED:
            return run
        at = time.strftime("%Y-%m-%dT%H:%M:%SZ", time.gmtime())
        change = {"metadata": {"annotations": {STOPPED: at}}, "spec": {"replicas": 0}}
        found = self._autoscaler()
        if found is not None:
            path = f"{paths.collection(*paths.AUTOSCALERS, self.connection.namespace)}/{self.name}"
            self.connection.delete(path, uid=found["metadata"]["uid"])
        self.connection.merge(_path(self.connection, self.name), change)
        return replace(run, state=RunState.STOPPED, ended_at=time.time())

    def remove(self) -> None:
        """Delete the service's objects; the Deployment owns them all."""
        uid = self.deployment["metadata"]["uid"]
        self.connection.delete(_path(self.connection, self.name), uid=uid)

    def ready_pods(self) -> list[str]:
        """Return the names of the pods that can be asked now."""
        return sorted(
            pod["metadata"]["name"]
            for pod in self.pods()
            if rollout.is_ready(pod) and not pod["metadata"].get("deletionTimestamp")
        )

    def logs(self, *, follow: bool) -> Iterator[str]:
        """Yield what the pods have written; with `follow`, also what they and later ones will."""
        if follow:
            yield from Tail(self.connection, self.deployment, self.id).lines()
            return
        pods = [pod for pod in reversed(self.pods()) if story.has_started(pod, work=SERVICE)]
        for pod in pods:
            for text in log_lines(self.connection, pod["metadata"]["name"], SERVICE, follow=False):
                yield marked(pod, text) if len(pods) > 1 else text


def _note(item: Mapping[str, Any], name: str) -> str:
    return str((item["metadata"].get("annotations") or {}).get(name) or "")


def _not_ready(name: str, why: str) -> ContainerizeError:
    return ContainerizeError(
        "not-ready",
        what=f"{name} does not become ready.",
        why=why,
        fix="Run the image on this machine first: jupyter containerize run IMAGE",
    )
