"""What builds cost beside the floor: reading, hashing and writing the same bytes in one pass."""

from __future__ import annotations

import hashlib
import os
import statistics
import subprocess
import sys
import threading
import time
from collections.abc import Callable, Iterator
from dataclasses import replace

from table import Row, at_most, ratio_of
from timing import by_turns, settle, stopwatch

from jupyter_containerize import worker
from jupyter_containerize.builders.daemonless import DaemonlessBuilder
from jupyter_containerize.model.event import Result, StepFinished, ignore
from jupyter_containerize.model.image import Image
from jupyter_containerize.model.options import PlanOptions
from jupyter_containerize.model.plan import BytecodeContent, FileContent, ImagePlan
from jupyter_containerize.model.request import BuildRequest
from jupyter_containerize.model.snapshot import Snapshot
from jupyter_containerize.oci.store import Store
from jupyter_containerize.planning import plan
from jupyter_containerize.workflow.building import guest_files

_CHUNK_BYTES = 4 << 20
_SAMPLE_S = 0.01
#: Small leaves of TensorFlow's requirements: left out at first, then added one by one.
ADDED = ("termcolor", "astunparse", "google-pasta")
_FEW_BYTES = 200_000
_MEMORY_BYTES = 300_000_000


def plan_of(snapshot: Snapshot) -> ImagePlan:
    """Return the plan as `build` makes it."""
    return plan(snapshot, PlanOptions(guest=guest_files()))


def without(snapshot: Snapshot, *keys: str) -> Snapshot:
    """Return the snapshot as if these distributions were not needed."""
    kept = tuple(one for one in snapshot.distributions if one.key not in keys)
    return replace(snapshot, distributions=kept)


def build(image_plan: ImagePlan, store: Store) -> Image:
    """Build quietly."""
    return DaemonlessBuilder().build(image_plan, store=store, emit=ignore)


def cold_and_first_run(
    image_plan: ImagePlan, folder: str, first_run: Callable[[Image, Store], None], *, rounds: int
) -> tuple[list[Row], Image, Store]:
    """Measure floor, cold build and first run by turns; return the last image and store."""
    paths = list(_sources(image_plan))
    _floor(paths, folder)  # so that every round finds the files in memory
    images: list[Image] = []
    stores: list[Store] = []

    def cold() -> float:
        # A folder of its own each time, none deleted yet: ext4 looks long for an inode while
        # many were freed within half a minute.
        stores.append(Store.open(os.path.join(folder, f"store-{len(stores) + 1}")))
        settle()
        return stopwatch(lambda: images.append(build(image_plan, stores[-1])))

    def first() -> float:
        settle()
        return stopwatch(lambda: first_run(images[-1], stores[-1]))

    found = by_turns(rounds, floor=lambda: _floor(paths, folder), cold=cold, first=first)
    image, store = images[-1], stores[-1]
    disk_bytes = _disk_bytes(store.root)
    ratio = disk_bytes / image.size_bytes
    files = sum(len(layer.entries) for layer in image_plan.layers)
    size = f"{image.size_bytes / 1e9:.2f} GB, {files:,} entries, {len(image.layers)} layers"
    return (
        [
            Row("the image", size),
            ratio_of(
                "cold build into an empty store, `.pyc` existing",
                found["cold"],
                ("read, hash, write in one pass", found["floor"]),
                1.5,
            ),
            ratio_of(
                "first sandbox run (`pass`) after it, unpacking included",
                found["first"],
                ("cold build", found["cold"]),
                1,
            ),
            Row(
                "store after that run",
                f"{disk_bytes / 1e9:.2f} GB",
                f"image: {image.size_bytes / 1e9:.2f} GB",
                f"{ratio:.2f}",
                "≤ 2.1 x",
                ratio <= 2.1,  # noqa: PLR2004
            ),
        ],
        image,
        store,
    )


def compiling(image_plan: ImagePlan, image: Image, folder: str) -> Row:
    """Build as if no `.pyc` existed; the image must be the same."""
    layers = tuple(
        replace(
            layer,
            entries=tuple(
                replace(entry, content=replace(entry.content, pyc=None))
                if isinstance(entry.content, BytecodeContent)
                else entry
                for entry in layer.entries
            ),
        )
        for layer in image_plan.layers
    )
    settle()
    path = os.path.join(folder, "compiled")
    made: list[Image] = []
    seconds = stopwatch(
        lambda: made.append(build(replace(image_plan, layers=layers), Store.open(path)))
    )
    same = "the same image" if made[0].digest == image.digest else "ANOTHER IMAGE"
    what = "cold build without `.pyc`, all compiled, apart"
    return Row(
        what, f"{seconds:.2f} s", same, met=None if made[0].digest == image.digest else False
    )


def changes(snapshot: Snapshot, folder: str, *, rounds: int) -> list[Row]:
    """Build again after an edited cell, and after an added small package."""
    store = Store.open(os.path.join(folder, "changes"))
    build(plan_of(without(snapshot, *ADDED)), store)
    planned, built, written = [], [], 0
    for number in range(rounds + 2):
        edited = _edited(snapshot, f"# edit {number}\n")
        made = plan_of(without(edited, *ADDED))
        planned.append(stopwatch(lambda edited=edited: plan_of(without(edited, *ADDED))))
        images: list[Image] = []
        built.append(stopwatch(lambda made=made: images.append(build(made, store))))  # noqa: B023 - called at once
        written = max(written, sum(one.size_bytes for one in images[0].layers if not one.reused))
    edit_s = statistics.median(built)
    note = f", {written / 1e3:,.0f} KB of new layers"
    return [
        at_most("planning, apart", statistics.median(planned)),
        at_most(
            "one edited cell, plan to image",
            edit_s,
            0.3,
            note=note,
            more=written < _FEW_BYTES,
        ),
        _added(snapshot, store),
    ]


