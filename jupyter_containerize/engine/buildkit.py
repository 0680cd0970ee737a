"""Builds by BuildKit: through the `docker` command, for the SDK cannot use it."""

from __future__ import annotations

import os
import re
import shutil
import subprocess
from collections.abc import Iterator
from dataclasses import dataclass

from .address import Address
from .client import Engine
from .messages import Message, failed

_STEP = re.compile(r"#\d+ (?P<text>\[(?:[\w. -]+ )?(?P<done>\d+)/(?P<total>\d+)\] .*)")
_OUTPUT = re.compile(r"#\d+ [\d.]+ (?P<text>.*)")
_OLD_WITH_BUILDKIT = range(18, 23)


@dataclass(frozen=True, slots=True)
class Command:
    """A `docker` command that speaks BuildKit."""

    program: str


def command(engine: Engine) -> Command | None:
    """Return the command to build with, None where there is no BuildKit.

    podman has none; from Docker 23 on the command needs its buildx plugin.
    """
    program = shutil.which("docker")
    if program is None or engine.facts.kind != "docker":
        return None
    if _said(program, "buildx", "version"):
        return Command(program)
    match = re.search(r"version (\d+)\.", _said(program, "--version"))
    return Command(program) if match and int(match[1]) in _OLD_WITH_BUILDKIT else None


def _said(*words: str) -> str:
    try:
        done = subprocess.run(words, capture_output=True, text=True, check=False, timeout=20)
    except (OSError, subprocess.SubprocessError):
        return ""
    return done.stdout if done.returncode == 0 else ""


def build(chosen: Command, context: str, *, tag: str, engine: Engine) -> Iterator[Message]:
    """Build the context, yielding what is told. Errors: `build-failed`, those of the engine.

    pip's settings, which may hold a password, are a secret of the build where PIP_CONFIG_FILE
    names them; those of this machine as a whole may name folders of this machine.
    """
    settings = os.environ.get("PIP_CONFIG_FILE", "")
    secret = [f"--secret=id=pip,src={settings}"] if os.path.isfile(settings) else []
    words = [chosen.program, "build", "--progress=plain", f"--tag={tag}", *secret, context]
    process = subprocess.Popen(
        words,
        env={**os.environ, "DOCKER_BUILDKIT": "1", **_environment(engine.address)},
        stdin=subprocess.DEVNULL,
        stdout=subprocess.DEVNULL,
        stderr=subprocess.PIPE,
        text=True,
        errors="replace",
    )
    said: list[str] = []
    step = ""
    try:
        for line in process.stderr or ():
            text = line.rstrip("\n")
            said = [*said[-40:], text]
            if match := _STEP.fullmatch(text):
                step = match["text"]
                yield Message(step, int(match["done"]), int(match["total"]))
            elif match := _OUTPUT.fullmatch(text):
                yield Message(match["text"])
        code = process.wait()
    finally:
        # An interrupt, or nobody who listens any more: the build ends with its command.
        if process.poll() is None:
            process.terminate()
            process.wait()
    if code:
        # When the engine has gone, that is what to tell.
        Engine.connect(engine.address)
        raise failed(step, said)


def _environment(address: Address) -> dict[str, str]:
    """Return the variables by which the command finds the same engine.

    What the user's settings name it finds by them, with keys; one of several sockets it may not.
    """
    if address.source != "its socket":
        return {}
    return {"DOCKER_HOST": address.url, "DOCKER_CONTEXT": ""}
