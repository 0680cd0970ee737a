"""Programs that cells call, with the links and interpreters they need to start."""

from __future__ import annotations

from collections.abc import Iterable

from ..model.reasons import Finding, Reason
from ..model.snapshot import Executable
from .packages import Owners


def find(
    commands: Iterable[tuple[str, Reason]],
    *,
    search_path: str,
    included: Iterable[str] = (),
    folder: str = "/",
    packages: Owners,
) -> tuple[tuple[Executable, ...], tuple[Finding, ...]]:
    """Return the programs behind `commands`, and findings about those that are not there.

    `commands` are names as called (`grep`, `/usr/bin/env`, `./tool.sh`) with the reason (called
    by cell N). `search_path` is the kernel's PATH, `folder` its current folder. What lies in
    `included` (paths of files that go in as part of a distribution, local code or data) is
    not listed again, but the interpreter that its `#!` line names is.
    """
    del commands, search_path, included, folder, packages
    return (), ()


def programs(text: str) -> tuple[str, ...]:
    """Return the program names that the shell command `text` calls, in order, each once."""
    del text
    return ()