def _added(snapshot: Snapshot, store: Store) -> Row:
    times, sizes, others = [], [], set()
    for number, key in enumerate(ADDED):
        before = without(snapshot, *ADDED[number:])
        made = plan_of(without(snapshot, *ADDED[number + 1 :]))
        build(plan_of(before), store)
        images: list[Image] = []
        times.append(stopwatch(lambda made=made: images.append(build(made, store))))  # noqa: B023 - called at once
        new = [layer for layer in images[0].layers if not layer.reused]
        holders = {
            layer.title
            for layer in made.layers
            if any(text.rpartition(" ")[0].replace("_", "-") == key for text in layer.contains)
        }
        own = {"links, package lists and users", "cells"}
        others |= {layer.title for layer in new} - holders - own
        size = sum(layer.size_bytes for layer in new) / 1e6
        sizes.append(size)
    note = f", {statistics.median(sizes):.1f} MB: its group of small packages, links and lists"
    if others:
        note += f", AND {', '.join(sorted(others))}"
    return at_most(
        "one added small package, plan to image",
        statistics.median(times),
        1,
        note=note,
        more=not others,
    )


def memory(record_path: str, folder: str) -> Row:
    """Let a worker capture, plan and build cold; watch it and its children from outside."""
    with subprocess.Popen([sys.executable, "-c", "input()"], stdin=subprocess.PIPE) as idle:
        time.sleep(0.5)
        bare = _tree_bytes(idle.pid)
        idle.kill()
    path = os.path.join(folder, "watched")
    request = BuildRequest(notebook="", record=record_path, store=path)
    started = worker.start("build", request)
    peaks: dict[str, int] = {"all": 0}
    over = threading.Event()

    def watch() -> None:
        while not over.wait(_SAMPLE_S):
            peaks["all"] = max(peaks["all"], _tree_bytes(started.pid))

    watcher = threading.Thread(target=watch)
    watcher.start()
    events = list(started.events())
    over.set()
    watcher.join()
    if not isinstance(events[-1], Result):
        raise RuntimeError(events[-1])  # noqa: TRY004 - the worker failed
    steps = ", ".join(
        f"{one.step} {one.seconds:.1f} s" for one in events if isinstance(one, StepFinished)
    )
    above = peaks["all"] - bare
    return Row(
        "peak memory of a worker that captures, plans and builds, children included",
        f"{above / 1e6:.0f} MB above the interpreter",
        f"bare interpreter: {bare / 1e6:.0f} MB ({steps})",
        target="≤ 300 MB",
        met=above <= _MEMORY_BYTES,
    )


def _tree_bytes(pid: int, parent: bytes = b"") -> int:
    """Return the proportional set size of a process and all below it."""
    found = 0
    try:
        with open(f"/proc/{pid}/cmdline", "rb") as file:
            command = file.read()
        if command == parent:
            return 0  # about to become another program; until then its memory is its parent's
        with open(f"/proc/{pid}/smaps_rollup", encoding="ascii") as file:
            found = next(int(line.split()[1]) * 1024 for line in file if line.startswith("Pss:"))
        for task in os.listdir(f"/proc/{pid}/task"):
            with open(f"/proc/{pid}/task/{task}/children", encoding="ascii") as file:
                found += sum(_tree_bytes(int(child), command) for child in file.read().split())
    except (OSError, StopIteration):
        pass  # it ended meanwhile
    return found


def _floor(paths: list[str], folder: str) -> float:
    """Read, hash and write all files by one plain loop, and let no earlier write disturb it."""
    target_path = os.path.join(folder, "floor")
    buffer = memoryview(bytearray(_CHUNK_BYTES))
    settle()
    started = time.perf_counter()
    digest = hashlib.sha256()
    with open(target_path, "wb", buffering=0) as target:
        for path in paths:
            with open(path, "rb", buffering=0) as source:
                while count := source.readinto(buffer):
                    digest.update(buffer[:count])
                    target.write(buffer[:count])
    seconds = time.perf_counter() - started
    os.unlink(target_path)
    return seconds


def _sources(image_plan: ImagePlan) -> Iterator[str]:
    for layer in image_plan.layers:
        for entry in layer.entries:
            if isinstance(entry.content, FileContent):
                yield entry.content.path
            elif isinstance(entry.content, BytecodeContent):
                yield (entry.content.pyc or entry.content.source).path


def _edited(snapshot: Snapshot, line: str) -> Snapshot:
    *cells, last = snapshot.notebook.cells
    cells.append(replace(last, source=line + last.source))
    return replace(snapshot, notebook=replace(snapshot.notebook, cells=tuple(cells)))


def _disk_bytes(root: str) -> int:
    """Return what a folder takes on disk; a file with several names counts once."""
    seen: dict[tuple[int, int], int] = {}
    for folder, _, names in os.walk(root):
        for name in names:
            status = os.lstat(os.path.join(folder, name))
            seen[status.st_dev, status.st_ino] = status.st_blocks * 512
    return sum(seen.values())
