"""`make bench-docker`: images beside those of `docker build`, and pushes beside `docker push`.

`python benchmarks/docker_times.py [--quick] [--engine docker-containerd] [PYTHON]`, as root, with Debian's
`docker.io`, `docker-registry`, `skopeo` and `mmdebstrap`. The same base, the same pins, the same engine; times end at the guest's
first line. Docker begins with a Dockerfile, so ours begin with a plan; the whole command has a row of
its own. The table goes to standard output and to `.artifacts/docker.md`.
"""

from __future__ import annotations

import argparse
import contextlib
import json
import os
import platform
import statistics
import sys
import tempfile
import time
from collections.abc import Iterator
from dataclasses import replace
from pathlib import Path

import build_times
import example
import push_times
from docker_place import BASE, Docker, Kit, context, part
from table import Row, markdown, ratio_of
from timing import settle, stopwatch

from jupyter_containerize import worker
from jupyter_containerize.capture import assemble, kernel
from jupyter_containerize.capture import record as probe_record
from jupyter_containerize.model.event import Result, StepFinished, ignore
from jupyter_containerize.model.image import Image
from jupyter_containerize.model.options import CaptureOptions, PlanOptions
from jupyter_containerize.model.plan import ImagePlan
from jupyter_containerize.model.request import BuildRequest
from jupyter_containerize.model.snapshot import Snapshot
from jupyter_containerize.oci import archive
from jupyter_containerize.oci.store import Store
from jupyter_containerize.planning import plan
from jupyter_containerize.workflow import bases, loading
from jupyter_containerize.workflow.building import guest_files
from jupyter_containerize.workflow.collector import at_rest

#: The package that is added: a small leaf that TensorFlow requires.
_ADDED = build_times.ADDED[0]
#: At least so many times faster, cold, than with this installer.
_COLD = {"pip": 8, "uv": 4}
_ADDED_TIMES = 20
_OURS = "ours:1"
_CLASSIC = "docker"


class Ours:
    """Our side: plans on the base, built and loaded. The store has the base, as the engine has it.

    A cold build gets a store and an engine of its own: deleting an image would disturb the next one.
    """

    def __init__(self, snapshot: Snapshot, base: str, docker: Docker, folder: str) -> None:
        self._snapshot = snapshot
        self._base = base
        self._docker = docker
        self.store = Store.open(tempfile.mkdtemp(prefix="store-", dir=folder))
        self._chosen = bases.choose(base, refresh=False, store=self.store, emit=ignore)
        os.environ["DOCKER_HOST"] = docker.socket
        self.split = ""

    def plan(self, snapshot: Snapshot) -> ImagePlan:
        """Return the plan as `build --base` makes it."""
        fitted = bases.fitted(snapshot, self._chosen, store=self.store, emit=ignore)
        options = PlanOptions(
            guest=guest_files(), name=_OURS, base=self._chosen.base, base_image=self._chosen.image
        )
        return plan(fitted, options)

    def ready(self, made: ImagePlan) -> Image:
        """Build a plan and load it, as the workflow does."""
        started = time.perf_counter()
        engine = loading.check()
        with at_rest():
            image = build_times.build(made, self.store)
        built = time.perf_counter()
        loading.load(image, engine=engine, store=self.store, emit=ignore)
        self.split = f"build {built - started:.1f} s, load {time.perf_counter() - built:.1f} s"
        return image

    def cold(self) -> float:
        """Return the seconds from the plan to the first line, nothing known but the base."""
        made = self.plan(self._snapshot)
        settle()
        return stopwatch(lambda: self.ready(made)) + self._docker.until_first_line(_OURS)

    def whole_command(self, record: str) -> tuple[float, str]:
        """Return the seconds of a worker from the kernel's record to the first line, and its steps."""
        settle()
        request = BuildRequest(
            record=record, base=self._base, to="docker", name=_OURS, store=self.store.root
        )
        started = time.perf_counter()
        events = list(worker.start("build", request).events())
        seconds = time.perf_counter() - started
        if not isinstance(events[-1], Result):
            raise RuntimeError(events[-1])  # noqa: TRY004 - the worker failed
        steps = [f"{one.step} {one.seconds:.1f}" for one in events if isinstance(one, StepFinished)]
        return seconds + self._docker.until_first_line(_OURS), ", ".join(steps)

    def changed(self, snapshot: Snapshot) -> float:
        """Return the seconds from a changed snapshot's plan to the first line."""
        made = self.plan(snapshot)
        return stopwatch(lambda: self.ready(made)) + self._docker.until_first_line(_OURS)


