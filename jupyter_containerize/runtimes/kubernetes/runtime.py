"""The `kubernetes` runtime: runs live in a cluster's objects, whoever asks, from wherever."""

from __future__ import annotations

import contextlib
import queue
import threading
from collections.abc import Callable, Iterator
from concurrent.futures import ThreadPoolExecutor
from dataclasses import dataclass, replace
from typing import Any, TypeVar

from ...errors import ContainerizeError
from ...model.check import Check
from ...model.cluster import Place
from ...model.event import Emit, LogLine, ignore
from ...model.plan import LABEL_KIND, SERVICE_PORT, ImageKind
from ...model.run import Restart, Run, RunSpec, RunState
from ...oci.store import Store
from ..records import Records
from . import carried, owners, paths, places, rollout, serving, training, tunnel
from .connection import Connection
from .runs import RUNTIME

Json = dict[str, Any]
T = TypeVar("T")

#: Looking for runs must not hang on a cluster that is off.
_LOOK_PATIENCE_S = 5.0


@dataclass(frozen=True, slots=True)
class KubernetesRuntime:
    """Runs images in clusters. It asks only clusters that this store has used or was shown."""

    name: str = RUNTIME

    def start(self, spec: RunSpec, *, store: Store, emit: Emit = ignore) -> Run:
        """Bring the image to the cluster and create the run's objects; return once they are there.

        Errors: `not-with-this-runtime`, those of the connection, of pushing, of the cluster.
        """
        _refuse(spec)
        image = store.resolve(spec.image)
        connection = Connection(spec.cluster.place)
        places.remember(store, connection.place())
        if image.config.labels.get(LABEL_KIND) == ImageKind.INFERENCE.value:
            made = serving.start(spec, image, connection, store=store, emit=emit)
            if made["kind"] != "Deployment":
                return carried.run_of(made)
            return rollout.run_of(made, connection.namespace)
        return training.start(spec, image, connection, store=store, emit=emit)

    def look_in(self, place: Place, *, store: Store) -> None:
        """Have runs be looked for in a place as well. Errors: `no-rights`, those of the connection.

        A place that does not answer, or lets nothing be seen, is not kept: every list would wait for it.
        """
        connection = Connection(place, patience_s=_LOOK_PATIENCE_S)
        owners.look(connection)
        places.remember(store, connection.place())

    def get(self, run_id: str, *, store: Store) -> Run:
        """Return the run as it is now. Errors: `no-such-run`, those of the connection."""
        there = self._in_cluster(run_id, store)
        if there is not None:
            return there.now()
        return Records(store.runs_folder, self.name).read(run_id)

    def list(self, *, store: Store) -> tuple[Run, ...]:
        """Return the runs of the known clusters, and those kept here that are gone there."""
        found = {run.id: run for run in Records(store.runs_folder, self.name).all()}
        for answer in _side_by_side(_runs_there, places.known(store)):
            if not isinstance(answer, ContainerizeError):  # those are told by `problems`
                found.update((run.id, run) for run in answer)
        return tuple(sorted(found.values(), key=lambda run: -(run.started_at or 0.0)))

    def problems(self, *, store: Store) -> tuple[ContainerizeError, ...]:
        """Return an error for each known cluster that cannot be asked."""
        answers = _side_by_side(
            lambda place: owners.look(Connection(place, patience_s=_LOOK_PATIENCE_S)),
            places.known(store),
        )
        found = [answer for answer in answers if answer is not None]
        for error in found:
            if error.code == "unknown-context":
                error.fix = (
                    "Runs there are not listed. Set KUBECONFIG to the file that has the context."
                )
        return tuple(found)

    def logs(self, run_id: str, *, store: Store, follow: bool = False) -> Iterator[str]:
        """Yield the log's lines; with `follow`, until the run has ended (outputs are fetched then).

        A service's end when it is stopped or removed.
        """
        there = self._in_cluster(run_id, store)
        if isinstance(there, serving.ServiceRun):
            yield from there.logs(follow=follow)
        elif there is None or there.kept_log:
            yield from Records(store.runs_folder, self.name).logs(run_id, follow=False)
        elif not follow or there.now().state.final:
            yield from there.logs()
        else:
            yield from _lines(lambda line: self._followed(there, ignore, line, store))

    def follow(self, run_id: str, *, store: Store, emit: Emit) -> Run:
        """Follow a run to its end: what it waits for as steps, its log as `LogLine`s."""
        there = self._in_cluster(run_id, store)
        if there is None:
            return Records(store.runs_folder, self.name).read(run_id)
        if isinstance(there, serving.ServiceRun):
            return _ready(there, emit)
        return self._followed(there, emit, lambda text: emit(LogLine(text)), store)

    def _followed(
        self,
        there: training.TrainingRun | carried.CarriedRun,
        emit: Emit,
        line: Callable[[str], object],
        store: Store,
    ) -> Run:
        """Follow a training; of a JobSet, its Job once there is one."""
        if isinstance(there, training.TrainingRun):
            return there.follow(emit, line)

        def job() -> training.TrainingRun | None:
            found = self._in_cluster(there.id, store) if there.item["kind"] == "JobSet" else None
            return found if isinstance(found, training.TrainingRun) else None

        run = there.follow(emit, line, until=lambda: job() is not None)
        made = job()
        return made.follow(emit, line) if made is not None else run

    def wait(self, run_id: str, *, store: Store, timeout_s: float | None = None) -> Run:
        """Return the run once it has ended and its outputs are here, or as it is after `timeout_s`."""
        done: queue.Queue[Run | BaseException] = queue.Queue()

        def work() -> None:
            try:
                done.put(self.follow(run_id, store=store, emit=ignore))
            except BaseException as error:  # noqa: BLE001 - raised again where it is waited for
                done.put(error)

        threading.Thread(target=work, daemon=True).start()
        try:
            outcome = done.get(timeout=timeout_s)
        except queue.Empty:
            return self.get(run_id, store=store)
        if isinstance(outcome, BaseException):
            raise outcome
        return outcome

    def stop(self, run_id: str, *, store: Store, grace_s: float = 10.0) -> Run:
        """Ask the run to end, kill it after `grace_s`, fetch its outputs, return it as it ended."""
        there = self._in_cluster(run_id, store)
        if there is None:
            return Records(store.runs_folder, self.name).read(run_id)
        return there.stop(grace_s) if isinstance(there, training.TrainingRun) else there.stop()

    def remove(self, run_id: str, *, store: Store) -> None:
        """Delete an ended run's objects, its log and its outputs. Errors: `run-is-running`."""
        there = self._in_cluster(run_id, store)
        if there is not None:
            # A service has no end of its own; whoever removes it means to end it.
            if not there.serves and not there.now().state.final:
                raise ContainerizeError(
                    "run-is-running",
                    what=f"Run {there.id} is still running.",
                    fix=f"Stop it first: jupyter containerize stop {there.id}",
                )
            there.remove()
            run_id = there.id
        try:
            Records(store.runs_folder, self.name).read(run_id)
        except ContainerizeError:
            if there is None:
                raise
            return
        Records(store.runs_folder, self.name).remove(run_id)

    def outputs(self, run_id: str, *, store: Store, emit: Emit) -> Run:
        """Fetch a run's outputs into the store and return it. Errors: `no-such-run`, `outputs-...`."""
        there = self._in_cluster(run_id, store)
        if there is None:
            return Records(store.runs_folder, self.name).read(run_id)
        if isinstance(there, serving.ServiceRun):
            raise ContainerizeError(
                "no-outputs", what=f"Run {there.id} serves; it makes no outputs."
            )
        return there.fetch(emit)

    # -- services ------------------------------------------------------------------------

    def update(self, run_id: str, spec: RunSpec, *, store: Store, emit: Emit) -> Run:
        """Roll another image out, and back if it does not become ready. Errors: `rolled-back`."""
        return self._service(run_id, store).update(store.resolve(spec.image), spec, emit)

    def scale(self, run_id: str, count: int, *, store: Store, emit: Emit) -> Run:
        """Serve with `count` pods. Errors: `not-a-service`."""
        return self._service(run_id, store).scale(count, emit)

    def history(self, run_id: str, *, store: Store) -> tuple[serving.Revision, ...]:
        """Return what a service has served, the newest first. Errors: `not-a-service`."""
        return self._service(run_id, store).history()

    def roll_back(self, run_id: str, revision: int, *, store: Store, emit: Emit) -> Run:
        """Return to an earlier revision, 0 for the one before. Errors: `no-such-revision`."""
        return self._service(run_id, store).roll_back(revision, emit)

    def forwarded(
        self, run_id: str, *, store: Store, port: int = 0
    ) -> contextlib.AbstractContextManager[int]:
        """Return a context in which a port of this machine leads to the service; it is its value."""
        there = self._service(run_id, store)
        return tunnel.opened(there.connection, there.ready_pods, SERVICE_PORT, local=port)

    def _service(self, run_id: str, store: Store) -> serving.ServiceRun:
        there = self._in_cluster(run_id, store)
        if isinstance(there, serving.ServiceRun):
            return there
        if there is None:
            Records(store.runs_folder, self.name).read(run_id)
        raise ContainerizeError(
            "not-a-service",
            what=f"Run {run_id} is no service: it trains.",
            fix="`jupyter containerize runs` lists what runs.",
        )

    def checks(self) -> tuple[Check, ...]:
        """Tell whether a cluster is set up here and answers."""
        try:
            connection = Connection(Place(), patience_s=_LOOK_PATIENCE_S)
            version = connection.get(paths.VERSION).get("gitVersion", "")
        except ContainerizeError as error:
            return (Check(self.name, works=False, what=error.what, why=error.why, fix=error.fix),)
        where = connection.context or "the cluster this pod runs in"
        return (
            Check(
                self.name,
                works=True,
                what=f"{where}: Kubernetes {version}, namespace {connection.namespace}.",
            ),
        )

    def _in_cluster(self, run_id: str, store: Store) -> InCluster | None:
        """Return the run whose id begins so, None if no known cluster has one.

        Errors: `no-such-run` for several; those of the connection if a cluster could not be asked.
        """
        problems: list[ContainerizeError] = []
        for place in places.known(store):
            try:
                connection = Connection(place)
                matches = owners.matching(connection, run_id)
            except ContainerizeError as error:
                problems.append(error)
                continue
            exact = [one for one in matches if owners.run_id_of(one) == run_id]
            if len(matches) > 1 and not exact:
                raise ContainerizeError(
                    "no-such-run",
                    what=f"{run_id!r} is the beginning of {len(matches)} runs.",
                    fix="Write more of the id.",
                )
            if matches:
                found = (exact or matches)[0]
                return _MADE.get(found["kind"], carried.CarriedRun)(connection, found, store)
        if problems:
            try:
                Records(store.runs_folder, self.name).read(run_id)
            except ContainerizeError:
                raise problems[0] from None
        return None


