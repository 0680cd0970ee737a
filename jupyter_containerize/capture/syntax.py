"""What cells name: modules, paths, variables, commands. Tolerant of lines that are not Python."""

from __future__ import annotations

import re
from collections.abc import Iterable


def modules_of(sources: Iterable[str]) -> tuple[str, ...]:
    """Return the modules that cells import, in order."""
    found = {}
    for source in sources:
        for name in re.findall(r"^\s*(?:import|from)\s+([\w.]+)", source, re.MULTILINE):
            found[name] = None
    return tuple(found)


def python_of(source: str) -> str:
    """Return the cell as plain Python."""
    return source
