"""Sets in printed text, put in order: Python prints them in an order that changes by process."""

from __future__ import annotations

import re

_INNERMOST = re.compile(r"\{([^{}]*)\}")
_TOKEN = re.compile(r"'(?:[^'\\\n]|\\.)*'|\"(?:[^\"\\\n]|\\.)*\"|.", re.DOTALL)
_OPEN, _CLOSE = "\ue000", "\ue001"  # private use: stands for braces that were dealt with
_LONGEST = 100_000


def in_order(text: str) -> str:
    """Return `text` with the items of every `{a, b}` sorted; dicts and other braces stay."""
    if "{" not in text or len(text) > _LONGEST:
        return text
    count = 1
    while count:
        text, count = _INNERMOST.subn(_sorted, text)
    return text.replace(_OPEN, "{").replace(_CLOSE, "}")


def _sorted(match: re.Match[str]) -> str:
    items, depth, item = [], 0, ""
    for part in _TOKEN.findall(match[1]):
        if part == ":" and depth == 0:
            return f"{_OPEN}{match[1]}{_CLOSE}"
        depth += (part in "([" + _OPEN) - (part in ")]" + _CLOSE)
        if part == "," and depth == 0:
            items.append(item.strip())
            item = ""
        else:
            item += part
    items.append(item.strip())
    if len(items) == 1:
        return f"{_OPEN}{match[1]}{_CLOSE}"
    return f"{_OPEN}{', '.join(sorted(items))}{_CLOSE}"
