"""Tensors as nested lists, for images without numpy."""

from __future__ import annotations

import math
import struct
from typing import Any

from .artifact import Tensor
from .problems import wrong_input
from .values import FLOATS, bad_count, checked, flattened, leaf_of, refolded
from .wire import pack_bytes, unpack_bytes

#: Datatype to struct's code of one element.
CODES = {
    "BOOL": "?", "INT8": "b", "INT16": "h", "INT32": "i", "INT64": "q", "UINT8": "B",
    "UINT16": "H", "UINT32": "I", "UINT64": "Q", "FP16": "e", "FP32": "f", "FP64": "d",
}  # fmt: skip


class PlainTensors:
    """What the service does with tensors; `NumpyTensors` does the same with arrays."""

    def is_list(self, value: Any) -> bool:
        """Whether a JSON value is a list, however it is held."""
        return isinstance(value, list)

    def allocate(self, size_bytes: int) -> memoryview:
        """Return writable memory."""
        return memoryview(bytearray(size_bytes))

    def parse(self, data: Any, tensor: Tensor, shape: tuple[int, ...], where: str) -> Any:
        """Return a tensor of nested JSON data. Errors: `Problem`."""
        return checked(data, tensor, shape, where)

    def parse_flat(self, data: Any, tensor: Tensor, shape: tuple[int, ...], where: str) -> Any:
        """Return a tensor of JSON data, flat or nested, that has as many elements as `shape`."""
        leaves = flattened(data)
        count = math.prod(shape)
        if len(leaves) != count:
            raise bad_count(where, shape, count, f"{len(leaves)}")
        return refolded(checked(leaves, tensor, (count,), where), shape)

    def parse_binary(
        self, data: memoryview, tensor: Tensor, shape: tuple[int, ...], where: str
    ) -> Any:
        """Return a tensor of little-endian bytes. Errors: `Problem`."""
        count = math.prod(shape)
        if tensor.wire_datatype == "BYTES":
            return refolded(unpack_bytes(data, tensor, count, where), shape)
        code = CODES[tensor.datatype]
        size = struct.calcsize(f"<{code}")
        if len(data) != count * size:
            raise wrong_input(
                where, f"{count * size} bytes for shape {list(shape)}", f"{len(data)}"
            )
        values = struct.unpack(f"<{count}{code}", data)
        leaf = leaf_of(tensor)
        return refolded([leaf(value) for value in values], shape)

    def missing(self, tensor: Tensor, rows: int) -> Any:
        """Return a column without any value."""
        value = float("nan") if tensor.datatype in FLOATS else None
        return [value] * rows

    def result(self, value: Any, tensor: Tensor) -> Any:  # noqa: ARG002 - arrays need the datatype
        """Return what the model returned as a tensor of ours."""
        if hasattr(value, "tolist"):
            return value.tolist()
        return list(value) if isinstance(value, tuple) else value

    def shape(self, value: Any) -> tuple[int, ...]:
        """Return a tensor's shape."""
        shape = []
        while isinstance(value, list):
            shape.append(len(value))
            if not value:
                break
            value = value[0]
        return tuple(shape)

    def join(self, parts: list[Any]) -> Any:
        """Return tensors one behind another along the first axis."""
        return [row for part in parts for row in part]

    def cut(self, value: Any, start: int, stop: int) -> Any:
        """Return rows of a tensor."""
        return value[start:stop]

    def nested(self, value: Any) -> Any:
        """Return a tensor as nested lists."""
        return value

    def flat(self, value: Any) -> list[Any]:
        """Return a tensor's elements."""
        return flattened(value)

    def binary(self, value: Any, tensor: Tensor) -> Any:
        """Return a tensor as little-endian bytes."""
        leaves = flattened(value)
        if tensor.wire_datatype == "BYTES":
            return pack_bytes(leaves, tensor)
        return struct.pack(f"<{len(leaves)}{CODES[tensor.datatype]}", *leaves)

    def datatype(self, value: Any) -> str:
        """Return the datatype that fits a value the signature says nothing of."""
        leaf: Any = next(iter(flattened(value)), 0.0)
        if isinstance(leaf, bool):
            return "BOOL"
        if isinstance(leaf, int):
            return "INT64"
        if isinstance(leaf, float):
            return "FP64"
        return "BYTES" if isinstance(leaf, (str, bytes)) else "JSON"
