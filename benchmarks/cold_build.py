"""What a build costs, as ratios within one run: `python benchmarks/cold_build.py [PYTHON]`.

The measure is the floor: reading, hashing and writing the same bytes in one pass, by one
plain loop. Floor and build alternate and the best of each counts, for disks are moody.
PYTHON is a kernel's, with tensorflow-cpu installed and bytecode compiled.
"""

from __future__ import annotations

import contextlib
import hashlib
import importlib.util
import json
import os
import resource
import shutil
import subprocess
import sys
import tempfile
import time
from collections.abc import Iterator
from dataclasses import dataclass, replace
from pathlib import Path

from folder_plan import PREFIX, distributions_of, plan_of

from jupyter_containerize.builders.daemonless import DaemonlessBuilder
from jupyter_containerize.model.event import ignore
from jupyter_containerize.model.image import Image
from jupyter_containerize.model.plan import BytecodeContent, FileContent, ImagePlan, LayerPlan
from jupyter_containerize.oci.store import Store
from jupyter_containerize.oci.unpack import unpack_layer, unpack_layers

ROUNDS = 3
CHUNK_BYTES = 4 << 20
ADDED = "wheel"  # a small package that tensorflow does not import: left out at first


@dataclass(frozen=True)
class Row:
    """One line of the table: what was measured, the figure, what it should be at most."""

    what: str
    figure: str
    limit: str = ""


def measure(python: str, *, compile_anew: bool = True) -> list[Row]:
    """Measure everything with the kernel `python`."""
    site = _output(python, "import sysconfig; print(sysconfig.get_path('purelib'))")
    everything = distributions_of(site, "tensorflow-cpu")
    distributions = [one for one in everything if one.metadata["Name"].lower() != ADDED]
    plan = plan_of(distributions, interpreter=python)
    with tempfile.TemporaryDirectory() as folder:
        floor_s, cold_s, unpack_s = _alternate(plan, folder)
        store = Store.open(f"{folder}/store")
        image, repeated_s = _build(plan, store)
        rows = [
            Row("image", f"{image.size_bytes / 1e9:.2f} GB in {_count(plan):,} files"),
            Row("read, hash and write the same bytes (the floor)", f"{floor_s:.2f} s"),
            Row("cold build", f"{cold_s:.2f} s, {cold_s / floor_s:.2f} x the floor", "1.5 x"),
            Row("the same again", f"{repeated_s:.2f} s"),
            *_changes(plan, everything, python, store),
            Row(
                "unpacking all layers",
                f"{unpack_s:.2f} s, {unpack_s / cold_s:.2f} x the cold build",
                "1 x, with the start",
            ),
            Row(
                "store with unpacked layers",
                f"{_disk_bytes(store.root) / image.size_bytes:.2f} x the image",
                "2.1 x",
            ),
            Row("peak memory over the bare interpreter", _memory(python), "300 MB"),
            _imports(image, store, python, site, folder),
        ]
        if compile_anew:
            rows.append(_compiling(plan, distributions, python, folder))
    return rows


def _alternate(plan: ImagePlan, folder: str) -> tuple[float, float, float]:
    """Return the best of floor, cold build and unpacking; leave the last store."""
    paths = list(_sources(plan))
    _floor(paths, f"{folder}/floor")  # so that every round finds the files in memory
    floors, builds, unpacks = [], [], []
    for _ in range(ROUNDS):
        shutil.rmtree(f"{folder}/store", ignore_errors=True)
        floors.append(_floor(paths, f"{folder}/floor"))
        store = Store.open(f"{folder}/store")
        image, seconds = _build(plan, store)
        builds.append(seconds)
        started = time.perf_counter()
        for layer in image.layers:
            unpack_layer(store, layer.digest)
        unpacks.append(time.perf_counter() - started)
    return min(floors), min(builds), min(unpacks)


def _floor(paths: list[str], target_path: str) -> float:
    buffer = memoryview(bytearray(CHUNK_BYTES))
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


def _sources(plan: ImagePlan) -> Iterator[str]:
    for layer in plan.layers:
        for entry in layer.entries:
            if isinstance(entry.content, FileContent):
                yield entry.content.path
            elif isinstance(entry.content, BytecodeContent) and entry.content.pyc:
                yield entry.content.pyc.path


def _build(plan: ImagePlan, store: Store) -> tuple[Image, float]:
    started = time.perf_counter()
    image = DaemonlessBuilder().build(plan, store=store, emit=ignore)
    return image, time.perf_counter() - started


