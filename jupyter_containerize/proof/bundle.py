"""One display compared with another: every representation by the rule of its kind."""

from __future__ import annotations

import re
from collections.abc import Mapping
from typing import Any

from .pictures import same_size, size_of
from .text import readable
from .tokens import Tolerance, same_number, same_text

#: Representations that name live objects or are opaque: only their presence is compared.
BY_PRESENCE = ("application/vnd.jupyter.widget-view+json", "application/pdf")
_ID = re.compile(r"\b(?:id|for)\s*=\s*[\"']([\w-]*\d[\w-]*)[\"']")
_GENERATED = re.compile(r"\bsk-(?:container|estimator)-id-\d+\b|\bT_[0-9a-f]{5}|\b[0-9a-f]{32}\b")
_ANY_ID = re.compile(r"\bid\s*=\s*[\"']([A-Za-z][\w-]{5,})[\"']")
_MARKUP = ("text/html", "application/javascript")
SHORTEST_ID = 3


def same_bundle(recorded: Mapping[str, Any], executed: Mapping[str, Any], limit: Tolerance) -> bool:
    """Return whether two mime bundles show the same."""
    if recorded.keys() != executed.keys():
        return False
    return all(same_data(kind, data, executed[kind], limit) for kind, data in recorded.items())


def same_data(kind: str, recorded: Any, executed: Any, limit: Tolerance) -> bool:
    """Return whether two values of one mime type show the same."""
    if kind in BY_PRESENCE:
        return True
    if kind.startswith("image/"):
        return same_size(size_of(kind, joined(recorded)), size_of(kind, joined(executed)))
    if isinstance(recorded, (str, list)) and not kind.endswith("json"):
        texts = shown(kind, recorded), shown(kind, executed)
        return same_text(*texts, limit) or (
            kind in _MARKUP and same_text(*with_ids_of_both(*texts), limit)
        )
    return same_json(recorded, executed, limit)


def same_json(recorded: Any, executed: Any, limit: Tolerance) -> bool:
    """Return whether JSON data have the same structure, with numbers within the tolerance."""
    if isinstance(recorded, dict) and isinstance(executed, dict):
        return recorded.keys() == executed.keys() and all(
            same_json(value, executed[key], limit) for key, value in recorded.items()
        )
    if isinstance(recorded, list) and isinstance(executed, list):
        return len(recorded) == len(executed) and all(
            same_json(a, b, limit) for a, b in zip(recorded, executed, strict=True)
        )
    if isinstance(recorded, str) and isinstance(executed, str):
        return same_text(readable(recorded), readable(executed), limit)
    if isinstance(recorded, float) or isinstance(executed, float):
        plain = all(type(side) in (int, float) for side in (recorded, executed))
        return plain and same_number(recorded, executed, limit.rtol)
    return type(recorded) is type(executed) and bool(recorded == executed)


def shown(kind: str, data: Any) -> str:
    """Return one representation as the text that is compared and shown."""
    if kind.startswith("image/"):
        size = size_of(kind, joined(data))
        return f"<{kind}, {size[0]:g} x {size[1]:g}>" if size else f"<{kind}>"
    text = readable(joined(data)) if isinstance(data, (str, list)) else repr(data)
    return renamed(text) if kind in _MARKUP else text


def renamed(markup: str) -> str:
    """Return HTML with generated ids numbered in order of appearance."""
    ids = [*_ID.findall(markup), *_GENERATED.findall(markup)]
    names: dict[str, str] = {}
    for name in ids:
        if len(name) >= SHORTEST_ID:
            names.setdefault(name, f"id-{len(names) + 1}")
    return _replaced(markup, names)


def with_ids_of_both(recorded: str, executed: str) -> tuple[str, str]:
    """Return both sides of HTML with the ids that only one side has numbered alike.

    Some libraries draw an element's id from letters alone: nothing in it says that it was drawn,
    but that the other run has another one in the same places.
    """
    ours, theirs = (list(dict.fromkeys(_ANY_ID.findall(side))) for side in (recorded, executed))
    drawn = [name for name in ours if name not in theirs]
    others = [name for name in theirs if name not in ours]
    if not drawn or len(drawn) != len(others):
        return recorded, executed
    numbers = [f"drawn-id-{number}" for number, _ in enumerate(drawn, 1)]
    return (
        _replaced(recorded, dict(zip(drawn, numbers, strict=True))),
        _replaced(executed, dict(zip(others, numbers, strict=True))),
    )


def _replaced(markup: str, names: Mapping[str, str]) -> str:
    if not names:
        return markup
    alternatives = "|".join(map(re.escape, sorted(names, key=len, reverse=True)))
    return re.sub(rf"\b(?:{alternatives})(?![0-9a-zA-Z])", lambda match: names[match[0]], markup)


def joined(text: Any) -> str:
    """Return an nbformat multi-line string as one."""
    return text if isinstance(text, str) else "".join(text)
