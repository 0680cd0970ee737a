"""Our own magics are how a notebook is packed, not part of what it does: they stay out."""

from __future__ import annotations

import re

_OWN = re.compile(
    r"\s*(%(load_ext|reload_ext|unload_ext)\s+jupyter_containerize\b|%{1,2}containerize\b"
    r"|%config\s+\w*Containerize\w*\.)"
)


def without_own_lines(source: str) -> str:
    """Return `source` without the lines that only concern us; "" if nothing else is there."""
    if "containerize" not in source.lower():
        return source
    if re.match(r"\s*%%containerize\b", source):
        return ""
    kept = [line for line in source.splitlines(keepends=True) if not _OWN.match(line)]
    text = "".join(kept)
    return text.rstrip("\n") if text.strip() else ""