def _changes(plan: ImagePlan, everything: list, python: str, store: Store) -> Iterator[Row]:
    """Build again after an edited cell, and after an added package."""
    edited = plan_of([], interpreter=python, cell="print(2)\n").layers[-1]
    for what, changed, limit in (
        ("one edited cell", replace(plan, layers=(*plan.layers[:-1], edited)), "0.3 s, a few KB"),
        ("one added package", _with_package(plan, everything, python), "1 s, no other layer"),
    ):
        image, seconds = _build(changed, store)
        new = [layer for layer in image.layers if not layer.reused]
        written = sum(layer.size_bytes for layer in new) / 1e3
        yield Row(what, f"{seconds:.2f} s, {written:,.0f} KB in {len(new)} layer", limit)


def _with_package(plan: ImagePlan, everything: list, python: str) -> ImagePlan:
    added = [one for one in everything if one.metadata["Name"].lower() == ADDED]
    layer: LayerPlan = replace(plan_of(added, interpreter=python).layers[0], title=ADDED)
    return replace(plan, layers=(*plan.layers[:-1], layer, plan.layers[-1]))


def _disk_bytes(root: str) -> int:
    return sum(
        os.lstat(os.path.join(folder, name)).st_blocks * 512
        for folder, _, names in os.walk(root)
        for name in names
    )


def _memory(python: str) -> str:
    """Build in a process of its own; count it and its two bytecode makers."""
    here = str(Path(__file__).resolve())
    done = subprocess.run(
        [sys.executable, here, "--memory", python], capture_output=True, text=True, check=True
    )
    bare, own, largest_child = json.loads(done.stdout)
    return f"{(own - bare + 2 * largest_child) / 1024:.0f} MB"


def _memory_inside(python: str) -> None:
    started = [sys.executable, "-c", "import resource as r; print(r.getrusage(0).ru_maxrss)"]
    bare = int(subprocess.run(started, capture_output=True, check=True).stdout)
    site = _output(python, "import sysconfig; print(sysconfig.get_path('purelib'))")
    plan = plan_of(distributions_of(site, "tensorflow-cpu"), interpreter=python)
    with tempfile.TemporaryDirectory() as folder:
        _build(plan, Store.open(f"{folder}/store"))
    own = resource.getrusage(resource.RUSAGE_SELF).ru_maxrss
    print(json.dumps([bare, own, resource.getrusage(resource.RUSAGE_CHILDREN).ru_maxrss]))


def _imports(image: Image, store: Store, python: str, site: str, folder: str) -> Row:
    """Import tensorflow from the image's files and from the host's, by turns.

    The host's are the same packages only, for tensorflow imports others if they are there.
    """
    unpacked = unpack_layers(store, [layer.digest for layer in image.layers]).folder + PREFIX
    host = f"{folder}/host"
    os.mkdir(host)
    for name in os.listdir(unpacked):
        os.symlink(f"{site}/{name}", f"{host}/{name}")
    best: dict[str, float] = {}
    for place in (unpacked, host) * ROUNDS:
        code = f"import sys; sys.path.append({place!r}); import tensorflow"
        started = time.perf_counter()
        command = [python, "-I", "-S", "-B", "-c", code]
        subprocess.run(command, capture_output=True, check=True)
        best[place] = min(best.get(place, 1e9), time.perf_counter() - started)
    ratio = best[unpacked] / best[host]
    return Row("import tensorflow", f"{best[unpacked]:.2f} s, {ratio:.2f} x the host's", "1.1 x")


def _compiling(plan: ImagePlan, distributions: list, python: str, folder: str) -> Row:
    anew = plan_of(distributions, interpreter=python, bytecode=False)
    image, seconds = _build(anew, Store.open(f"{folder}/compiled"))
    known = DaemonlessBuilder().known_layers(plan, store=Store.open(f"{folder}/store"))
    same = [layer.digest for layer in known if layer] == [layer.digest for layer in image.layers]
    return Row("cold build that compiles all bytecode", f"{seconds:.1f} s, same digests: {same}")


def _count(plan: ImagePlan) -> int:
    return sum(len(layer.entries) for layer in plan.layers)


def _output(python: str, code: str) -> str:
    done = subprocess.run([python, "-c", code], capture_output=True, text=True, check=True)
    return done.stdout.strip()


def _science_python() -> str:
    source = Path(__file__).resolve().parents[1] / "tests" / "environments.py"
    spec = importlib.util.spec_from_file_location("environments", source)
    module = importlib.util.module_from_spec(spec)
    spec.loader.exec_module(module)
    return str(module.python_of("science"))


def main() -> None:
    """Print the table."""
    if sys.argv[1:2] == ["--memory"]:
        _memory_inside(sys.argv[2])
        return
    with contextlib.suppress(BrokenPipeError):
        for row in measure(sys.argv[1] if sys.argv[1:] else _science_python()):
            print(f"{row.what:50} {row.figure:40} {row.limit}", flush=True)


if __name__ == "__main__":
    main()
