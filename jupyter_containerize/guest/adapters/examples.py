"""Questions to a model: bodies of POST /predict from named arrays, and inputs made up for a signature."""

from __future__ import annotations

import base64
import math
from typing import Any

from . import fields, schemas

_ROWS = 8
_NUMBERS = (0.0, 1.0, -1.0, 0.5, 2.0, -3.25, 10.0, 100.0)
_WHOLE = (0, 1, 2, 3, 5, 7, 10, 100)
_TEXTS = ("", "a", "Hello, world.", "42", "ünïcödé", "two words", "x" * 40, "\n")
#: What no training data had.
UNSEEN = "never seen before"


def body_of(inputs: dict[str, Any], signature: dict[str, Any]) -> dict[str, Any]:
    """Return the body that asks for `inputs`: rows for a frame, named values otherwise."""
    forms = {one["name"]: one.get("format", "text") for one in signature["inputs"]}
    values = {name: plain(value) for name, value in inputs.items()}
    if signature["style"] == "frame":
        return {"rows": rows_of(values)}
    del forms
    return {"inputs": values}


def answer_of(outputs: dict[str, Any], signature: dict[str, Any]) -> dict[str, Any]:
    """Return the answer to such a body, in the same form."""
    values = {name: plain(value) for name, value in outputs.items()}
    return {"rows": rows_of(values)} if signature["style"] == "frame" else {"outputs": values}


def rows_of(columns: dict[str, list[Any]]) -> list[dict[str, Any]]:
    """Return columns of one length as rows."""
    count = max((len(values) for values in columns.values()), default=0)
    return [{name: values[at] for name, values in columns.items()} for at in range(count)]


def plain(value: Any) -> Any:
    """Return a value as JSON has it: lists, numbers, text; bytes in base64, NaN as null."""
    if hasattr(value, "tolist"):
        value = value.tolist()
    if isinstance(value, dict):
        return {str(key): plain(one) for key, one in value.items()}
    if isinstance(value, (list, tuple, set, frozenset)):
        return [plain(one) for one in value]
    if isinstance(value, bytes):
        return base64.b64encode(value).decode("ascii")
    if isinstance(value, float) and not math.isfinite(value):
        return None
    if value is None or isinstance(value, (bool, int, float, str)):
        return value
    return str(value)


def generate(signature: dict[str, Any]) -> list[dict[str, Any]]:
    """Return inputs over the signature's domain: edge values, missing ones, unseen categories.

    For styles with rows, a typical batch comes first, then single rows with what is unusual; a
    model may refuse those, and then they ask nothing.
    """
    inputs = signature["inputs"]
    if signature["style"] == "arguments":
        return [{one["name"]: _argument(one, at) for one in inputs} for at in range(_ROWS)]
    made = [{one["name"]: _column(one, _ROWS) for one in inputs}]
    made.append({one["name"]: _least(one) for one in inputs})
    for one in inputs:
        made += [{**_first_row(made[0]), one["name"]: odd} for odd in _unusual(one)]
    return made


def _first_row(batch: dict[str, Any]) -> dict[str, Any]:
    return {name: array[:1] for name, array in batch.items()}


def _column(field: dict[str, Any], rows: int) -> Any:
    """Return `rows` usual values, of the field's shape."""
    import numpy

    shape = [rows, *(3 if side < 0 else side for side in field["shape"][1:])]
    count = math.prod(shape)
    choices = field["categories"] or _values(field)
    if field["categories"]:
        values = [choices[at % len(choices)] for at in range(count)]
    elif field["dtype"] in fields.FLOATS:
        values = numpy.random.default_rng(0).normal(size=count).tolist()
        values[: len(_NUMBERS)] = _NUMBERS[: min(count, len(_NUMBERS))]
    else:
        values = [choices[at % len(choices)] for at in range(count)]
    return _array(values[:count], field).reshape(shape)


def _least(field: dict[str, Any]) -> Any:
    """Return one row of what a model refuses least: its first category, zeros, no text."""
    shape = [1, *(3 if side < 0 else side for side in field["shape"][1:])]
    first = (field["categories"] or _values(field))[0]
    return _array([first] * math.prod(shape), field).reshape(shape)


def _array(values: list[Any], field: dict[str, Any]) -> Any:
    import numpy

    name = fields.NUMPY_NAMES.get(field["dtype"])
    if name is not None and None not in values:
        return numpy.array(values, dtype=name)
    made = numpy.empty(len(values), dtype=object)
    made[:] = values
    return made


def _values(field: dict[str, Any]) -> tuple[Any, ...]:
    dtype = field["dtype"]
    if dtype in fields.FLOATS:
        return _NUMBERS
    if dtype == "BOOL":
        return (True, False)
    if dtype == "BYTES":
        texts = [text.encode() for text in _TEXTS] if field.get("format") == "base64" else _TEXTS
        return tuple(texts)
    return _WHOLE


def _unusual(field: dict[str, Any]) -> list[Any]:
    """Return single rows with values that training data may not have had."""
    if len(field["shape"]) != 1:
        return []
    odd: list[Any] = []
    if field["categories"] and field["dtype"] == "BYTES":
        odd.append(UNSEEN)
    if field["optional"]:
        odd.append(float("nan") if field["dtype"] in fields.FLOATS else None)
    if field["dtype"] in fields.FLOATS and not field["categories"]:
        odd += [-1e6, 1e6]
    return [_array([one], field) for one in odd]


def _argument(field: dict[str, Any], at: int) -> Any:
    if field["dtype"] == "JSON":
        known = schemas.samples(field.get("schema") or {})
        return known[at % len(known)] if known else None
    if field["shape"]:
        return _column({**field, "shape": field["shape"]}, 3)
    choices = field["categories"] or _values(field)
    return choices[at % len(choices)]


def read_body(body: dict[str, Any], signature: dict[str, Any]) -> dict[str, Any]:
    """Return the named inputs that a body means; the body is one of ours, so it fits."""
    by_name = {one["name"]: one for one in signature["inputs"]}
    if "rows" in body:
        rows = body["rows"]
        values = {name: [row.get(name) for row in rows] for name in by_name}
    else:
        values = {name: one for name, one in body["inputs"].items() if name in by_name}
    if signature["style"] == "arguments":
        return {name: _argument_of(one, by_name[name]) for name, one in values.items()}
    return {name: _array_of(one, by_name[name]) for name, one in values.items()}


def _argument_of(value: Any, field: dict[str, Any]) -> Any:
    if field["dtype"] == "JSON":
        return value
    if field["shape"]:
        return _array_of(value, field)
    if field.get("format") == "base64" and value is not None:
        return base64.b64decode(value)
    return value


def _array_of(values: Any, field: dict[str, Any]) -> Any:
    """Return nested lists as an array of the field's type; null is NaN, or None where there is none."""
    import numpy

    dtype = field["dtype"]
    if dtype in fields.FLOATS:
        return numpy.array(_nan_for_null(values), dtype=fields.NUMPY_NAMES[dtype])
    if dtype == "JSON":  # a dict or list is one value
        return _array(values, field)
    made = numpy.array(values, dtype=object)
    if field.get("format") == "base64":
        flat = [None if one is None else base64.b64decode(one) for one in made.reshape(-1)]
        made.reshape(-1)[:] = flat
    name = fields.NUMPY_NAMES.get(dtype)
    return made if name is None or (made == None).any() else made.astype(name)  # noqa: E711 - by element


def _nan_for_null(values: Any) -> Any:
    if isinstance(values, list):
        return [_nan_for_null(one) for one in values]
    return math.nan if values is None else values
