"""What this machine keeps of a run in a cluster: its record, its log, its outputs."""

from __future__ import annotations

import contextlib
import os
import secrets
import shutil
from collections.abc import Callable, Iterator
from dataclasses import dataclass, replace

from ...errors import ContainerizeError
from ...model.run import Run
from ...oci.store import Store
from .. import run_folder
from ..records import Records, on_disk


@dataclass(frozen=True, slots=True)
class Kept:
    """The folder of one run in the store; made when something is to be kept."""

    store: Store
    run_id: str

    def folder(self, run: Run) -> str:
        """Return the run's folder, made if absent."""
        records = Records(self.store.runs_folder)
        folder = os.path.join(records.made(), run.id)
        if not os.path.isdir(folder):
            half = os.path.join(self.store.runs_folder, f".{run.id}.{secrets.token_hex(4)}")
            lock = run_folder.create(half)
            run_folder.write_record(half, on_disk(replace(run, outputs="")))
            try:
                os.rename(half, folder)
            except OSError:  # another who follows the same run has made it meanwhile
                shutil.rmtree(half, ignore_errors=True)
            os.close(lock)
        return folder

    def outputs(self, run: Run) -> str:
        """Return the folder of the run's outputs, made if absent."""
        path = os.path.join(self.folder(run), run_folder.OUTPUTS)
        os.makedirs(path, exist_ok=True)
        return path

    def record(self, run: Run) -> None:
        """Keep the run as it is."""
        run_folder.write_record(self.folder(run), on_disk(run))

    @property
    def has_log(self) -> bool:
        """True when the run's whole log is here."""
        path = os.path.join(self.store.runs_folder, self.run_id, run_folder.LOG)
        with contextlib.suppress(OSError):
            return os.path.getsize(path) > 0
        return False

    @contextlib.contextmanager
    def log(self, run: Run) -> Iterator[Callable[[str], object]]:
        """Keep the lines that the context's value is given, once it ends; not if it is interrupted.

        A run that fails has a log like any other.
        """
        path = os.path.join(self.folder(run), run_folder.LOG)
        half = f"{path}.{secrets.token_hex(4)}"
        whole = False
        try:
            with open(half, "w", encoding="utf-8", newline="") as file:
                try:
                    yield file.write
                    whole = True
                except ContainerizeError:
                    whole = True
                    raise
        finally:
            if whole:
                os.replace(half, path)
            else:
                with contextlib.suppress(OSError):
                    os.unlink(half)
