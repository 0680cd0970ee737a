"""The fields of a signature: names, V2 data types and shapes, from values as kernels have them.

Source of the types: Open Inference Protocol V2, "Tensor Data Types"; `JSON` is ours, for
values of any shape. numpy and pandas are never imported here, only met.
"""

from __future__ import annotations

import sys
from typing import Any

_OF_KIND = {
    **{("i", size): f"INT{8 * size}" for size in (1, 2, 4, 8)},
    **{("u", size): f"UINT{8 * size}" for size in (1, 2, 4, 8)},
    **{("f", size): f"FP{8 * size}" for size in (2, 4, 8)},
    ("b", 1): "BOOL",
}
NUMPY_NAMES = {
    "BOOL": "bool",
    **{f"INT{bits}": f"int{bits}" for bits in (8, 16, 32, 64)},
    **{f"UINT{bits}": f"uint{bits}" for bits in (8, 16, 32, 64)},
    **{f"FP{bits}": f"float{bits}" for bits in (16, 32, 64)},
}
FLOATS = frozenset({"FP16", "FP32", "FP64"})


def field(
    name: str,
    dtype: str,
    shape: Any,
    *,
    optional: bool = False,
    categories: list[Any] | None = None,
    form: str = "",
) -> dict[str, Any]:
    """Return one input or output of a signature; `form` is `base64` for BYTES that are no text."""
    made = {
        "name": str(name),
        "dtype": dtype,
        "shape": [-1 if side is None else int(side) for side in shape],
        "optional": optional,
        "categories": categories,
    }
    return {**made, "format": form} if form else made


def dtype_of(array: Any) -> str:
    """Return the V2 type of a numpy array (or numpy dtype); BYTES for text, bytes and objects."""
    dtype = getattr(array, "dtype", array)
    return _OF_KIND.get((getattr(dtype, "kind", ""), getattr(dtype, "itemsize", 0)), "BYTES")


def of_array(name: str, array: Any, *, rows: bool = True) -> dict[str, Any]:
    """Return the field of a numpy array; with `rows` its first axis may have any length."""
    shape = list(array.shape)
    if rows and shape:
        shape[0] = -1
    dtype = dtype_of(array)
    form = ""
    first = array.reshape(-1)[0] if dtype == "BYTES" and array.size else ""
    if isinstance(first, bytes):
        form = "base64"
    elif isinstance(first, (dict, list, tuple, set)):
        dtype = "JSON"
    return field(name, dtype, shape, form=form)


def of_series(name: str, series: Any) -> dict[str, Any]:
    """Return the field of a pandas column: its type, its categories, whether values may be missing."""
    kind = str(series.dtype)
    missing = bool(series.isna().any())
    if kind == "category":
        categories = [_plain(one) for one in series.cat.categories]
        return field(name, _of_plain(categories), [-1], optional=missing, categories=categories)
    numpy_dtype = getattr(series.dtype, "numpy_dtype", series.dtype)
    return field(name, dtype_of(numpy_dtype), [-1], optional=missing)


def _plain(value: Any) -> Any:
    return value.item() if hasattr(value, "item") else value


def _of_plain(values: list[Any]) -> str:
    if values and all(isinstance(one, bool) for one in values):
        return "BOOL"
    if values and all(isinstance(one, int) for one in values):
        return "INT64"
    if values and all(isinstance(one, (int, float)) for one in values):
        return "FP64"
    return "BYTES"


def is_missing(value: Any) -> bool:
    """Tell whether it is None or NaN, which alone differs from itself."""
    return value is None or bool(value != value)  # noqa: PLR0124 - see above


def is_frame(value: Any) -> bool:
    """Tell whether `value` is a pandas frame, without importing pandas."""
    pandas = sys.modules.get("pandas")
    return pandas is not None and isinstance(value, getattr(pandas, "DataFrame", ()))


def is_series(value: Any) -> bool:
    """Tell whether `value` is a pandas series."""
    pandas = sys.modules.get("pandas")
    return pandas is not None and isinstance(value, getattr(pandas, "Series", ()))


def is_row(value: Any) -> bool:
    """Tell whether `value` is a pandas series whose index are the names of columns."""
    return is_series(value) and len(value) > 0 and all(isinstance(one, str) for one in value.index)


def is_array(value: Any) -> bool:
    """Tell whether `value` is a numpy array or scalar."""
    numpy = sys.modules.get("numpy")
    return numpy is not None and isinstance(value, (numpy.ndarray, numpy.generic))


def columns_of(frame: Any) -> dict[str, Any]:
    """Return a frame's columns as arrays by name: inputs, or outputs, of style `frame`."""
    return {str(name): array_of(frame[name]) for name in frame.columns}


def array_of(series: Any) -> Any:
    """Return a pandas column as an array that fields describe: times as ISO text, text as str."""
    import numpy

    kind = of_series("", series)["dtype"]
    if kind != "BYTES":
        if series.isna().any() and kind not in FLOATS:
            return numpy.array([None if missing else _plain(v) for v, missing in
                                zip(series, series.isna(), strict=True)], dtype=object)  # fmt: skip
        return numpy.asarray(series, dtype=NUMPY_NAMES[kind])
    values = [
        None if missing else _text(v) for v, missing in zip(series, series.isna(), strict=True)
    ]
    made = numpy.empty(len(values), dtype=object)
    made[:] = values
    return made


def _text(value: Any) -> Any:
    if isinstance(value, (str, bytes)):
        return value
    return value.isoformat() if hasattr(value, "isoformat") else str(value)
