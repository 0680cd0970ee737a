"""Values that fit a JSON schema of `hints`: what a function is asked where there is no example."""

from __future__ import annotations

from typing import Any

_MOST = 8
_DEEPEST = 6
_OF_TYPE: dict[str, tuple[Any, ...]] = {
    "number": (1.0, 0.0, -1.0, 0.5, 2.0, -3.25, 10.0, 100.0),
    "integer": (1, 0, 2, 3, 5, 7, 10, 100),
    "boolean": (True, False),
    "string": ("a", "Hello, world.", "", "42", "ünïcödé", "two words"),
}
_OF_FORMAT = {
    "date": ("2026-01-31", "2024-02-29"),
    "date-time": ("2026-01-31T12:30:00", "2024-02-29T00:00:00"),
    "time": ("12:30:00", "00:00:00"),
    "decimal": ("1.50", "0"),
    "uuid": ("12345678-1234-5678-1234-567812345678",),
}


def samples(schema: dict[str, Any], depth: int = 0) -> list[Any]:
    """Return up to eight values that fit, the most usual first; none where it never ends."""
    if "enum" in schema:
        return list(schema["enum"])[:_MOST]
    if "anyOf" in schema:
        every = [samples(one, depth) for one in schema["anyOf"]]
        turns = max(map(len, every), default=0)
        return [one[turn] for turn in range(turns) for one in every if turn < len(one)][:_MOST]
    kind = schema.get("type")
    if depth > _DEEPEST:
        return []
    if kind == "array":
        return _arrays(schema, depth)
    if kind == "object":
        return _objects(schema, depth)
    if schema.get("contentEncoding") == "base64":
        return ["YWJj", ""]
    return list(_OF_FORMAT.get(schema.get("format", ""), _OF_TYPE.get(kind or "", (None,))))


def _arrays(schema: dict[str, Any], depth: int) -> list[Any]:
    if "prefixItems" in schema:
        parts = [samples(one, depth + 1) for one in schema["prefixItems"]]
        return _side_by_side(parts, list) if all(parts) else []
    inner = samples(schema.get("items", {}), depth + 1)
    return [inner[:3], inner[:1], inner[:_MOST], []] if inner else [[]]


def _objects(schema: dict[str, Any], depth: int) -> list[Any]:
    properties = schema.get("properties")
    if properties is None and "additionalProperties" not in schema:
        return []  # a class within itself: it ends where there is none
    if properties is None:
        inner = samples(schema.get("additionalProperties") or {}, depth + 1)
        return [dict(zip("abc", inner)), {}] if inner else [{}]
    values = {name: samples(one, depth + 1) for name, one in properties.items()}
    known = {name: found for name, found in values.items() if found}
    if any(name not in known for name in schema.get("required", ())):
        return []
    made = _side_by_side(list(known.values()), lambda parts: dict(zip(known, parts)))
    least = {name: known[name][0] for name in schema.get("required", ())}
    return [*made, least] if least not in made else made


def _side_by_side(parts: list[list[Any]], make: Any) -> list[Any]:
    count = max(map(len, parts), default=1)
    return [make([part[at % len(part)] for part in parts]) for at in range(min(count, _MOST))]
