"""The `sandbox` runtime: no daemon, no root; bubblewrap, or PRoot where namespaces are refused."""

from __future__ import annotations

import json
import os
import subprocess
import sys
import tempfile
import threading
import time
from collections.abc import Iterator
from dataclasses import dataclass

from ..errors import ContainerizeError
from ..model.check import Check
from ..model.event import Emit, FindingRaised, ignore
from ..model.image import Image
from ..model.reasons import Finding, Severity
from ..model.run import Run, RunSpec, RunState
from ..oci.store import Store
from . import bubblewrap, confinement, emulation, isolation, run_folder
from .isolation import Method
from .launch import Launch
from .ports import published
from .preparation import Preparation, check_mounts, writable_folders
from .records import Records, store_not_writable
from .rootfs import unpacked
from .wishes import refuse

_POLL_S = 0.01
#: `python -m jupyter_containerize.runtimes.supervisor`, but nothing that the user's
#: environment does to a starting Python slows or breaks it.
_SUPERVISOR = """\
import sys
sys.path.append(sys.argv.pop(1))
from jupyter_containerize.runtimes.supervisor import main
sys.exit(main())
"""
_PACKAGE_PARENT = os.path.dirname(os.path.dirname(os.path.dirname(os.path.abspath(__file__))))
#: How long a killed container may take to be gone.
_END_TIMEOUT_S = 30.0


@dataclass(frozen=True, slots=True)
class SandboxRuntime:
    """Runs images from the store on this machine, each under a supervisor of its own."""

    name: str = "sandbox"

    def start(self, spec: RunSpec, *, store: Store, emit: Emit = ignore) -> Run:
        """Start `spec.image`; return once its supervisor runs.

        Errors: `not-with-this-runtime`, `platform-not-runnable`, `no-isolation`, `bad-isolation`, `mount-missing`, `bad-mount`, `no-command`,
        `unknown-user`, `port-in-use`, `store-not-writable`, `store-path-too-long`, and those of unpacking.
        """
        image = store.resolve(spec.image)
        refuse(spec, runtime=self.name)
        emulation.check(image.platform)
        check_mounts(spec.mounts)
        records = Records(store.runs_folder)
        with store.in_use(), published(spec) as ports:
            method = isolation.choose(folder=records.made(), isolation=spec.isolation)
            if method is Method.PROOT:
                _warn_of_mounts(spec, emit)
            rootfs = unpacked(image, store=store, fits=_fits(method, image, store), emit=emit)
            run, folder, lock = records.create(
                lambda run_id, path: Run(
                    id=run_id,
                    spec=spec,
                    runtime=self.name,
                    state=RunState.STARTING,
                    isolation=method.isolation,
                    started_at=time.time(),
                    outputs=os.path.join(path, run_folder.OUTPUTS),
                    log=os.path.join(path, run_folder.LOG),
                    endpoint=ports.endpoint,
                )
            )
            try:
                preparation = Preparation(image, spec, rootfs, method, folder=folder)
                launch = preparation.launch(lock=lock, ports=ports.launched)
                _supervise(folder, launch, inherited=(lock, *ports.descriptors))
            except BaseException as error:
                os.close(lock)
                run_folder.discard(folder)
                if isinstance(error, OSError):
                    raise store_not_writable(store.runs_folder, error) from error
                raise
            os.close(lock)
        return run

    def get(self, run_id: str, *, store: Store) -> Run:
        """Return the run as it is now. Errors: `no-such-run`, `bad-run-record`."""
        return Records(store.runs_folder, self.name).read(run_id)

    def list(self, *, store: Store) -> tuple[Run, ...]:
        """Return this runtime's runs, newest first."""
        return Records(store.runs_folder, self.name).all()

    def problems(self, *, store: Store) -> tuple[ContainerizeError, ...]:
        """Return an error for each run that `list` leaves out: its record cannot be read."""
        return Records(store.runs_folder).problems()

    def logs(self, run_id: str, *, store: Store, follow: bool = False) -> Iterator[str]:
        """Yield the log's lines with their line ends; with `follow`, until the run has ended."""
        return Records(store.runs_folder, self.name).logs(run_id, follow=follow)

    def wait(self, run_id: str, *, store: Store, timeout_s: float | None = None) -> Run:
        """Return the run once it has ended, or as it is after `timeout_s`."""
        return Records(store.runs_folder, self.name).wait(run_id, timeout_s=timeout_s)

    def stop(self, run_id: str, *, store: Store, grace_s: float = 10.0) -> Run:
        """Ask the run to end, kill it after `grace_s`, return it as it ended."""
        records = Records(store.runs_folder)
        folder = records.path(run_id)
        # A supervisor that has only just been started does not listen yet.
        while not run_folder.send(folder, f"stop {grace_s}") and run_folder.is_held(folder):
            time.sleep(_POLL_S)
        return records.wait(run_id, timeout_s=grace_s + _END_TIMEOUT_S)

    def remove(self, run_id: str, *, store: Store) -> None:
        """Forget an ended run, its log and its outputs. Errors: `run-is-running`."""
        Records(store.runs_folder).remove(run_id)

    def checks(self) -> tuple[Check, ...]:
        """Tell what works on this machine, for `doctor`."""
        return isolation.checks(tempfile.gettempdir())


def _warn_of_mounts(spec: RunSpec, emit: Emit) -> None:
    paths = [mount.host for mount in spec.mounts if mount.read_only]
    if paths and not confinement.has_landlock():
        finding = Finding(
            "mount-not-read-only",
            Severity.WARNING,
            what=f"The run could write to {', '.join(paths)}, although mounted with :ro.",
            why="PRoot mounts nothing read-only, and this kernel has no Landlock (Linux 5.19).",
            fix="Mount a copy, or run where bubblewrap works.",
        )
        emit(FindingRaised(finding))


def _fits(method: Method, image: Image, store: Store) -> int:
    if method is Method.PROOT:
        return 1
    if method is Method.TREE:
        return len(image.layers)
    # A run's folder is its id, of eight digits.
    scratch = os.path.join(store.runs_folder, "12345678", run_folder.SCRATCH)
    return bubblewrap.layers_that_fit(store.unpacked_folder, scratch, writable_folders(image))


def _supervise(folder: str, launch: Launch, *, inherited: tuple[int, ...]) -> None:
    """Start the supervisor with the lock and the sockets, and hand it the launch."""
    document = os.memfd_create("launch")
    with open(document, "w+b") as stdin, open(os.path.join(folder, "supervisor.log"), "ab") as log:
        stdin.write(json.dumps(launch.to_json()).encode("ascii"))
        stdin.seek(0)
        process = subprocess.Popen(
            [sys.executable, "-I", "-S", "-c", _SUPERVISOR, _PACKAGE_PARENT, folder],
            stdin=stdin,
            stdout=log,
            stderr=log,
            pass_fds=inherited,
            start_new_session=True,
            cwd="/",
        )
    # Nobody waits for it; a thread that does keeps it from staying a zombie.
    threading.Thread(target=process.wait, daemon=True).start()
