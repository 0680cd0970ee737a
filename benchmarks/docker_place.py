"""What Docker builds from in the benchmarks: an engine, a base, wheels, a Dockerfile.

The parts are those of the tests: Debian's engine, and a base by mmdebstrap. The base lies in the
engine; the wheels lie in an image of their own, which the Dockerfile mounts.
"""

from __future__ import annotations

import importlib.util
import os
import re
import shutil
import subprocess
import sys
import tarfile
import time
from dataclasses import dataclass, replace
from pathlib import Path
from types import ModuleType
from typing import Any

from example import ROOT

from jupyter_containerize.builders.context import write_context
from jupyter_containerize.model.options import RecipeOptions
from jupyter_containerize.model.plan import ImagePlan, InlineContent, Recipe
from jupyter_containerize.model.snapshot import Snapshot
from jupyter_containerize.planning.dockerfile import VENV, recipe

BASE = "bench-base:1"
_WHEELS = "bench-wheels:1"
#: How the Dockerfile installs: wheels only, from the mounted folder, the pins and nothing else.
INSTALLERS = {
    "pip": "pip install --no-cache-dir --no-index --find-links=/wheels --no-deps",
    "uv": f"/wheels/uv pip install --no-cache --offline --no-index --find-links=/wheels --no-deps "
    f"--python={VENV}/bin/python",
}
_COMMAND_S = 900
_DOCKER = shutil.which("docker", path="/usr/bin") or "docker"
_APT = re.compile(r"# Shared libraries and programs.*?\n\n", re.DOTALL)
_INSTALL = re.compile(r"^RUN pip install --no-deps(?: --require-hashes)?", re.MULTILINE)


def part(name: str) -> ModuleType:
    """Return tests/<name>.py as a module: the tests are no package."""
    spec = importlib.util.spec_from_file_location(f"bench_{name}", ROOT / "tests" / f"{name}.py")
    if spec is None or spec.loader is None:
        raise FileNotFoundError(f"tests/{name}.py")
    module = importlib.util.module_from_spec(spec)
    sys.modules[spec.name] = module
    spec.loader.exec_module(module)
    return module


@dataclass(frozen=True, slots=True)
class Kit:
    """What engines get: tars of the base, and of the wheels with uv beside them."""

    base: Path
    wheels: Path

    @classmethod
    def at(cls, python: str, folder: str) -> Kit:
        """Make the tars, of what is installed in `python`'s environment."""
        debian = part("debian_base")
        path = Path(folder, "wheels.tar")
        with tarfile.open(path, "w") as tar:
            for wheel in debian.wheels(python, "keras").glob("*.whl"):
                tar.add(wheel, wheel.name)
            tar.add(_uv(), "uv")
        return cls(debian.root(), path)


class Docker:
    """An engine of the tests, with the base in it."""

    def __init__(self, engine: Any, kit: Kit) -> None:
        self._engine = engine
        self._kit = kit
        self.socket: str = engine.socket
        self.command("import", kit.base, BASE)

    def bring_wheels(self) -> None:
        """Give the engine the wheels."""
        self.command("import", self._kit.wheels, _WHEELS)

    def command(self, *words: object) -> str:
        """Run a `docker` command and return what it printed."""
        return str(self._engine.docker(*words, timeout=_COMMAND_S))

    def build(self, context: str, tag: str) -> None:
        """Build a context with BuildKit, as Debian's `docker` does it."""
        done = subprocess.run(
            [_DOCKER, "-H", self.socket, "build", "-q", "--network=none", "-t", tag, context],
            env={**os.environ, "DOCKER_BUILDKIT": "1"},
            capture_output=True, text=True, check=False, timeout=_COMMAND_S,
        )  # fmt: skip
        if done.returncode:
            raise RuntimeError(done.stderr[-3000:])

    def until_first_line(self, image: str) -> float:
        """Run an image until its guest has written a line; return the seconds."""
        name = f"bench-{time.monotonic_ns()}"
        options = ["--rm", "--network=none", "--name", name]
        started = time.perf_counter()
        with subprocess.Popen(
            [_DOCKER, "-H", self.socket, "run", *options, image],
            stdout=subprocess.PIPE, stderr=subprocess.STDOUT, text=True,
        ) as process:  # fmt: skip
            line = process.stdout.readline() if process.stdout else ""
            seconds = time.perf_counter() - started
            process.kill()
        if not line.startswith("[1/"):
            raise RuntimeError(f"{image} wrote first: {line!r}")
        self.command("rm", "-f", name)
        return seconds

    def size_of(self, image: str) -> int:
        """Return an image's size as the engine tells it, the base included."""
        return int(self.command("inspect", "--format", "{{.Size}}", image))


def context(snapshot: Snapshot, plan: ImagePlan, folder: str, *, installer: str) -> str:
    """Write the Dockerfile that `export --dockerfile` makes, and its context; return the folder.

    But for two things: its packages come from the wheels here, by `installer`, and nothing comes from
    Debian, which cannot be reached.
    """
    made = recipe(snapshot, plan, RecipeOptions(base=BASE, buildkit=False, why_no_hashes="-"))
    mount = f"RUN --mount=type=bind,from={_WHEELS},target=/wheels {INSTALLERS[installer]}"
    files = []
    for file in made.files:
        if file.path == "Dockerfile" and isinstance(file.content, InlineContent):
            text, count = _INSTALL.subn(mount, _APT.sub("", file.content.text))
            if not count:
                raise RuntimeError(text)
            file = replace(file, content=InlineContent(text))  # noqa: PLW2901 - that one alone
        files.append(file)
    write_context(Recipe(tuple(files)), folder)
    return folder


def _uv() -> str:
    import uv  # noqa: PLC0415 - of the test environment

    return str(uv.find_uv_bin())
