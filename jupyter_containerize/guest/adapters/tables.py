"""Rows for estimators: what a model was fitted on (a frame, a matrix, texts) from named arrays."""

from __future__ import annotations

from collections.abc import Callable
from typing import Any

from . import fields
from .problem import CannotServe

#: The name of the one input of a model without column names.
MATRIX = "x"


def describe(example: Any) -> dict[str, Any]:
    """Return `style`, `inputs` and `data` for an example of what the model takes.

    A frame, a series or dict (one row), a matrix, a list of texts, or a list of rows.
    Errors: `bad-example`.
    """
    if fields.is_row(example) or isinstance(example, dict):
        example = framed(example)
    if fields.is_frame(example):
        columns = [
            {"name": _label(name), "type": str(example[name].dtype)} for name in example.columns
        ]
        inputs = [fields.of_series(str(name), example[name]) for name in example.columns]
        return {"style": "frame", "inputs": inputs, "data": {"rows": "frame", "columns": columns}}
    array = as_array(example)
    kind = "list" if array.ndim == 1 else "matrix"
    return {
        "style": "tensors",
        "inputs": [fields.of_array(MATRIX, array)],
        "data": {"rows": kind, "type": str(array.dtype)},
    }


def framed(example: Any) -> Any:
    """Return what has names as a frame: a series or a dict is one row, a list of dicts are rows."""
    if fields.is_row(example):
        return example.to_frame().T.infer_objects()
    rows = [example] if isinstance(example, dict) else example
    if not isinstance(rows, list) or not rows or not all(isinstance(one, dict) for one in rows):
        return example
    import pandas

    whole = (
        isinstance(example, dict)
        and bool(example)
        and all(
            isinstance(one, (list, tuple)) or (hasattr(one, "shape") and one.shape)
            for one in example.values()
        )
    )
    return pandas.DataFrame(example if whole else rows)


def fill_in(described: dict[str, Any], frame: Any, told: dict[str, Any]) -> None:
    """Where a frame has nothing but missing values in a column, take what the model tells of it."""
    for at, one in enumerate(described["inputs"]):
        if frame[one["name"]].isna().all():
            place = [column["name"] for column in told["inputs"]].index(one["name"])
            described["inputs"][at] = {**told["inputs"][place], "optional": True}
            described["data"]["columns"][at] = told["data"]["columns"][place]


def inputs_of(example: Any, data: dict[str, Any]) -> dict[str, Any]:
    """Return an example as named arrays, for a model described by `data`. Errors: `bad-example`."""
    if data["rows"] != "frame":
        array = as_array(example)
        if array.ndim == 1 and data["rows"] == "matrix":
            array = array.reshape(1, -1)
        return {MATRIX: array}
    names = [column["name"] for column in data["columns"]]
    example = framed(example)
    if not fields.is_frame(example):
        example = _named(as_array(example), names)
    missing = [str(name) for name in names if name not in list(example.columns)]
    if missing:
        raise bad_example(f"It lacks the columns {', '.join(missing)}.")
    return fields.columns_of(example[names])


class Rows:
    """Makes from named arrays what the model was fitted on."""

    def __init__(self, data: dict[str, Any], inputs: list[dict[str, Any]]) -> None:
        """Take what `describe` returned."""
        self._data = data
        categories = {one["name"]: one.get("categories") for one in inputs}
        self._columns = (
            [(one["name"], _column(one["type"], categories.get(str(one["name"]))))
             for one in data["columns"]]
            if data["rows"] == "frame" else []
        )  # fmt: skip

    def __call__(self, inputs: dict[str, Any]) -> Any:
        """Return a frame, a matrix or a list."""
        if self._data["rows"] == "frame":
            import pandas

            arrays = [(name, column, inputs[str(name)]) for name, column in self._columns]
            index = pandas.RangeIndex(len(arrays[0][2]) if arrays else 0)
            columns = {name: column(values, index) for name, column, values in arrays}
            return pandas.DataFrame(columns, index=index)
        import numpy

        array = numpy.asarray(inputs[MATRIX])
        if self._data["rows"] == "list":
            return array.tolist() if array.dtype == object else array
        return array


