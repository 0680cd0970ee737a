"""Frozen dataclasses to JSON and back, and their JSON Schema, from the type hints alone.

Understood: `str int float bool None`, `X | None`, `tuple[X, ...]`, `Mapping[str, X]`, `Any`
(plain JSON), `StrEnum`-like enums, dataclasses, and unions of dataclasses that each define
a class variable `TAG` (written as the key `"is"`). A dataclass whose class variable `ROW`
is true is written as a list in field order, to keep long file tables small.

A field with metadata `VOLATILE` is left out by `to_json(value, volatile=False)`: that form
is what digests are made of.
"""

from __future__ import annotations

import dataclasses
import functools
import hashlib
import json
import types
import typing
from collections.abc import Callable, Mapping
from enum import Enum
from typing import Any, TypeVar

from ..errors import ContainerizeError

T = TypeVar("T")

#: Put into `field(metadata=VOLATILE)` for what must not change a digest (times, host).
VOLATILE: Mapping[str, bool] = {"volatile": True}


def to_json(value: Any, *, volatile: bool = True) -> Any:
    """Return `value` as plain JSON data; without volatile fields if `volatile` is false."""
    kind: Any = type(value)
    return _encoder(kind)(value, volatile)


def from_json(kind: type[T], data: Any) -> T:
    """Parse plain JSON `data` into a `kind`.

    Unknown keys are ignored and missing keys take the field's default, so that a reader
    tolerates small additions. Errors: `ContainerizeError("bad-format")`.
    """
    try:
        hint: Any = kind
        result: T = _decoder(hint)(data)
    except (KeyError, TypeError, ValueError, IndexError, AttributeError) as error:
        raise ContainerizeError(
            "bad-format",
            what=f"This is not a {kind.__name__} as this version writes it.",
            why=f"{type(error).__name__}: {error}",
            fix="Build again, or use the version of jupyter-containerize that wrote it.",
        ) from error
    return result


def dumps(data: Any) -> bytes:
    """Return plain JSON data in one canonical form (sorted keys, no spaces, ASCII)."""
    return json.dumps(data, sort_keys=True, separators=(",", ":"), ensure_ascii=True).encode()


def digest_of(value: Any) -> str:
    """Return `sha256:<hex>` of the canonical, non-volatile JSON of `value`."""
    return "sha256:" + hashlib.sha256(dumps(to_json(value, volatile=False))).hexdigest()


# -- encoding ---------------------------------------------------------------------------


@functools.cache
def _encoder(kind: Any) -> Callable[[Any, bool], Any]:
    if dataclasses.is_dataclass(kind):
        names = [f.name for f in dataclasses.fields(kind)]
        stable = [f.name for f in dataclasses.fields(kind) if not f.metadata.get("volatile")]
        tag = getattr(kind, "TAG", None)
        row = getattr(kind, "ROW", False)

        def encode_dataclass(value: Any, volatile: bool) -> Any:
            chosen = names if volatile else stable
            if row:
                return [_encode(getattr(value, name), volatile) for name in chosen]
            data = {name: _encode(getattr(value, name), volatile) for name in chosen}
            if tag is not None:
                data["is"] = tag
            return data

        return encode_dataclass
    if issubclass(kind, Enum):
        return lambda value, _: value.value
    if issubclass(kind, (tuple, list)):
        return lambda value, volatile: [_encode(item, volatile) for item in value]
    if issubclass(kind, Mapping):
        return lambda value, volatile: {
            str(key): _encode(item, volatile) for key, item in value.items()
        }
    return lambda value, _: value


def _encode(value: Any, volatile: bool) -> Any:
    kind: Any = type(value)
    if kind is str or kind is int or value is None or kind is bool or kind is float:
        return value
    return _encoder(kind)(value, volatile)


# -- decoding ---------------------------------------------------------------------------


