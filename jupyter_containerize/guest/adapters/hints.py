"""Type hints of a function's arguments: the JSON that callers send, and what the function gets.

A hint becomes a `Kind`: a JSON schema, and what makes the argument of a value that fits it:
lists, dicts, tuples, data classes, named and typed tuples and dicts, enumerations, dates,
pydantic's models, and any nesting of them.
"""

from __future__ import annotations

import base64
import collections.abc
import contextlib
import dataclasses
import datetime
import decimal
import enum
import functools
import inspect
import pathlib
import typing
import uuid
from collections.abc import Callable
from typing import Any, NamedTuple

Schema = dict[str, Any]


class Unfit(Exception):  # noqa: N818 - it reads as what it means
    """A value that does not fit its hint; the service answers it with 422."""

    bad_input = True

    def __init__(self, field: str, expected: str, value: Any) -> None:
        got = shown(value)
        super().__init__(f"{field}: expected {expected}, got {got}.")
        self.field = field
        self.expected = expected
        self.got = got


class Kind(NamedTuple):
    """What callers send, and `make(value, where)`: what the function gets of it. Errors: `Unfit`."""

    schema: Schema
    make: Callable[[Any, str], Any]


def of_function(value: Any) -> dict[str, Any]:
    """Return the hints of a callable's arguments, by their defaults where there are only those."""
    found = {}
    with contextlib.suppress(TypeError, ValueError):
        for one in inspect.signature(value).parameters.values():
            if one.default is not one.empty and one.default is not None:
                found[one.name] = type(one.default)
    try:
        found.update(typing.get_type_hints(bare(value)))
    except Exception:  # names that are gone, or known only where the function was made
        return found
    return found


def bare(value: Any) -> Any:
    """Return the function inside partials, decorators, methods and objects with `__call__`."""
    while True:
        if isinstance(value, functools.partial):
            value = value.func
        elif hasattr(value, "__wrapped__"):
            value = value.__wrapped__
        elif inspect.ismethod(value):
            value = value.__func__
        elif inspect.isroutine(value) or isinstance(value, type):
            return value
        else:
            value = type(value).__call__


def kind_of(hint: Any, within: tuple[Any, ...] = ()) -> Kind | None:
    """Return the kind of a hint; None where only an example can tell what it means.

    `within` are the classes whose parts are being looked at.
    """
    hint = getattr(
        hint, "__supertype__", getattr(hint, "__value__", hint)
    )  # NewType, `type X = ...`
    origin, arguments = typing.get_origin(hint), typing.get_args(hint)
    if hint is Any or hint is object:
        return _ANYTHING
    if hint is type(None) or hint is None:
        return _one_of({None: None})
    if hasattr(hint, "__metadata__"):  # Annotated
        return kind_of(arguments[0], within)
    if origin is typing.Literal:
        return _one_of({one: one for one in arguments})
    if origin is typing.Union or type(hint).__name__ == "UnionType":
        return _any_of([kind_of(one, within) for one in arguments])
    kind = origin or hint
    if not isinstance(kind, type):
        return None
    return _SCALARS[kind] if kind in _SCALARS else _of_class(kind, arguments, within)


def _of_class(kind: Any, arguments: tuple[Any, ...], within: tuple[Any, ...]) -> Kind | None:
    """Return the kind of a class, of which `arguments` tell what is in it."""
    if hasattr(kind, "model_fields") and hasattr(kind, "model_validate"):
        return _pydantic(kind, within)
    if issubclass(kind, enum.Enum):
        return _one_of({one.value: one for one in kind})
    if dataclasses.is_dataclass(kind) or hasattr(kind, "_fields") or hasattr(kind, "__total__"):
        return _record(kind, within)
    if issubclass(kind, tuple) and arguments and arguments[-1] is not Ellipsis:
        return _fixed([kind_of(one, within) for one in arguments])
    if issubclass(kind, collections.abc.Mapping):
        return _mapping(kind_of(arguments[1], within) if len(arguments) > 1 else _ANYTHING)
    if issubclass(kind, collections.abc.Iterable) and kind.__module__ in _LISTS:
        return _list(kind, kind_of(arguments[0], within) if arguments else _ANYTHING)
    return None


