"""Tensors as numpy arrays: fast where all is well, slow where a client must be told what is not."""

from __future__ import annotations

import math
from collections.abc import Iterable
from itertools import chain
from typing import Any

from .artifact import Tensor
from .buffers import Buffers
from .plain_tensors import PlainTensors
from .problems import wrong_input
from .values import FLOATS, INTEGERS, bad_count, checked, flattened
from .wire import pack_bytes, unpack_bytes

_NAMES = {
    "BOOL": "?", "INT8": "i1", "INT16": "<i2", "INT32": "<i4", "INT64": "<i8", "UINT8": "u1",
    "UINT16": "<u2", "UINT32": "<u4", "UINT64": "<u8", "FP16": "<f2", "FP32": "<f4", "FP64": "<f8",
}  # fmt: skip


class NumpyTensors(PlainTensors):
    """What the service does with tensors, in arrays; `numpy` is the module."""

    def __init__(self, numpy: Any) -> None:
        self._np = numpy
        self._dtypes = {name: numpy.dtype(code) for name, code in _NAMES.items()}
        self._buffers = Buffers(lambda size: numpy.empty(size, numpy.uint8))
        self._names = {dtype: name for name, dtype in self._dtypes.items()}

    def is_list(self, value: Any) -> bool:
        """Whether a JSON value is a list, or an array that stands for one."""
        return isinstance(value, (list, self._np.ndarray))

    def allocate(self, size_bytes: int) -> memoryview:
        """Return writable memory."""
        return self._buffers.get(size_bytes)

    def _dtype_in(self, tensor: Tensor) -> Any:
        if tensor.optional and tensor.datatype not in FLOATS:
            return self._np.dtype(object)  # it may hold None
        return self._dtypes.get(tensor.datatype, self._np.dtype(object))

    def parse(self, data: Any, tensor: Tensor, shape: tuple[int, ...], where: str) -> Any:
        """Return an array of nested JSON data (a plain value for shape []). Errors: `Problem`."""
        if shape and tensor.datatype in self._dtypes:
            array = self._quickly(data, tensor)
            if array is not None and _fits(array.shape, shape):
                return array
        values = checked(data, tensor, shape, where)
        return self._array(values, tensor, shape) if shape else values

    def _quickly(self, data: Any, tensor: Tensor) -> Any:
        """Return an array of numbers that surely are the tensor's, else None."""
        try:
            array = self._np.asarray(data)
        except ValueError:  # ragged
            return None
        kind = array.dtype.kind
        if tensor.datatype == "BOOL":
            return array if kind == "b" and not tensor.optional else None
        if kind not in "fiu" or self._has_booleans(data, array.ndim):
            return None  # among numbers numpy takes true and false for 1 and 0
        if tensor.datatype in FLOATS:
            return self._rounded(array, self._dtypes[tensor.datatype])
        if kind in "iu" and not tensor.optional and array.size:
            low, high = INTEGERS[tensor.datatype]
            if int(array.min()) >= low and int(array.max()) <= high:
                return array.astype(self._dtypes[tensor.datatype], copy=False)
        return None

    def _rounded(self, array: Any, dtype: Any) -> Any:
        """Return numbers as floats of `dtype`, None if some are too large for it."""
        if array.dtype == dtype:
            return array
        with self._np.errstate(over="ignore"):
            cast = array.astype(dtype)
        return cast if dtype.itemsize == 8 or self._np.isfinite(cast).all() else None  # noqa: PLR2004

    def _has_booleans(self, data: Any, depth: int) -> bool:
        """Whether there are any in lists nested `depth` deep everywhere; arrays hold none."""
        leaves: Iterable[Any] = [data]
        for _ in range(depth):
            if isinstance(data, self._np.ndarray):
                leaves = (one for one in leaves if not isinstance(one, self._np.ndarray))
            leaves = chain.from_iterable(leaves)  # no copy of so many
            data = data[0] if len(data) else ()
        return bool in set(map(type, leaves))

    def _array(self, values: Any, tensor: Tensor, shape: tuple[int, ...]) -> Any:
        if tensor.datatype == "JSON":
            array = self._np.empty(len(values), object)
            for place, value in enumerate(values):
                array[place] = value
            return array
        array = self._np.array(values, self._dtype_in(tensor))
        if array.ndim != len(shape):  # no elements: the inner axes are not to be seen
            array = array.reshape((0, *(max(size, 0) for size in shape[1:])))
        return array

    def parse_flat(self, data: Any, tensor: Tensor, shape: tuple[int, ...], where: str) -> Any:
        """Return an array of JSON data, flat or nested, that has as many elements as `shape`."""
        count = math.prod(shape)
        if tensor.datatype in self._dtypes:
            array = self._quickly(data, tensor)
            if array is not None and array.size == count:
                return array.reshape(shape)
        leaves = flattened(data)
        if len(leaves) != count:
            raise bad_count(where, shape, count, f"{len(leaves)}")
        return self._array(checked(leaves, tensor, (count,), where), tensor, (count,)).reshape(
            shape
        )

    def parse_binary(
        self, data: memoryview, tensor: Tensor, shape: tuple[int, ...], where: str
    ) -> Any:
        """Return an array over little-endian bytes, not copied. Errors: `Problem`."""
        count = math.prod(shape)
        dtype = self._dtypes.get(tensor.datatype)
        if dtype is None:
            values = unpack_bytes(data, tensor, count, where)
            return self._array(values, tensor, (count,)).reshape(shape)
        if len(data) != count * dtype.itemsize:
            wanted = f"{count * dtype.itemsize} bytes for shape {list(shape)}"
            raise wrong_input(where, wanted, f"{len(data)}")
        array = self._np.frombuffer(data, dtype).reshape(shape)
        if tensor.datatype == "BOOL" and count and array.view(self._np.uint8).max() > 1:
            raise wrong_input(where, "bytes of 0 or 1", "others")
        own = self._dtype_in(tensor)
        return array if own == dtype else array.astype(own)

    def missing(self, tensor: Tensor, rows: int) -> Any:
        """Return a column without any value."""
        missing = float("nan") if tensor.datatype in FLOATS else None
        return self._np.full(rows, missing, self._dtype_in(tensor))

    def result(self, value: Any, tensor: Tensor) -> Any:
        """Return what the model returned as an array of the signature's datatype.

        JSON values stay what they are; a number may not lose its value on the way.
        """
        if tensor.datatype == "JSON":
            return value
        array = self._np.asarray(value)
        if tensor.datatype == "BYTES":
            return array if array.dtype == object else array.astype(object)
        dtype = self._dtypes[tensor.datatype]
        return array if array.dtype == dtype else array.astype(dtype)

    def shape(self, value: Any) -> tuple[int, ...]:
        """Return a tensor's shape."""
        if isinstance(value, self._np.ndarray):
            return tuple(value.shape)
        return (len(value),) if isinstance(value, list) else ()

    def join(self, parts: list[Any]) -> Any:
        """Return tensors one behind another along the first axis."""
        return self._np.concatenate(parts)

    def nested(self, value: Any) -> Any:
        """Return a tensor as nested lists, or a JSON value as it is."""
        return value.tolist() if isinstance(value, self._np.ndarray) else value

    def flat(self, value: Any) -> list[Any]:
        """Return a tensor's elements."""
        if isinstance(value, self._np.ndarray):
            return list(value.reshape(-1).tolist())
        return value if isinstance(value, list) else [value]

    def binary(self, value: Any, tensor: Tensor) -> Any:
        """Return a tensor as little-endian bytes, not copied where it need not be."""
        if tensor.wire_datatype == "BYTES":
            return pack_bytes(self.flat(value), tensor)
        array = self._np.ascontiguousarray(value, self._dtypes[tensor.datatype])
        return memoryview(array.reshape(-1).view(self._np.uint8))

    def datatype(self, value: Any) -> str:
        """Return the datatype that fits a value the signature says nothing of."""
        dtype = getattr(value, "dtype", None)
        if dtype is None:
            return super().datatype(value)
        if dtype in self._names:
            return self._names[dtype]
        return "BYTES" if dtype.kind in "USO" else "FP64" if dtype.kind == "f" else "JSON"


def _fits(actual: tuple[int, ...], wanted: tuple[int, ...]) -> bool:
    return len(actual) == len(wanted) and all(
        want in (-1, size) for size, want in zip(actual, wanted, strict=True)
    )
