"""JSON values checked one by one against the signature: the slow way, which can say what is wrong.

Also the only way where the image has no numpy: tensors are nested lists then.
"""

from __future__ import annotations

import base64
import math
from collections.abc import Callable
from typing import Any

from .artifact import Tensor
from .problems import Problem, shown, wrong_input

#: Integer datatypes to their least and greatest value.
INTEGERS = {
    f"{'U' * unsigned}INT{bits}": (
        (0, 2**bits - 1) if unsigned else (-(2 ** (bits - 1)), 2 ** (bits - 1) - 1)
    )
    for unsigned in (0, 1)
    for bits in (8, 16, 32, 64)
}
#: Float datatypes to the least value that would round to infinity.
FLOATS = {"FP16": 65520.0, "FP32": 3.4028235677973366e38, "FP64": math.inf}
NAN = float("nan")


def checked(data: Any, tensor: Tensor, shape: tuple[int, ...], where: str) -> Any:
    """Return nested lists of the tensor's own values. Errors: `Problem` that names the element."""
    return _Walk(tensor, shape).values(data, 0, where)


class _Walk:
    """Goes through nested lists; where any number will do, all lists side by side have as many."""

    def __init__(self, tensor: Tensor, shape: tuple[int, ...]) -> None:
        self._tensor = tensor
        self._leaf = leaf_of(tensor)
        self._shape = list(shape)

    def values(self, data: Any, depth: int, where: str) -> Any:
        if depth == len(self._shape):
            try:
                return self._leaf(data)
            except ValueError as error:
                raise wrong_input(where, str(error), shown(data)) from None
        size = self._shape[depth]
        if not isinstance(data, list) or size not in (-1, len(data)):
            expected = described(self._tensor, tuple(self._shape[depth:]))
            raise wrong_input(where, expected, shown(data))
        self._shape[depth] = len(data)
        return [self.values(one, depth + 1, f"{where}[{place}]") for place, one in enumerate(data)]


def described(tensor: Tensor, shape: tuple[int, ...]) -> str:
    """Return in words what an input must look like."""
    if not shape:
        return kind_of(tensor)
    sizes = " x ".join("any number" if size < 0 else str(size) for size in shape)
    return f"an array ({sizes}) of {tensor.datatype}"


def kind_of(tensor: Tensor) -> str:
    """Return in words what one element must be."""
    datatype = tensor.datatype
    if datatype == "JSON":
        kind = "any JSON value"
    elif datatype == "BOOL":
        kind = "true or false"
    elif datatype == "BYTES":
        kind = "a string" if tensor.format == "text" else "a string of base64"
    elif datatype in INTEGERS:
        low, high = INTEGERS[datatype]
        kind = f"a whole number from {low} to {high} ({datatype})"
    else:
        kind = f"a number ({datatype})"
    return f"{kind} or null" if tensor.optional and datatype != "JSON" else kind


def leaf_of(tensor: Tensor) -> Callable[[Any], Any]:
    """Return the function that checks and converts one element; it raises ValueError(expected)."""
    datatype, expected = tensor.datatype, kind_of(tensor)

    def boolean(value: Any) -> Any:
        if isinstance(value, bool):
            return value
        raise ValueError(expected)

    def integer(value: Any) -> Any:
        low, high = INTEGERS[datatype]
        if isinstance(value, float) and value.is_integer():
            value = int(value)
        if isinstance(value, int) and not isinstance(value, bool) and low <= value <= high:
            return value
        raise ValueError(expected)

    def number(value: Any) -> Any:
        if isinstance(value, bool) or not isinstance(value, (int, float)):
            raise ValueError(expected)  # noqa: TRY004 - one kind of error for the caller
        try:
            value = float(value)
        except OverflowError:
            raise ValueError(expected) from None
        if abs(value) >= FLOATS[datatype] and not math.isinf(value):
            raise ValueError(f"{expected} below {FLOATS[datatype]:g}")
        return value

    def text(value: Any) -> Any:
        if isinstance(value, str):
            return value
        raise ValueError(expected)

    def raw(value: Any) -> Any:
        if isinstance(value, str):
            try:
                return base64.b64decode(value, validate=True)
            except ValueError:
                pass
        raise ValueError(expected)

    if datatype == "JSON":
        return lambda value: value
    plain: Callable[[Any], Any]
    missing: float | None = None
    if datatype in INTEGERS:
        plain = integer
    elif datatype in FLOATS:
        plain, missing = number, NAN
    else:
        plain = boolean if datatype == "BOOL" else text if tensor.format == "text" else raw
    if tensor.optional:
        return lambda value: missing if value is None else plain(value)
    return plain


def flattened(data: Any) -> list[Any]:
    """Return the elements of nested lists, the last axis fastest."""
    if not isinstance(data, list):
        return [data]
    if not any(isinstance(one, list) for one in data):
        return data
    return [leaf for one in data for leaf in flattened(one)]


def refolded(flat: list[Any], shape: tuple[int, ...]) -> Any:
    """Return a flat list as nested lists of `shape`, which has as many elements."""
    if not shape:
        return flat[0]
    if len(shape) == 1:
        return flat
    step = math.prod(shape[1:])
    return [
        refolded(flat[start * step : (start + 1) * step], shape[1:]) for start in range(shape[0])
    ]


def check_shape(
    actual: tuple[int, ...], tensor: Tensor, wanted: tuple[int, ...], where: str
) -> None:
    """Raise `Problem` if an announced shape does not fit the signature's."""
    if len(actual) == len(wanted) and all(
        want in (-1, size) for want, size in zip(wanted, actual, strict=True)
    ):
        return
    raise wrong_input(f"{where}.shape", f"{list(wanted)} of {tensor.name}", str(list(actual)))


def bad_count(where: str, shape: tuple[int, ...], wanted: int, got: str) -> Problem:
    """Return the problem of data that is not as long as its shape says."""
    return wrong_input(where, f"{wanted} elements for shape {list(shape)}", got)