_ANYTHING = Kind({}, lambda value, _: value)
_LISTS = ("builtins", "collections.abc", "typing", "collections")


def _scalar(schema: Schema, expected: str, fits: Callable[[Any], bool], make: Any) -> Kind:
    def made(value: Any, where: str) -> Any:
        if not fits(value):
            raise Unfit(where, expected, value)
        try:
            return make(value)
        except (ValueError, ArithmeticError):
            raise Unfit(where, expected, value) from None

    return Kind(schema, made)


def _is_number(value: Any) -> bool:
    return isinstance(value, (int, float)) and not isinstance(value, bool)


def _is_whole(value: Any) -> bool:
    return _is_number(value) and (isinstance(value, int) or value.is_integer())


def _is_text(value: Any) -> bool:
    return isinstance(value, str)


def _of_base64(text: str) -> bytes:
    return base64.b64decode(text, validate=True)


def _text(expected: str, make: Any, **schema: Any) -> Kind:
    return _scalar({"type": "string", **schema}, expected, _is_text, make)


_SCALARS: dict[Any, Kind] = {
    float: _scalar({"type": "number"}, "a number", _is_number, float),
    int: _scalar({"type": "integer"}, "a whole number", _is_whole, int),
    bool: _scalar({"type": "boolean"}, "true or false", lambda v: isinstance(v, bool), bool),
    str: _text("a string", str),
    bytes: _text("a string of base64", _of_base64, contentEncoding="base64"),
    bytearray: _text("a string of base64", lambda v: bytearray(_of_base64(v)), contentEncoding="base64"),
    datetime.datetime: _text("a date with a time, as 2026-11-28T07:30:00", datetime.datetime.fromisoformat, format="date-time"),
    datetime.date: _text("a date, as 2026-11-28", datetime.date.fromisoformat, format="date"),
    datetime.time: _text("a time, as 07:30:00", datetime.time.fromisoformat, format="time"),
    decimal.Decimal: _text("a decimal number as a string", decimal.Decimal, format="decimal"),
    uuid.UUID: _text("a UUID", uuid.UUID, format="uuid"),
    pathlib.Path: _text("a path", pathlib.Path),
}  # fmt: skip


def _one_of(known: dict[Any, Any]) -> Kind:
    expected = f"one of {', '.join(map(repr, known))}"

    def made(value: Any, where: str) -> Any:
        for one, meant in known.items():
            if value == one and isinstance(value, bool) == isinstance(one, bool):
                return meant
        raise Unfit(where, expected, value)

    return Kind({"enum": list(known)}, made)


def _any_of(kinds: list[Kind | None]) -> Kind | None:
    known = [one for one in kinds if one is not None]
    if len(known) < len(kinds):
        return None

    def made(value: Any, where: str) -> Any:
        problem: Unfit | None = None
        for one in known:
            try:
                return one.make(value, where)
            except Unfit as error:  # what came closest is what was meant
                if problem is None or len(error.field) > len(problem.field):
                    problem = error
        raise problem or Unfit(where, "a value", value)

    return Kind({"anyOf": [one.schema for one in known]}, made)


def _list(kind: Any, of: Kind | None) -> Kind | None:
    if of is None:
        return None
    into = kind if kind in (tuple, set, frozenset, collections.deque) else list

    def made(value: Any, where: str) -> Any:
        if not isinstance(value, list):
            raise Unfit(where, "an array", value)
        return into(of.make(one, f"{where}[{at}]") for at, one in enumerate(value))

    return Kind({"type": "array", "items": of.schema}, made)


def _fixed(kinds: list[Kind | None]) -> Kind | None:
    known = [one for one in kinds if one is not None]
    if len(known) < len(kinds):
        return None
    count = len(known)

    def made(value: Any, where: str) -> Any:
        if not isinstance(value, list) or len(value) != count:
            raise Unfit(where, f"an array of {count}", value)
        return tuple(
            of.make(one, f"{where}[{at}]") for at, (of, one) in enumerate(zip(known, value))
        )

    schemas = [one.schema for one in known]
    return Kind(
        {"type": "array", "prefixItems": schemas, "minItems": count, "maxItems": count}, made
    )


