"""The builder that leaves the work to a Docker engine: a Dockerfile, its context, the result."""

from __future__ import annotations

import os
import shutil
import tarfile
import tempfile
import time
from collections.abc import Iterator

from ..engine import buildkit
from ..engine.client import Engine
from ..engine.messages import Message
from ..errors import ContainerizeError
from ..model.check import Check
from ..model.event import Emit, LogLine, Progress, StepFinished, StepStarted
from ..model.image import Image, Layer
from ..model.plan import ImagePlan, Recipe
from ..model.reference import Reference
from ..oci.store import Store
from .context import write_context
from .engine_image import take_image

STEP = "build"
_CHUNK_BYTES = 1 << 20


class DockerBuilder:
    """See `protocol.Builder`. Needs a plan with a recipe.

    With BuildKit (a `docker` command that has it) by that command, else through the SDK.
    """

    name = "docker"

    def build(
        self, plan: ImagePlan, *, store: Store, emit: Emit, name: Reference | None = None
    ) -> Image:
        """Return the image that the engine builds, brought into the store as well.

        Errors: `no-engine`, `engine-lost`, `engine-no-space`, `build-failed`, `no-space`,
        `file-changed`, `no-recipe`.
        """
        started = time.monotonic()
        name = name or Reference.parse(plan.name)
        if plan.recipe is None:
            raise ContainerizeError(
                "no-recipe",
                what="This plan has no Dockerfile.",
                why="It was made for another builder.",
                fix="Build with --builder daemonless.",
            )
        engine = Engine.connect()
        emit(StepStarted(STEP, f"Building {name} with {engine.facts}"))
        store.sweep()
        with store.in_use():
            image_id = _build(plan.recipe, name, engine=engine, emit=emit)
            image = take_image(image_id, engine=engine, store=store, plan=plan, name=name)
        summary = f"{image.size_bytes / 1e6:,.1f} MB in {len(image.layers)} layers"
        emit(StepFinished(STEP, time.monotonic() - started, summary))
        return image

    def known_layers(self, plan: ImagePlan, *, store: Store) -> tuple[Layer | None, ...]:
        """Return None for each layer: only the engine's cache knows."""
        del store
        return (None,) * len(plan.layers)

    def checks(self) -> tuple[Check, ...]:
        """Tell whether an engine answers, and by which way it builds."""
        try:
            engine = Engine.connect()
            way = "with BuildKit" if buildkit.command(engine) else "without BuildKit, by the SDK"
        except ContainerizeError as error:
            return (Check(self.name, works=False, what=error.what, why=error.why, fix=error.fix),)
        return (Check(self.name, works=True, what=f"Builds from a Dockerfile {way}."),)


def has_buildkit() -> bool:
    """Whether the recipe may use what only BuildKit understands. Errors: `no-engine`, …."""
    return buildkit.command(Engine.connect()) is not None


def _build(recipe: Recipe, name: Reference, *, engine: Engine, emit: Emit) -> str:
    command = buildkit.command(engine) if recipe.buildkit else None
    with tempfile.TemporaryDirectory(prefix="context-") as folder:
        context = os.path.join(folder, "context")
        write_context(recipe, context)
        if command is not None:
            messages = buildkit.build(command, context, tag=str(name), engine=engine)
        else:
            archive = os.path.join(folder, "context.tar")
            _pack(context, archive)
            messages = engine.build(archive, tag=str(name))
        for message in messages:
            _tell(message, emit)
    found = engine.image(str(name))
    if found is None:
        raise ContainerizeError(
            "build-failed",
            what=f"The engine has no image {name} after the build.",
            fix="Try again.",
        )
    return str(found["Id"])


def _tell(message: Message, emit: Emit) -> None:
    if message.total:
        emit(Progress(STEP, message.text, message.done, message.total, "steps"))
    elif message.text:
        emit(LogLine(f"{message.text}\n", "stderr"))


def _pack(folder: str, path: str) -> None:
    """Pack the context for the SDK, without this machine's owners and times in it."""
    with tarfile.open(path, "w") as tar:
        for inside in _entries(folder):
            tar.add(os.path.join(folder, inside), inside, recursive=False, filter=_anonymous)
    shutil.rmtree(folder)


def _anonymous(entry: tarfile.TarInfo) -> tarfile.TarInfo:
    # The classic builder's cache looks at owners and modes, not at times.
    entry.uid = entry.gid = 0
    entry.uname = entry.gname = ""
    entry.mtime = 0
    return entry


def _entries(folder: str) -> Iterator[str]:
    for place, folders, files in os.walk(folder):
        folders.sort()
        for name in sorted([*folders, *files]):
            yield os.path.relpath(os.path.join(place, name), folder)