def _column(kind: str, categories: list[Any] | None) -> Callable[[Any, Any], Any]:
    """Return what makes of an array and the frame's index a column of type `kind`.

    Arrays and not series wherever possible, and no series with an index of its own: for one row, aligning
    them takes a tenth of what a small pipeline takes.
    """
    import numpy
    import pandas

    if kind == "category":
        known = pandas.CategoricalDtype(categories)
        return lambda values, _: pandas.Categorical.from_codes(
            known.categories.get_indexer(values), dtype=known
        )
    dtype = pandas.api.types.pandas_dtype(kind)
    if kind.startswith("datetime"):
        is_zoned = getattr(dtype, "tz", None) is not None  # its offsets differ: summer, winter
        return lambda values, _: (
            pandas.to_datetime(pandas.Series(values), utc=is_zoned).astype(dtype).array
        )
    if kind.startswith("timedelta"):
        return lambda values, _: pandas.to_timedelta(pandas.Series(values)).astype(dtype).array
    if kind == "object":  # of a bare array pandas would guess the type
        return lambda values, index: pandas.Series(values, index=index, dtype=dtype)
    if not isinstance(dtype, numpy.dtype):
        return lambda values, _: pandas.array(values, dtype=dtype)

    def numbers(values: Any, _: Any) -> Any:
        if values.dtype == dtype or (dtype.kind in "iub" and pandas.isna(values).any()):
            return values
        return values.astype(dtype)

    return numbers


def from_columns(columns: list[dict[str, Any]], inputs: list[dict[str, Any]]) -> dict[str, Any]:
    """Return a description of style `frame` for columns that are known without an example."""
    return {"style": "frame", "inputs": inputs, "data": {"rows": "frame", "columns": columns}}


def matrix(width: int, *, dtype: str = "FP64") -> dict[str, Any]:
    """Return the description of a model that takes `width` numbers a row."""
    data = {"rows": "matrix", "type": fields.NUMPY_NAMES[dtype]}
    inputs = [fields.field(MATRIX, dtype, [-1, width])]
    return {"style": "tensors", "inputs": inputs, "data": data}


def outputs_of(answer: Any, name: str) -> dict[str, Any]:
    """Return what a model answered as named arrays: columns of a frame, parts of a tuple, or one."""
    import numpy

    if fields.is_frame(answer):
        return fields.columns_of(answer)
    if fields.is_series(answer):
        return {name: fields.array_of(answer)}
    if isinstance(answer, (tuple, list)) and answer and hasattr(answer[0], "shape"):
        return {f"{name}_{number}": numpy.asarray(one) for number, one in enumerate(answer)}
    if hasattr(answer, "toarray"):  # scipy's sparse matrices
        answer = answer.toarray()
    array = numpy.asarray(answer)
    return {name: array.astype(object) if array.dtype.kind in "US" else array}


def as_array(value: Any) -> Any:
    """Return rows as an array; texts as objects. Errors: `bad-example`."""
    import numpy

    if hasattr(value, "toarray"):  # scipy's sparse matrices
        value = value.toarray()
    try:
        array = numpy.asarray(value)
    except ValueError as error:
        raise bad_example(f"Its rows are not of one length: {error}.") from error
    if array.dtype.names:
        raise bad_example(
            f"It is a structured array ({', '.join(array.dtype.names)}): give a frame of it, pandas.DataFrame(x)."
        )
    if array.ndim == 0:
        array = array.reshape(1)
    return array.astype(object) if array.dtype.kind in "US" else array


def bad_example(why: str) -> CannotServe:
    """Return the error of an example that the model could not take."""
    return CannotServe(
        "bad-example",
        what="The example does not fit the signature.",
        why=why,
        fix="Give --example what you would give the model itself, such as X_test.head().",
    )


def _named(array: Any, names: list[Any]) -> Any:
    import pandas

    array = array.reshape(1, -1) if array.ndim == 1 else array
    if array.ndim != 2 or array.shape[1] != len(names):  # noqa: PLR2004 - a table has two axes
        raise bad_example(
            f"The model takes {len(names)} columns; the example's shape is {array.shape}."
        )
    return pandas.DataFrame(array, columns=names)


def _label(name: Any) -> Any:
    return name if isinstance(name, (str, int)) and not isinstance(name, bool) else str(name)