def _runs_there(place: Place) -> list[Run]:
    """Return the runs of a place, each with where it is."""
    runs = owners.runs_of(Connection(place, patience_s=_LOOK_PATIENCE_S))
    there = [replace(run.spec, cluster=replace(run.spec.cluster, place=place)) for run in runs]
    return [replace(run, spec=spec) for run, spec in zip(runs, there, strict=True)]


def _side_by_side(
    ask: Callable[[Place], T], known: tuple[Place, ...]
) -> list[T | ContainerizeError]:
    """Ask places at the same time, so that one that is silent delays no other."""

    def answer(place: Place) -> T | ContainerizeError:
        try:
            return ask(place)
        except ContainerizeError as error:
            return error

    if not known:
        return []
    with ThreadPoolExecutor(len(known), "containerize-look") as threads:
        return [*threads.map(answer, known)]


def _ready(there: serving.ServiceRun, emit: Emit) -> Run:
    """Wait for a new service; one that cannot become ready must not crash on for ever."""
    try:
        return there.ready(emit)
    except ContainerizeError as error:
        if there.now().state is RunState.STARTING:
            there.stop()
            error.fix = (
                f"{error.fix} (Run {there.id} is stopped; `rm {there.id}` removes it.)".strip()
            )
        raise


InCluster = training.TrainingRun | serving.ServiceRun | carried.CarriedRun
_MADE: dict[str, type[training.TrainingRun | serving.ServiceRun]] = {
    "Job": training.TrainingRun,
    "Deployment": serving.ServiceRun,
}


def _lines(follow: Callable[[Callable[[str], object]], object]) -> Iterator[str]:
    """Turn a followed run's lines, which are pushed, into ones that are asked for."""
    lines: queue.Queue[Any] = queue.Queue(1000)

    def work() -> None:
        try:
            follow(lines.put)
            lines.put(None)
        except BaseException as error:  # noqa: BLE001 - raised again where lines are asked for
            lines.put(error)

    threading.Thread(target=work, daemon=True).start()
    while (item := lines.get()) is not None:
        if isinstance(item, BaseException):
            raise item
        yield item


def _refuse(spec: RunSpec) -> None:
    """Refuse what a cluster cannot do. Errors: `not-with-this-runtime`."""
    unmet = []
    if spec.mounts:
        unmet.append("--mount (a node has none of this machine's files: use --data)")
    if spec.limits.processes is not None:
        unmet.append("--processes (the node's kubelet limits them)")
    if spec.restart is Restart.ALWAYS:
        unmet.append("--restart always (use --retries)")
    if unmet:
        raise ContainerizeError(
            "not-with-this-runtime",
            what=f"The kubernetes runtime cannot do {'; '.join(unmet)}.",
            fix="Leave it out, or choose another runtime: --runtime docker",
        )
