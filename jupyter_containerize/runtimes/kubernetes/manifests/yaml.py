"""Manifests as YAML: block style, every text quoted as JSON, so that no reader misreads one."""

from __future__ import annotations

import json
import re
from typing import Any

_PLAIN = re.compile(r"[A-Za-z_][A-Za-z0-9_./-]*")


def dump(item: Any) -> str:
    """Return a document of maps, lists and scalars as YAML 1.2."""
    return "\n".join(_lines(item)) + "\n"


def _lines(item: Any) -> list[str]:
    if isinstance(item, dict) and item:
        made = []
        for key, value in item.items():
            name = key if _PLAIN.fullmatch(key) else json.dumps(key)
            if isinstance(value, (dict, list)) and value:
                made.append(f"{name}:")
                made += [f"  {line}" for line in _lines(value)]
            else:
                made.append(f"{name}: {_scalar(value)}")
        return made
    if isinstance(item, list) and item:
        made = []
        for value in item:
            first, *rest = _lines(value)
            made += [f"- {first}", *(f"  {line}" for line in rest)]
        return made
    return [_scalar(item)]


def _scalar(value: Any) -> str:
    return json.dumps(value, ensure_ascii=False)
