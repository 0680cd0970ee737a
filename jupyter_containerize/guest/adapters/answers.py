"""What functions give, as JSON can hold it: data classes, tuples, sets, dates and the like."""

from __future__ import annotations

import base64
import collections
import dataclasses
import enum
from typing import Any

from . import examples, fields

_PLAIN = frozenset({bool, int, float, str, type(None)})


def jsonable(value: Any) -> Any:
    """Return a value of plain dicts, lists, texts, numbers and arrays. Errors: `TypeError`."""
    if type(value) in _PLAIN or hasattr(value, "tolist"):
        return value
    if isinstance(value, enum.Enum):
        return jsonable(value.value)
    if (named := parts_of(value)) is not None:
        return {str(key): jsonable(one) for key, one in named.items()}
    if isinstance(value, dict):
        return {_key(key): jsonable(one) for key, one in value.items()}
    if isinstance(value, (set, frozenset)):  # their order differs from process to process
        return sorted(map(jsonable, value), key=repr)
    if isinstance(value, (list, tuple, collections.deque)):
        return list(value) if _PLAIN.issuperset(map(type, value)) else [jsonable(v) for v in value]
    return _one(value)


def _one(value: Any) -> Any:
    """Return a value that is no container of Python's own."""
    if isinstance(value, (bytes, bytearray, memoryview)):
        return base64.b64encode(value).decode("ascii")
    if isinstance(value, (bool, int, float, str)):
        return value
    if fields.is_series(value):
        return examples.plain(fields.array_of(value))
    if fields.is_frame(value):
        return examples.rows_of(
            {name: examples.plain(one) for name, one in fields.columns_of(value).items()}
        )
    if hasattr(value, "__array__"):  # tensors of any framework
        return value.__array__()
    if hasattr(value, "isoformat"):
        return value.isoformat()
    kind = type(value)
    if kind.__module__.partition(".")[0] in (
        "decimal",
        "fractions",
        "pathlib",
        "uuid",
        "ipaddress",
    ):
        return str(value)
    raise TypeError(
        f"It gives a {kind.__module__}.{kind.__qualname__}, which has no form in JSON: let it give "
        "numbers, texts, lists and dicts (bytes for a file or an image)."
    )


def parts_of(value: Any) -> dict[str, Any] | None:
    """Return the named parts of a data class's instance, a named tuple or a pydantic model."""
    if isinstance(value, type):
        return None
    if dataclasses.is_dataclass(value):
        return {one.name: getattr(value, one.name) for one in dataclasses.fields(value)}
    if hasattr(value, "_asdict"):
        return dict(value._asdict())
    if hasattr(value, "model_dump") and hasattr(value, "model_fields"):
        return dict(value.model_dump(mode="json"))
    return None


def _key(key: Any) -> str:
    return str(key.value if isinstance(key, enum.Enum) else jsonable(key))