@functools.cache
def _decoder(hint: Any) -> Callable[[Any], Any]:  # noqa: PLR0911 - one return per kind of type
    origin = typing.get_origin(hint)
    args = typing.get_args(hint)
    if hint is Any:
        return lambda data: data
    if origin in (typing.Union, types.UnionType):
        return _union_decoder(args)
    if origin is tuple:
        item = _decoder(args[0])
        return lambda data: tuple([item(entry) for entry in data])
    if origin is not None and issubclass(origin, Mapping):
        item = _decoder(args[1])
        return lambda data: {key: item(entry) for key, entry in data.items()}
    if dataclasses.is_dataclass(hint):
        return _dataclass_decoder(hint)
    if isinstance(hint, type) and issubclass(hint, Enum):
        return hint
    return _scalar_decoder(hint)


def _scalar_decoder(hint: Any) -> Callable[[Any], Any]:
    allowed = (int, float) if hint is float else (hint,)

    def decode(data: Any) -> Any:
        if not isinstance(data, allowed) or (isinstance(data, bool) and hint is not bool):
            raise TypeError(f"expected {hint.__name__}, found {type(data).__name__}")
        return data

    return decode


def _union_decoder(args: tuple[Any, ...]) -> Callable[[Any], Any]:
    members = [arg for arg in args if arg is not type(None)]
    if len(members) == 1:
        inner = _decoder(members[0])
        return lambda data: None if data is None else inner(data)
    by_tag = {member.TAG: _decoder(member) for member in members}
    return lambda data: by_tag[data["is"]](data)


def _dataclass_decoder(kind: Any) -> Callable[[Any], Any]:
    hints = typing.get_type_hints(kind)
    fields = dataclasses.fields(kind)
    decoders = [(field.name, _decoder(hints[field.name])) for field in fields]
    if getattr(kind, "ROW", False):
        plain = [decode for _, decode in decoders]
        return lambda data: kind(*[decode(item) for decode, item in zip(plain, data, strict=True)])

    def decode_dataclass(data: Any) -> Any:
        return kind(**{name: decode(data[name]) for name, decode in decoders if name in data})

    return decode_dataclass


# -- schema -----------------------------------------------------------------------------


def schema(kind: type) -> dict[str, Any]:
    """Return the JSON Schema (draft 2020-12) of a dataclass as `to_json` writes it."""
    definitions: dict[str, Any] = {}
    root = _schema(kind, definitions)
    return {
        "$schema": "https://json-schema.org/draft/2020-12/schema",
        "title": kind.__name__,
        **root,
        "$defs": dict(sorted(definitions.items())),
    }


_SCALARS = {str: "string", int: "integer", float: "number", bool: "boolean"}


def _schema(hint: Any, definitions: dict[str, Any]) -> dict[str, Any]:  # noqa: PLR0911
    origin = typing.get_origin(hint)
    args = typing.get_args(hint)
    if hint is Any:
        return {}
    if hint is type(None):
        return {"type": "null"}
    if hint in _SCALARS:
        return {"type": _SCALARS[hint]}
    if origin in (typing.Union, types.UnionType):
        return {"anyOf": [_schema(arg, definitions) for arg in args]}
    if origin is tuple:
        return {"type": "array", "items": _schema(args[0], definitions)}
    if origin is not None and issubclass(origin, Mapping):
        return {"type": "object", "additionalProperties": _schema(args[1], definitions)}
    if issubclass(hint, Enum):
        return {"enum": [member.value for member in hint]}
    return _dataclass_schema(hint, definitions)


def _dataclass_schema(kind: Any, definitions: dict[str, Any]) -> dict[str, Any]:
    reference = {"$ref": f"#/$defs/{kind.__name__}"}
    if kind.__name__ in definitions:
        return reference
    definitions[kind.__name__] = {}
    hints = typing.get_type_hints(kind)
    fields = {f.name: _schema(hints[f.name], definitions) for f in dataclasses.fields(kind)}
    first_line = (kind.__doc__ or "").strip().splitlines()[0]
    if getattr(kind, "ROW", False):
        body: dict[str, Any] = {
            "type": "array",
            "prefixItems": [{"title": name, **value} for name, value in fields.items()],
            "items": False,
        }
    else:
        if hasattr(kind, "TAG"):
            fields["is"] = {"const": kind.TAG}
        body = {"type": "object", "properties": fields, "required": list(fields)}
    definitions[kind.__name__] = {"description": first_line, **body}
    return reference