def _mapping(of: Kind | None) -> Kind | None:
    if of is None:
        return None

    def made(value: Any, where: str) -> Any:
        if not isinstance(value, dict):
            raise Unfit(where, "an object", value)
        return {key: of.make(one, f"{where}.{key}") for key, one in value.items()}

    return Kind({"type": "object", "additionalProperties": of.schema}, made)


def _record(kind: Any, within: tuple[Any, ...]) -> Kind | None:
    """Return the kind of a data class, a named tuple or a typed dict."""
    if kind in within:  # it holds itself: what is inside is only looked at when it comes
        return Kind({"type": "object"}, lambda value, where: _known(kind).make(value, where))
    try:
        hints = typing.get_type_hints(kind)
    except Exception:
        return None
    if dataclasses.is_dataclass(kind):
        given = [one for one in dataclasses.fields(kind) if one.init]
        missing = dataclasses.MISSING
        required = [
            one.name for one in given if one.default is missing and one.default_factory is missing
        ]
        names = [one.name for one in given]
    elif hasattr(kind, "_fields"):
        names = list(kind._fields)
        required = [name for name in names if name not in getattr(kind, "_field_defaults", {})]
    else:
        names, required = list(hints), sorted(getattr(kind, "__required_keys__", hints))
    kinds = {name: kind_of(hints.get(name, Any), (*within, kind)) for name in names}
    known = {name: one for name, one in kinds.items() if one is not None}
    if len(known) < len(kinds):
        return None

    def made(value: Any, where: str) -> Any:
        _check_names(value, known, required, where)
        return kind(
            **{name: known[name].make(one, f"{where}.{name}") for name, one in value.items()}
        )

    return Kind(_object({name: one.schema for name, one in known.items()}, required), made)


def _known(kind: Any) -> Kind:
    found = kind_of(kind)
    if found is None:
        raise TypeError(f"What {kind.__qualname__} looks like cannot be told from its hints.")
    return found


def _check_names(value: Any, known: dict[str, Kind], required: list[str], where: str) -> None:
    if not isinstance(value, dict):
        raise Unfit(where, f"an object with {', '.join(known)}", value)
    for name in required:
        if name not in value:
            raise Unfit(f"{where}.{name}", "a value", _NOTHING)
    for name in value:
        if name not in known:
            raise Unfit(f"{where}.{name}", f"one of {', '.join(known)}", value[name])


def _pydantic(kind: Any, within: tuple[Any, ...]) -> Kind | None:
    """Return the kind of a pydantic model, which says itself what fits."""
    if kind in within:
        return Kind({"type": "object"}, lambda value, _: value)
    properties, required = {}, []
    for name, field in kind.model_fields.items():
        inner = kind_of(field.annotation, (*within, kind))
        called = field.alias or name
        properties[called] = inner.schema if inner is not None else {}
        if field.is_required():
            required.append(called)

    def made(value: Any, where: str) -> Any:
        try:
            return kind.model_validate(value)
        except ValueError as error:
            first = error.errors()[0] if hasattr(error, "errors") else {"msg": str(error)}
            place = "".join(
                f"[{one}]" if isinstance(one, int) else f".{one}" for one in first.get("loc", ())
            )
            raise Unfit(where + place, first["msg"], first.get("input", value)) from None

    return Kind({**_object(properties, required), "additionalProperties": True}, made)


def _object(properties: Schema, required: list[str]) -> Schema:
    return {
        "type": "object",
        "properties": properties,
        "required": required,
        "additionalProperties": False,
    }


_NOTHING = object()


def shown(value: Any) -> str:
    """Return a JSON value as a client recognises it: its kind, and a short one's text."""
    if value is _NOTHING:
        return "nothing"
    if value is None or isinstance(value, bool):
        return {None: "null", True: "true", False: "false"}[value]
    if isinstance(value, dict):
        return f"an object with {len(value)} member{'s' if len(value) != 1 else ''}"
    if isinstance(value, (list, tuple)):
        return f"an array of {len(value)} element{'s' if len(value) != 1 else ''}"
    return f"{value!r:.60} ({'string' if isinstance(value, str) else 'number'})"
