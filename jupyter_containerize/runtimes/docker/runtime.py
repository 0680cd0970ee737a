"""The `docker` runtime: the engine keeps the container, the store keeps the run."""

from __future__ import annotations

import contextlib
import math
import os
import time
from collections.abc import Iterator
from dataclasses import dataclass, replace

from ...engine.client import Engine
from ...errors import ContainerizeError
from ...model.check import Check
from ...model.event import Emit, FindingRaised, ignore
from ...model.image import Image
from ...model.reasons import Finding, Severity
from ...model.run import Isolation, Run, RunSpec, RunState
from ...oci.store import Store
from .. import run_folder
from ..preparation import check_mounts
from ..records import Records, on_disk, store_not_writable
from ..wishes import refuse
from .container import LABEL_RUN, body, container_name
from .ending import STOPPED_FILE, finish, is_over
from .link import Link, watch
from .loading import Loading
from .output import follow as follow_output
from .places import create

_END_TIMEOUT_S = 30.0
_SETTLE_S = 5.0
_POLL_S = 0.01


@dataclass(frozen=True, slots=True)
class DockerRuntime:
    """Runs images of the store in a Docker engine. See `protocol.Runtime`.

    A run's record, log and outputs lie in the store as a sandbox run's do; once it has ended
    nobody needs the engine for them.
    """

    name: str = "docker"

    def start(self, spec: RunSpec, *, store: Store, emit: Emit = ignore) -> Run:
        """Start `spec.image`, loaded into the engine first; return once it runs.

        Errors: `docker-sdk-missing`, `no-engine`, `engine-permission`, `engine-too-old`,
        `engine-no-space`, `port-in-use`, `name-in-use`, `no-gpu`, `mount-missing`, `bad-mount`,
        `no-command`, `not-with-this-runtime`, `limits-not-kept`, `store-not-writable`.
        """
        refuse(spec, runtime=self.name, cpus=True, gpus=True, restart=True)
        check_mounts(spec.mounts)
        image = store.resolve(spec.image)
        engine = Engine.connect()
        _check(spec, engine)
        image_id = Loading(image, engine, store, emit, step="run").run().id
        records = Records(store.runs_folder)
        run, folder, lock = records.create(
            lambda run_id, path: Run(
                id=run_id,
                spec=spec,
                runtime=self.name,
                state=RunState.STARTING,
                isolation=Isolation.DOCKER,
                limits_by="cgroup" if _limits(spec) else "",
                started_at=time.time(),
                outputs=os.path.join(path, run_folder.OUTPUTS),
                log=os.path.join(path, run_folder.LOG),
            )
        )
        link = Link(engine.address, container_name(run.id))
        try:
            link.write(folder)
            endpoint = _launch(run, image, image_id, engine, emit)
            run = replace(run, state=RunState.RUNNING, endpoint=endpoint)
            run_folder.write_record(folder, on_disk(run))
        except BaseException as error:
            with contextlib.suppress(ContainerizeError):
                _remove_own(engine, run.id)
            os.close(lock)
            run_folder.discard(folder)
            if isinstance(error, OSError):
                raise store_not_writable(store.runs_folder, error) from error
            raise
        watch(folder, lock)
        return run

    def get(self, run_id: str, *, store: Store) -> Run:
        """Return the run as it is now. Errors: `no-such-run`, `bad-run-record`, `no-engine`."""
        return self._records(store).read(run_id)

    def list(self, *, store: Store) -> tuple[Run, ...]:
        """Return this runtime's runs, newest first; where the engine is away, as last seen."""
        return Records(store.runs_folder, self.name, _as_seen).all()

    def problems(self, *, store: Store) -> tuple[ContainerizeError, ...]:
        """Return an error for each run whose engine cannot be asked."""
        found = self._records(store).problems()
        # Records that nobody can read are told of by the sandbox, whose folder it is.
        engines = {error.what: error for error in found if error.code != "bad-run-record"}
        return tuple(engines.values())

    def logs(self, run_id: str, *, store: Store, follow: bool = False) -> Iterator[str]:
        """Yield the log's lines with their line ends; with `follow`, until the run has ended."""
        records = self._records(store)
        run = records.read(run_id)
        folder = records.path(run.id)
        link = Link.read(folder)
        if run.state.final or link is None:
            return records.logs(run.id, follow=False)
        return follow_output(
            folder,
            link.container,
            Engine.connect(link.address),
            ended=lambda: records.read(run.id).state.final,
            to_end=follow,
        )

    def wait(self, run_id: str, *, store: Store, timeout_s: float | None = None) -> Run:
        """Return the run once it has ended, or as it is after `timeout_s`."""
        run = self._records(store).wait(run_id, timeout_s=timeout_s)
        return _settled(run, store) if run.state.final else run

    def stop(self, run_id: str, *, store: Store, grace_s: float = 10.0) -> Run:
        """Ask the run to end, kill it after `grace_s` (whole seconds), return it as it ended."""
        records = self._records(store)
        run = records.read(run_id)
        folder = records.path(run.id)
        link = Link.read(folder)
        if run.state.final or link is None:
            return run
        with open(os.path.join(folder, STOPPED_FILE), "wb"):
            Engine.connect(link.address).stop(link.container, grace_s=math.ceil(grace_s))
        return self.wait(run.id, store=store, timeout_s=_END_TIMEOUT_S)

    def remove(self, run_id: str, *, store: Store) -> None:
        """Forget an ended run, its log and its outputs. Errors: `run-is-running`."""
        records = self._records(store)
        run = records.read(run_id)
        link = Link.read(records.path(run.id))
        if run.state.final and link is not None:
            # The engine was away when the run had ended; its container must not stay.
            Engine.connect(link.address).remove(link.container)
        records.remove(run.id)

    def checks(self) -> tuple[Check, ...]:
        """Tell whether an engine answers, for `doctor`."""
        try:
            engine = Engine.connect()
            return (Check(self.name, works=True, what=f"{engine.facts} at {engine.address.url}."),)
        except ContainerizeError as error:
            return (Check(self.name, works=False, what=error.what, why=error.why, fix=error.fix),)

    def _records(self, store: Store) -> Records:
        return Records(store.runs_folder, self.name, _looked_after)