class Theirs:
    """`docker build` with one installer: a context with all but one package, and one with all."""

    def __init__(
        self, ours: Ours, snapshot: Snapshot, docker: Docker, folder: str, installer: str
    ) -> None:
        self._docker = docker
        self.name = f"theirs-{installer}:1"
        self._before = os.path.join(folder, f"{installer}-before")
        self._after = os.path.join(folder, f"{installer}-after")
        before = build_times.without(snapshot, _ADDED)
        context(before, ours.plan(before), self._before, installer=installer)
        context(snapshot, ours.plan(snapshot), self._after, installer=installer)
        self._edits = 0

    def cold(self) -> float:
        """Return the seconds of a first build to the first line."""
        settle()
        return self._ready(self._before)

    def added(self) -> float:
        """Return the same for a build with one more package."""
        settle()
        return self._ready(self._after)

    def edited(self) -> float:
        """Return the same after a change of the notebook: all but that is cached."""
        self._edits += 1
        path = os.path.join(self._after, "containerize", "notebook.ipynb")
        with open(path, encoding="utf-8") as file:
            notebook = json.load(file)
        cell = next(one for one in notebook["cells"] if one["cell_type"] == "code")
        cell["source"] = f"# edit {self._edits}\n" + "".join(cell["source"])
        with open(path, "w", encoding="utf-8") as file:
            json.dump(notebook, file)
        return self._ready(self._after)

    def _ready(self, folder: str) -> float:
        built = stopwatch(lambda: self._docker.build(folder, self.name))
        return built + self._docker.until_first_line(self.name)


def measure(python: str, folder: str, *, rounds: int, kind: str) -> Iterator[Row]:
    """Yield the rows of the whole table; what was made lasts until the last one is taken."""
    _say("running the example in a kernel")
    record = os.path.join(folder, "record.json")
    with example.live_kernel(python, folder) as connection, open(record, "w") as file:
        json.dump(kernel.attach(connection), file)
    with open(record, "rb") as file:
        snapshot = assemble.snapshot(
            probe_record.parse(file.read()), notebook="", options=CaptureOptions(),
            store=Store.open(os.path.join(folder, "capturing")),
        )  # fmt: skip
    with contextlib.ExitStack() as stack:
        host = stack.enter_context(push_times.registry())
        kit = Kit.at(python, folder)
        base = _base_in_registry(kit, host, folder)

        def fresh() -> tuple[Ours, Docker]:
            _say("an engine with the base")
            engine = stack.enter_context(part("docker_engine").running(kind))
            docker = Docker(engine, kit)
            return Ours(snapshot, base, docker, folder), docker

        ours, _ = fresh()
        _say("the whole command")
        whole_s, steps = ours.whole_command(record)
        what = "live kernel to first line: the whole command, cold"
        yield Row(what, f"{whole_s:.1f} s", f"of which {steps}")
        cold = []
        for _ in range(rounds):
            ours, docker = fresh()
            _say("cold, ours")
            cold.append(ours.cold())
        cold_s = statistics.median(cold)
        yield Row("plan to first line, cold", f"{cold_s:.1f} s", f"the last time {ours.split}")
        _, other = fresh()
        yield _floor(ours, cold_s, other, folder, kind)
        yield from _against(ours, cold_s, snapshot, docker, folder, rounds=rounds)
        _say("pushes")
        if kind == _CLASSIC:
            yield from push_times.rows(ours.store.resolve(_OURS), ours.store, rounds=rounds)


def _floor(ours: Ours, cold_s: float, docker: Docker, folder: str, kind: str) -> Row:
    """Return how much of a cold build the engine needs alone: the image from a file to the first line.

    No way of giving it these layers that we tried costs it less.
    """
    _say("the engine's own part")
    path = os.path.join(folder, "image.tar")
    image = ours.store.resolve(_OURS)
    if kind == _CLASSIC:
        archive.write_docker(image, store=ours.store, path=path)
    else:
        archive.write_oci(image, store=ours.store, path=path)
    settle()
    seconds = stopwatch(lambda: docker.command("load", "-q", "-i", path))
    os.unlink(path)
    seconds += docker.until_first_line(_OURS)
    beside = ("`docker load` of the same image from a file", seconds)
    return ratio_of("plan to first line, cold", cold_s, beside)


