"""BYTES on the wire: each element's length as four little-endian bytes, then the element.

Source: the Open Inference Protocol's binary tensor data extension.
"""

from __future__ import annotations

import base64
import contextlib
import importlib
import json
import struct
from collections.abc import Callable
from functools import partial
from typing import Any

from .artifact import Tensor
from .problems import wrong_input

_LENGTH_BYTES = 4


def unpack_bytes(data: memoryview, tensor: Tensor, count: int, where: str) -> list[Any]:
    """Return `count` elements: str, bytes or JSON values as the tensor wants. Errors: `Problem`."""
    found: list[Any] = []
    start = 0
    while start + _LENGTH_BYTES <= len(data):
        (length,) = struct.unpack_from("<I", data, start)
        start += _LENGTH_BYTES
        if start + length > len(data):
            break
        found.append(
            _element(bytes(data[start : start + length]), tensor, f"{where}[{len(found)}]")
        )
        start += length
    else:
        if start == len(data) and len(found) == count:
            return found
    raise wrong_input(
        where,
        f"{count} elements, each behind its length in four bytes",
        f"{len(found)} whole elements in {len(data)} bytes",
    )


def _element(data: bytes, tensor: Tensor, where: str) -> Any:
    if tensor.datatype == "BYTES" and tensor.format == "base64":
        return data
    try:
        text = data.decode()
        return json.loads(text) if tensor.datatype == "JSON" else text
    except ValueError:
        wanted = "JSON text" if tensor.datatype == "JSON" else "UTF-8 text"
        raise wrong_input(where, wanted, f"{len(data)} other bytes") from None


def pack_bytes(values: list[Any], tensor: Tensor) -> bytes:
    """Return elements as they go over the wire."""
    parts: list[bytes] = []
    for value in values:
        if tensor.datatype == "JSON":
            data = dumps(value)
        elif isinstance(value, bytes):
            data = value
        else:
            data = ("" if value is None else str(value)).encode(errors="replace")
        parts += (struct.pack("<I", len(data)), data)
    return b"".join(parts)


def as_text(value: Any, tensor: Tensor) -> Any:
    """Return an element of a BYTES or JSON tensor as it stands in JSON data of the protocol."""
    if tensor.datatype == "JSON":
        return dumps(value).decode()
    return readable(value, tensor)


def readable(value: Any, tensor: Tensor) -> Any:
    """Return an element as it stands in JSON for people: base64 for bytes."""
    if isinstance(value, bytes):
        if tensor.format == "base64":
            return base64.b64encode(value).decode("ascii")
        return value.decode(errors="replace")
    return value


def _plain(value: Any) -> Any:
    """Return what JSON can hold for a value that it cannot hold as it is."""
    if hasattr(value, "tolist"):
        return value.tolist()
    if hasattr(value, "isoformat"):
        return value.isoformat()
    if isinstance(value, (bytes, bytearray)):
        return base64.b64encode(value).decode("ascii")
    if isinstance(value, (set, frozenset)):
        return list(value)
    raise TypeError(f"{type(value).__name__} has no form in JSON")


_encode = json.JSONEncoder(
    separators=(",", ":"), allow_nan=False, check_circular=False, default=_plain
).encode


_quick_dumps: Callable[[Any], bytes] | None = None


def accelerate() -> Callable[[Any], Any] | None:
    """Write JSON by orjson from now on if it is here; return its parser, else None."""
    global _quick_dumps  # noqa: PLW0603 - known only once the image's packages can be found
    try:
        orjson: Any = importlib.import_module("orjson")
    except ImportError:
        return None
    _quick_dumps = partial(orjson.dumps, default=_plain, option=orjson.OPT_NON_STR_KEYS)
    loads: Callable[[Any], Any] = orjson.loads
    return loads


def dumps(value: Any) -> bytes:
    """Return JSON text; NaN and infinity, which JSON lacks, become null."""
    if _quick_dumps is not None:
        with contextlib.suppress(TypeError):  # numbers of more than 64 bits, halves of characters
            return _quick_dumps(value)
    try:
        return _encode(value).encode()
    except ValueError:
        return _encode(_finite(value)).encode()


def _finite(value: Any) -> Any:
    if isinstance(value, float):
        return value if value - value == 0 else None
    if isinstance(value, dict):
        return {key: _finite(one) for key, one in value.items()}
    if isinstance(value, (list, tuple)):
        return [_finite(one) for one in value]
    if hasattr(value, "tolist"):
        return _finite(value.tolist())
    return value