def _settled(run: Run, store: Store) -> Run:
    """Wait until the ended run's container is gone too, unless the engine takes its time."""
    deadline = time.monotonic() + _SETTLE_S
    while run_folder.is_held(os.path.join(store.runs_folder, run.id)):
        if time.monotonic() > deadline:
            break
        time.sleep(_POLL_S)
    return run


def _check(spec: RunSpec, engine: Engine) -> None:
    if spec.isolation not in (None, Isolation.DOCKER):
        raise ContainerizeError(
            "bad-isolation",
            what=f"The docker runtime cannot isolate by {spec.isolation.value}.",
            fix="Leave the isolation out.",
        )
    if spec.gpus and engine.facts.kind == "podman":
        raise ContainerizeError(
            "not-with-this-runtime",
            what="podman's Docker-compatible socket cannot hand out GPUs.",
            why="It leaves such a wish out without a word.",
            fix="Use a Docker engine, or run the image with podman itself: --device nvidia.com/gpu=all",
        )
    asked = _limits(spec)  # podman takes a second to tell which it keeps
    if asked and (unkept := sorted(asked - engine.limits)):
        raise ContainerizeError(
            "limits-not-kept",
            what=f"{engine.facts} cannot do {', '.join(unkept)} here.",
            why="Rootless engines need control groups of version 2; it would leave a limit out without a word.",
            fix="Leave it out, use an engine of root, or the sandbox, which watches by itself: "
            "--runtime sandbox.",
        )


