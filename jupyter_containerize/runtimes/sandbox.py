"""The `sandbox` runtime: no daemon, no root; bubblewrap, or PRoot where namespaces are refused."""

from __future__ import annotations

import json
import os
import signal
import subprocess
import sys
import threading
import time
from collections.abc import Iterator
from dataclasses import dataclass

from ..errors import ContainerizeError
from ..model.check import Check
from ..model.event import Emit, ignore
from ..model.image import Image
from ..model.plan import LABEL_WRITABLE
from ..model.run import Isolation, Run, RunSpec, RunState
from ..oci.store import Store
from ..oci.unpack import unpack_layer
from . import bubblewrap, run_folder
from .identity import default_environment, user_ids
from .launch import Launch
from .records import Records, on_disk
from .rootfs import Rootfs

#: Made writable by the runtime itself, whatever the image says.
_OWN_PLACES = ("/tmp", "/dev/shm", "/outputs")  # noqa: S108 - the container's


@dataclass(frozen=True, slots=True)
class SandboxRuntime:
    """Runs images from the store on this machine, each under a supervisor of its own."""

    name: str = "sandbox"

    def start(self, spec: RunSpec, *, store: Store, emit: Emit = ignore) -> Run:
        """Start `spec.image`. Errors: `no-isolation`, `mount-missing`, `store-not-writable`."""
        image = store.resolve(spec.image)
        with store.in_use():
            layers = [unpack_layer(store, layer.digest) for layer in image.layers]
            records = Records(store.runs_folder)
            run, folder, lock = records.create(
                lambda run_id, path: Run(
                    id=run_id,
                    spec=spec,
                    runtime=self.name,
                    state=RunState.STARTING,
                    isolation=Isolation.BUBBLEWRAP,
                    started_at=time.time(),
                    outputs=os.path.join(path, run_folder.OUTPUTS),
                    log=os.path.join(path, run_folder.LOG),
                )
            )
            try:
                launch = _launch(image, spec, Rootfs(layers), folder=folder, lock=lock)
                _supervise(folder, launch, lock=lock)
            except BaseException:
                os.close(lock)
                records.remove(run.id)
                raise
            os.close(lock)
        return run

    def get(self, run_id: str, *, store: Store) -> Run:
        """Return the run as it is now. Errors: `no-such-run`, `bad-run-record`."""
        return Records(store.runs_folder).read(run_id)

    def list(self, *, store: Store) -> tuple[Run, ...]:
        """Return this runtime's runs, newest first."""
        return Records(store.runs_folder).list(runtime=self.name)

    def logs(self, run_id: str, *, store: Store, follow: bool = False) -> Iterator[str]:
        """Yield the log's lines with their line ends; with `follow`, until the run has ended."""
        return Records(store.runs_folder).logs(run_id, follow=follow)

    def wait(self, run_id: str, *, store: Store, timeout_s: float | None = None) -> Run:
        """Return the run once it has ended, or as it is after `timeout_s`."""
        return Records(store.runs_folder).wait(run_id, timeout_s=timeout_s)

    def stop(self, run_id: str, *, store: Store, grace_s: float = 10.0) -> Run:
        """Ask the run to end, kill it after `grace_s`, return it as it ended."""
        records = Records(store.runs_folder)
        run_folder.send(records.path(run_id), f"stop {grace_s}")
        return records.wait(run_id, timeout_s=grace_s + 30)

    def remove(self, run_id: str, *, store: Store) -> None:
        """Forget an ended run, its log and its outputs. Errors: `run-is-running`."""
        Records(store.runs_folder).remove(run_id)

    def checks(self) -> tuple[Check, ...]:
        """Tell what works on this machine, for `doctor`."""
        return ()


def _launch(image: Image, spec: RunSpec, rootfs: Rootfs, *, folder: str, lock: int) -> Launch:
    config = image.config
    writable = _writable(image, rootfs)
    made = bubblewrap.options(
        rootfs,
        folder=folder,
        scratch=os.path.join(folder, run_folder.SCRATCH),
        writable=writable,
        mounts=spec.mounts,
        files={},
        working_dir=config.working_dir or "/",
        user=user_ids(spec.user or config.user, rootfs),
        network=spec.network,
    )
    program = bubblewrap.program()
    if program is None:
        raise bubblewrap.missing()
    return Launch(
        kind="bubblewrap",
        program=(program,),
        command=_command(image, spec),
        environment={
            **default_environment(spec.user or config.user, rootfs),
            **config.environment,
            **spec.environment,
        },
        arguments=tuple(made.arguments),
        layers=made.layers,
        stop_signal=getattr(signal, config.stop_signal, signal.SIGTERM),
        memory_bytes=spec.limits.memory_bytes,
        processes=spec.limits.processes,
        timeout_s=spec.limits.timeout_s,
        lock=lock,
    )


def _command(image: Image, spec: RunSpec) -> tuple[str, ...]:
    if spec.entrypoint is not None:
        return spec.entrypoint
    parameters = [part for item in spec.parameters.items() for part in ("-p", "=".join(item))]
    command = (*image.config.entrypoint, *image.config.command, *parameters)
    if not command:
        raise ContainerizeError(
            "no-command",
            what="The image does not say what to run.",
            why="It has neither an entry point nor a command.",
            fix="Write the command after --.",
        )
    return command


def _writable(image: Image, rootfs: Rootfs) -> tuple[str, ...]:
    """Return the image's own writable folders, resolved, none inside another."""
    named = json.loads(image.config.labels.get(LABEL_WRITABLE, "[]"))
    own = {rootfs.resolve(path) for path in _OWN_PLACES}
    found: list[str] = []
    for path in sorted({rootfs.resolve(path) for path in named} - own):
        if not any(path == above or path.startswith(f"{above.rstrip('/')}/") for above in found):
            found.append(path)
    return tuple(found)


def _supervise(folder: str, launch: Launch, *, lock: int) -> None:
    """Start the supervisor, which inherits the lock, and hand it the launch."""
    document = os.memfd_create("launch")
    with open(document, "w+b") as stdin, open(os.path.join(folder, "supervisor.log"), "ab") as log:
        stdin.write(json.dumps(launch.to_json()).encode("ascii"))
        stdin.seek(0)
        process = subprocess.Popen(
            [sys.executable, "-m", "jupyter_containerize.runtimes.supervisor", folder],
            stdin=stdin,
            stdout=log,
            stderr=log,
            pass_fds=(lock,),
            start_new_session=True,
        )
    # Nobody waits for it; a thread that does keeps it from staying a zombie.
    threading.Thread(target=process.wait, daemon=True).start()
