"""What a build tells while it goes on, and what it says when it fails."""

from __future__ import annotations

import re
from collections.abc import Iterable
from dataclasses import dataclass

from ..errors import ContainerizeError
from .problems import refused

_LINES = 8
_STEP_LENGTH = 100
_NOISE = re.compile(
    r"^(#\d+ )?(CACHED|DONE .*|sha256:.*|resolve .*|-+|\s*|\[.*\] .*|\s*> \[.*|transferring .*|"
    r"(ERROR: )?(executor failed|process) .*)$"
)
#: What engines say about an image they cannot get.
_MISSING = re.compile(
    r"^.*(failed to do request|pull access denied|manifest unknown|manifest for .* not found|"
    r"repository does not exist|dial tcp: lookup).*$",
    re.MULTILINE,
)
_NUMBERED = re.compile(r"^#\d+ ([\d.]+ )?")


@dataclass(frozen=True, slots=True)
class Message:
    """Step `text` is number `done` of `total`; with a total of 0, `text` is a line of output."""

    text: str
    done: int = 0
    total: int = 0


def failed(step: str, said: Iterable[str]) -> ContainerizeError:
    """Return the error of a build whose `step` went wrong. Errors: `engine-no-space` as well."""
    step = " ".join(re.sub(r"--mount=\S+", "", step).split())
    step = step if len(step) <= _STEP_LENGTH else f"{step[: _STEP_LENGTH - 1]}…"
    lines = [_NUMBERED.sub("", line) for line in said if not _NOISE.match(line)][-_LINES:]
    text = "\n".join(lines)
    if re.search(r"no space left on device|disk quota exceeded", text, re.IGNORECASE):
        return refused("building", text)
    if missing := _MISSING.search(text):
        return ContainerizeError(
            "base-not-found",
            what="The Docker engine cannot get the image that the Dockerfile builds on.",
            why=missing[0].strip(),
            fix="Check its name and your network, log in (`docker login`), or name one that the "
            "engine has: --base IMAGE.",
        )
    return ContainerizeError(
        "build-failed",
        what=f"The Docker build failed{f' at {step}' if step else ''}.",
        why=text,
        fix=(
            "`jupyter containerize export --dockerfile DIR` writes the Dockerfile, to try and mend "
            "by hand; --builder daemonless takes the installed files instead."
        ),
    )