def _limits(spec: RunSpec) -> frozenset[str]:
    """Return the limits, as options, that the engine has to keep."""
    limits = spec.limits
    asked = (
        ("--memory", limits.memory_bytes),
        ("--processes", limits.processes),
        ("--cpus", limits.cpus),
    )
    return frozenset(option for option, value in asked if value is not None)


def _launch(run: Run, image: Image, image_id: str, engine: Engine, emit: Emit) -> str:
    """Create and start the run's container; return its endpoint."""
    made = body(
        image, run.spec, image_id=image_id, run_id=run.id, uid=os.getuid(), facts=engine.facts
    )
    for finding in _mounts_not_writable(run.spec, made["User"], engine):
        emit(FindingRaised(finding))
    name = container_name(run.id)
    container = create(name, made, image, engine)
    try:
        engine.start(container)
    except ContainerizeError as error:
        if "init" not in error.why or not made["HostConfig"]["Init"]:
            raise
        # The engine's machine lacks the small program that reaps orphans.
        engine.remove(container)
        made["HostConfig"]["Init"] = False
        container = create(name, made, image, engine)
        engine.start(container)
    return _endpoint(run.spec, container, engine)


def _endpoint(spec: RunSpec, container: str, engine: Engine) -> str:
    if not spec.ports:
        return ""
    found = engine.inspect(container) or {}
    bound = (found.get("NetworkSettings") or {}).get("Ports") or {}
    hosts = bound.get(f"{spec.ports[0].container}/tcp") or []
    port = hosts[0]["HostPort"] if hosts else spec.ports[0].host
    return f"http://127.0.0.1:{port}"


def _remove_own(engine: Engine, run_id: str) -> None:
    """Remove the container that a failed start left, unless the name is somebody else's."""
    found = engine.inspect(container_name(run_id))
    if found and (found["Config"].get("Labels") or {}).get(LABEL_RUN) == run_id:
        engine.remove(found["Id"])


def _mounts_not_writable(spec: RunSpec, user: str, engine: Engine) -> Iterator[Finding]:
    """Yield a finding for each folder that the container's user may not write to."""
    uid = user.partition(":")[0]
    if not uid.isdigit():
        return
    # There a container's users are others outside, and its group 0 is the engine's own.
    apart = engine.facts.kind == "docker" and engine.facts.rootless
    for mount in spec.mounts:
        status = os.stat(mount.host)
        owned = not apart and status.st_uid == int(uid)
        bits = (
            0o200 if owned else 0o020 if status.st_gid == (os.getgid() if apart else 0) else 0o002
        )
        if not mount.read_only and not status.st_mode & bits:
            yield Finding(
                "mount-not-writable",
                Severity.WARNING,
                what=f"The run may not write to {mount.host}.",
                why=f"It runs as {user}{' of a rootless engine' if apart else ''}, for containers do "
                f"not run as root; the path is owned by {status.st_uid}:{status.st_gid}.",
                fix="Let your group write there (chmod g+w PATH), or mount it with :ro."
                if apart
                else f"Let that user write there (chown {uid} PATH), or mount it with :ro.",
            )


def _as_seen(folder: str, run: Run) -> Run:
    try:
        return _looked_after(folder, run)
    except ContainerizeError as error:
        return replace(run, reason=f"as last seen: {error.what}")


def _looked_after(folder: str, run: Run) -> Run:
    """Do what the run's watcher, which is gone, would have done; start another if it still runs.

    Errors: `no-engine`, and all others of an engine.
    """
    link = Link.read(folder)
    if link is None:
        return replace(
            run, state=RunState.LOST, reason="the process that started this run was killed"
        )
    engine = Engine.connect(link.address)
    found = engine.inspect(link.container)
    lock = run_folder.take(folder)
    if lock is None:  # somebody else looks after it now
        return Records.written(folder)
    if is_over(found):
        try:
            return finish(folder, run, link.container, engine)
        finally:
            os.close(lock)
    watch(folder, lock)
    return replace(run, state=RunState.RUNNING)