def _against(
    ours: Ours, cold_s: float, snapshot: Snapshot, docker: Docker, folder: str, *, rounds: int
) -> Iterator[Row]:
    """Yield the rows beside `docker build`; `ours` has built in this engine already."""
    docker.bring_wheels()
    sides = {name: Theirs(ours, snapshot, docker, folder, name) for name in _COLD}
    for name, times in _COLD.items():
        _say(f"cold, docker build with {name}")
        beside = f"`docker build` with {name}"
        yield _faster("plan to first line, cold", cold_s, beside, sides[name].cold(), times)
    _say("one added package")
    added_s = _added(ours, snapshot)
    for name in ("pip",) if rounds == 1 else _COLD:
        beside = f"`docker build` with {name}"
        yield _faster("one added package", added_s, beside, sides[name].added(), _ADDED_TIMES)
    _say("an edited cell")
    pip = sides["pip"]
    edits = [(ours.changed(_edited(snapshot, n)), pip.edited()) for n in range(2 * rounds + 1)]
    edit_s, cached_s = (statistics.median(times) for times in zip(*edits, strict=True))
    yield ratio_of("an edited cell", edit_s, ("cached `docker build`", cached_s), 1)
    size, theirs = docker.size_of(_OURS), docker.size_of(pip.name)
    beside = ", ".join(
        f"`docker build` with {name}: {docker.size_of(side.name) / 1e9:.3f} GB"
        for name, side in sides.items()
    )
    ratio = size / theirs
    what = "size of the image in the engine, with the base"
    yield Row(what, f"{size / 1e9:.3f} GB", beside, f"{ratio:.3f}", "≤ 1 x (pip)", ratio <= 1)


def _added(ours: Ours, snapshot: Snapshot) -> float:
    """Build without small packages, then add one after another; return the median."""
    ours.ready(ours.plan(build_times.without(snapshot, *build_times.ADDED)))
    times = []
    for number in range(len(build_times.ADDED)):
        settle()
        left = build_times.without(snapshot, *build_times.ADDED[number + 1 :])
        times.append(ours.changed(left))
    return statistics.median(times)


def _edited(snapshot: Snapshot, number: int) -> Snapshot:
    first, *cells = snapshot.notebook.cells
    first = replace(first, source=f"# edit {number}\n{first.source}")
    return replace(snapshot, notebook=replace(snapshot.notebook, cells=(first, *cells)))


def _faster(what: str, seconds: float, name: str, other_s: float, times: int) -> Row:
    ratio = other_s / seconds
    beside = f"{name}: {other_s:.1f} s"
    return Row(what, f"{seconds:.2f} s", beside, f"1/{ratio:.1f}", f"≤ 1/{times} x", ratio >= times)


def _base_in_registry(kit: Kit, host: str, folder: str) -> str:
    """Put the engines' base into the registry, the same layer; return its name there."""
    images = part("base_images")
    layout = images.layout(Path(folder, "base"), {"amd64": str(kit.base)})
    return str(images.push(layout, f"{host}/{BASE}"))


def _say(what: str) -> None:
    print(f"# {time.strftime('%H:%M:%S')} load {os.getloadavg()[0]:.1f}: {what}", file=sys.stderr)


def main() -> int:
    """Measure, print and keep the table."""
    parser = argparse.ArgumentParser(description=__doc__)
    parser.add_argument("python", nargs="?", help="the kernel's (default: made for it)")
    parser.add_argument(
        "--quick",
        action="store_true",
        help="one round instead of two, a package added with pip only",
    )
    parser.add_argument(
        "--engine",
        choices=(_CLASSIC, "docker-containerd"),
        default=_CLASSIC,
        help="bookworm's 20.10, or trixie's 26.1 with the containerd image store",
    )
    parser.add_argument("--folder", help="where to work, with 16 GB free")
    args = parser.parse_args()
    os.environ.pop("PYTHONDONTWRITEBYTECODE", None)
    os.environ["TF_CPP_MIN_LOG_LEVEL"] = "3"
    python = args.python or example.python_of_environment()
    before, started = os.getloadavg()[0], time.monotonic()
    with tempfile.TemporaryDirectory(prefix="containerize-bench-", dir=args.folder) as folder:
        rows: list[Row] = []
        for row in measure(python, folder, rounds=1 if args.quick else 2, kind=args.engine):
            rows.append(row)
            print(markdown([row]).splitlines()[-1], file=sys.stderr)
        text = (
            f"{markdown(rows)}\n"
            f"`make bench-docker` ({args.engine}) on {os.cpu_count()} cores, Linux {platform.release()}, Python "
            f"{platform.python_version()}; load average {before:.1f} before, "
            f"{os.getloadavg()[0]:.1f} after {(time.monotonic() - started) / 60:.1f} minutes.\n"
        )
        artifacts = example.ROOT / ".artifacts"
        artifacts.mkdir(exist_ok=True)
        (artifacts / "docker.md").write_text(text, encoding="utf-8")
        print(text, end="", flush=True)
    return 0


if __name__ == "__main__":
    sys.exit(main())
