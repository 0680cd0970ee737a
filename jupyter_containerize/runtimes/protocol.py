"""What every runtime offers: images become runs."""

from __future__ import annotations

from collections.abc import Iterator
from typing import Protocol, runtime_checkable

from ..errors import ContainerizeError
from ..model.check import Check
from ..model.event import Emit, ignore
from ..model.run import Run, RunSpec
from ..oci.store import Store


class Runtime(Protocol):
    """Starts images, and answers for the runs it started, whichever process asks."""

    @property
    def name(self) -> str:
        """What users choose it by, and what `Run.runtime` holds."""
        ...

    def start(self, spec: RunSpec, *, store: Store, emit: Emit = ignore) -> Run:
        """Start `spec.image`; return once the run is recorded and watched over."""
        ...

    def get(self, run_id: str, *, store: Store) -> Run:
        """Return the run as it is now; `run_id` may be a unique beginning.

        Errors: `no-such-run` also for a run of another runtime, `bad-run-record`.
        """
        ...

    def list(self, *, store: Store) -> tuple[Run, ...]:
        """Return this runtime's runs, newest first. Asks nobody where it never started one."""
        ...

    def problems(self, *, store: Store) -> tuple[ContainerizeError, ...]:
        """Return an error for each run that `list` leaves out because it cannot be read."""
        ...

    def logs(self, run_id: str, *, store: Store, follow: bool = False) -> Iterator[str]:
        """Yield the log's lines with their line ends; with `follow`, until the run has ended."""
        ...

    def wait(self, run_id: str, *, store: Store, timeout_s: float | None = None) -> Run:
        """Return the run once it has ended, or as it is after `timeout_s`."""
        ...

    def stop(self, run_id: str, *, store: Store, grace_s: float = 10.0) -> Run:
        """Ask the run to end, kill it after `grace_s`, return it as it ended."""
        ...

    def remove(self, run_id: str, *, store: Store) -> None:
        """Forget an ended run, its log and its outputs. Errors: `run-is-running`."""
        ...

    def checks(self) -> tuple[Check, ...]:
        """Tell what works on this machine, for `doctor`."""
        ...


@runtime_checkable
class Storyteller(Protocol):
    """A runtime whose runs wait for more than a process: it tells what, as steps."""

    def follow(self, run_id: str, *, store: Store, emit: Emit) -> Run:
        """Follow a run to its end, its log as `LogLine`s, and return it with its outputs here."""
        ...

    def outputs(self, run_id: str, *, store: Store, emit: Emit) -> Run:
        """Fetch the outputs of a run that has ended, or wait for its end. Errors: `no-such-run`."""
        ...
