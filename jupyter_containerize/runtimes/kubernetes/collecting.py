"""Outputs, from the collector's container into a folder here: whole, or said not to be.

The collector sends one tar archive that depends on the files alone, so a cut connection is
taken up at the byte where it broke; sizes and hashes are those of its listing.
"""

from __future__ import annotations

import contextlib
import hashlib
import json
import os
import secrets
import tarfile
import time
from collections.abc import Mapping
from dataclasses import dataclass
from typing import Any

from ...errors import ContainerizeError
from ...guest import archive
from ...model.event import Emit, FindingRaised, Progress, StepFinished, StepStarted
from ...model.plan import OUTPUTS_FOLDER
from ...model.reasons import Finding, Severity
from .connection import PATIENCE_S, Connection
from .manifests.pods import COLLECTOR, CONTROL_FOLDER, POD_STEPS
from .streams import execute, output_of

_ARCHIVE = "outputs.tar"
_CHUNK = 1 << 20


@dataclass(frozen=True, slots=True)
class Collected:
    """How many files came, how large they are, and what did not come (sentences)."""

    files: int
    size_bytes: int
    problems: tuple[str, ...] = ()


@dataclass(frozen=True, slots=True)
class Keeper:
    """The container that keeps a pod's outputs, the folder by which it is told, and its interpreter."""

    python: str
    container: str = COLLECTOR
    control: str = CONTROL_FOLDER

    def step(self, name: str, *words: str) -> list[str]:
        """Return the command of one of the guest's steps."""
        return [self.python, "-I", POD_STEPS, name, self.control, *words]


def gather(
    connection: Connection,
    places: Mapping[str, str],
    *,
    keeper: Keeper,
    run_id: str,
    emit: Emit,
) -> str:
    """Fetch the outputs of pods, by name, each into its folder; return what did not come (a sentence).

    It raises nothing: a run has ended whether or not its outputs come.
    """
    problems, files = [], 0
    emit(StepStarted("collect", "Fetching the outputs"))
    since = time.monotonic()
    for name, folder in places.items():
        os.makedirs(folder, exist_ok=True)
        try:
            got = collect(connection, name, keeper=keeper, folder=folder, emit=emit)
        except ContainerizeError as error:
            problems.append(f"the outputs of {name} did not come: {error.why or error.what}")
            continue
        files += got.files
        problems += got.problems
    if not places:
        problems.append("there is no pod left whose outputs could be fetched")
    if problems:
        emit(FindingRaised(_not_complete(run_id, problems)))
    seconds = round(time.monotonic() - since, 3)
    emit(StepFinished("collect", seconds, f"{files} files", ok=not problems))
    return f"outputs are not complete: {'; '.join(problems[:5])}" if problems else ""


def collect(
    connection: Connection, pod: str, *, keeper: Keeper, folder: str, emit: Emit
) -> Collected:
    """Fetch the outputs of a pod into `folder`, and let its collector end.

    `folder` must exist; the half-fetched archive lies beside it. Errors: `outputs-incomplete`,
    `cluster-unreachable`, `no-rights`.
    """
    answer = output_of(connection, pod, keeper.container, keeper.step("list", OUTPUTS_FOLDER))
    facts: list[dict[str, Any]] = json.loads(answer)["files"]
    # Two may fetch the same run at the same time.
    path = os.path.join(os.path.dirname(folder), f"{_ARCHIVE}.{secrets.token_hex(4)}")
    total = archive.length(facts)
    try:
        _fetch(connection, pod, keeper, path=path, total=total, emit=emit)
        problems = _unpack(path, folder, facts)
    finally:
        with contextlib.suppress(OSError):
            os.unlink(path)
    if not problems:
        release(connection, pod, keeper)
    files = [entry for entry in facts if entry["kind"] == "file"]
    return Collected(len(files), sum(entry["size"] for entry in files), tuple(problems))


def release(connection: Connection, pod: str, keeper: Keeper) -> None:
    """Let a pod's collector end."""
    output_of(connection, pod, keeper.container, keeper.step("release"))


def ask_to_stop(connection: Connection, pod: str, keeper: Keeper, *, grace_s: float) -> None:
    """Ask the training in a pod to end; its outputs stay."""
    output_of(connection, pod, keeper.container, keeper.step("stop", f"{grace_s:g}"))


def has_ended(connection: Connection, pod: str, keeper: Keeper) -> bool:
    """Tell whether the training has ended, in a container that goes on for its outputs."""
    return bool(output_of(connection, pod, keeper.container, keeper.step("ended")).strip())


def _fetch(
    connection: Connection,
    pod: str,
    keeper: Keeper,
    *,
    path: str,
    total: int,
    emit: Emit,
) -> None:
    """Write the archive; a cut connection is taken up. Errors: `outputs-incomplete`."""
    last = time.monotonic()
    told = 0.0
    with open(path, "wb") as file:
        while (have := file.tell()) < total:
            try:
                words = keeper.step("send", OUTPUTS_FOLDER, str(have))
                for data in execute(connection, pod, keeper.container, words):
                    file.write(data)
                    last = time.monotonic()
                    if last - told > 0.1:  # noqa: PLR2004 - ten times a second
                        told = last
                        emit(Progress("collect", "outputs", min(file.tell(), total), total))
            except ConnectionError as error:
                if time.monotonic() - last > PATIENCE_S:
                    raise _incomplete(f"{have:,} of {total:,} bytes came: {error}") from error
                time.sleep(0.5)
                continue
            if file.tell() == have:  # it ended well and sent nothing: it will not send more
                raise _incomplete(f"{have:,} of {total:,} bytes came.")
        emit(Progress("collect", "outputs", total, total))


def _unpack(archive: str, folder: str, facts: list[dict[str, Any]]) -> list[str]:
    """Unpack what is listed and checks out; return what did not, as sentences."""
    by_path = {entry["path"]: entry for entry in facts}
    problems = [
        f"{entry['path']}: {entry.get('why') or 'neither a file, a folder nor a link'}"
        for entry in facts
        if entry["kind"] in ("other", "unreadable")
    ]
    with tarfile.open(archive, errors="surrogateescape") as tar:
        for member in tar:
            entry = by_path.pop(member.name, None)
            path = os.path.join(folder, member.name)
            if entry is None or not _inside(folder, path):
                problems.append(f"{member.name}: not a path inside the outputs")
                continue
            os.makedirs(os.path.dirname(path), exist_ok=True)
            if member.isdir():
                os.makedirs(path, exist_ok=True)
            elif member.issym():
                if not _inside(folder, os.path.join(os.path.dirname(path), member.linkname)):
                    problems.append(
                        f"{member.name}: a link out of the outputs, to {member.linkname}"
                    )
                    continue
                with contextlib.suppress(FileExistsError):
                    os.symlink(member.linkname, path)
            elif not _written(tar, member, path, entry):
                problems.append(f"{member.name}: it changed or was damaged on its way")
    missing = [name for name, entry in by_path.items() if entry["kind"] == "file"]
    return problems + [f"{name}: it did not come" for name in missing]


def _inside(folder: str, path: str) -> bool:
    """Tell whether a path stays in the folder, links that were unpacked before it included."""
    base = os.path.realpath(folder)
    whole = os.path.realpath(os.path.dirname(path))
    normal = os.path.normpath(os.path.join(whole, os.path.basename(path)))
    return normal == base or normal.startswith(base + os.sep)


def _written(
    tar: tarfile.TarFile, member: tarfile.TarInfo, path: str, entry: Mapping[str, Any]
) -> bool:
    source = tar.extractfile(member)
    if source is None:
        return False
    digest = hashlib.sha256()
    flags = os.O_WRONLY | os.O_CREAT | os.O_TRUNC | os.O_NOFOLLOW
    with source, open(os.open(path, flags, 0o600), "wb") as target:
        while data := source.read(_CHUNK):
            digest.update(data)
            target.write(data)
    os.chmod(path, (member.mode & 0o777) | 0o600)
    os.utime(path, (member.mtime, member.mtime))
    return bool(digest.hexdigest() == entry["sha256"] and member.size == entry["size"])


def _incomplete(why: str) -> ContainerizeError:
    return ContainerizeError(
        "outputs-incomplete",
        what="The outputs could not be fetched whole.",
        why=why,
        fix="Fetch them again while they are kept: jupyter containerize outputs RUN",
    )


def _not_complete(run_id: str, problems: list[str]) -> Finding:
    return Finding(
        "outputs-not-complete",
        Severity.WARNING,
        what=f"The outputs of run {run_id} are not complete.",
        why="; ".join(problems[:5]),
        fix=f"While the cluster keeps them, fetch them again: jupyter containerize outputs {run_id}",
    )
