"""`POST /predict`: JSON rows or inputs in, JSON rows or outputs out."""

from __future__ import annotations

from typing import Any, NamedTuple

from .artifact import Artifact, Tensor
from .model import Model
from .plain_tensors import PlainTensors
from .problems import Problem, shown, wrong_input
from .wire import dumps, readable

_FORM = '{"rows": [...]} or {"inputs": {...}}'


class Asked(NamedTuple):
    """A parsed request: the calls to make, and how the answer must look."""

    calls: list[dict[str, Any]]
    rows: int
    stacked: bool  # one call, whose first axis are the rows
    as_rows: bool
    bare: bool  # rows are values or lists, not objects


def ask(body: Any, artifact: Artifact, tensors: PlainTensors) -> Asked:
    """Return what a body asks for. Errors: `Problem` with field, expected and got."""
    if isinstance(body, list):
        body = {"rows": body}
    if not isinstance(body, dict):
        raise wrong_input("body", _FORM, shown(body))
    unknown = [name for name in body if name not in ("rows", "inputs")]
    if unknown or len(body) != 1:
        got = ", ".join(map(repr, body)) if body else "neither"
        raise wrong_input("body", _FORM, f"an object with {got}")
    if "inputs" in body:
        return _inputs(body["inputs"], artifact, tensors)
    return _rows(body["rows"], artifact, tensors)


def _inputs(given: Any, artifact: Artifact, tensors: PlainTensors) -> Asked:
    if not isinstance(given, dict):
        raise wrong_input("inputs", "an object of inputs by name", shown(given))
    _only_known(given, artifact, "inputs")
    call: dict[str, Any] = {}
    count = -1
    for tensor in artifact.inputs:
        where = f"inputs.{tensor.name}"
        if tensor.name not in given:
            if not tensor.optional:
                raise wrong_input(where, "a value", "nothing")
            continue
        call[tensor.name] = tensors.parse(given[tensor.name], tensor, tensor.shape, where)
        if artifact.stacked:
            rows = len(given[tensor.name])
            if count not in (-1, rows):
                raise wrong_input(where, f"{count} rows, as many as before it", f"{rows}")
            count = rows
    count = max(count, 0) if artifact.stacked else 1
    _fill(call, count, artifact, tensors)
    return Asked([call], count, artifact.stacked, as_rows=False, bare=False)


def _rows(given: Any, artifact: Artifact, tensors: PlainTensors) -> Asked:
    if not isinstance(given, list):
        raise wrong_input("rows", "an array", shown(given))
    bare = bool(given) and not isinstance(given[0], dict)
    rows = [_row(row, place, bare, artifact) for place, row in enumerate(given)]
    count = len(rows)
    if not artifact.stacked:
        calls = []
        for place, row in enumerate(rows):
            call = {
                tensor.name: tensors.parse(
                    row[tensor.name], tensor, tensor.shape, f"rows[{place}].{tensor.name}"
                )
                for tensor in artifact.inputs
                if tensor.name in row
            }
            calls.append(call)
        return Asked(calls, count, stacked=False, as_rows=True, bare=bare)
    call = {}
    for tensor in artifact.inputs:
        values = [row[tensor.name] for row in rows if tensor.name in row]
        if len(values) < count and tensor.optional:
            if not values:
                continue
            values = [row.get(tensor.name) for row in rows]
        shape = (count, *tensor.shape[1:])
        try:
            call[tensor.name] = tensors.parse(values, tensor, shape, "")
        except Problem as problem:
            raise _in_row(problem, tensor) from None
    _fill(call, count, artifact, tensors)
    return Asked([call], count, stacked=True, as_rows=True, bare=bare)


def _row(row: Any, place: int, bare: bool, artifact: Artifact) -> dict[str, Any]:
    """Return a row as an object; a list's values are in the signature's order."""
    where = f"rows[{place}]"
    inputs = artifact.inputs
    if isinstance(row, dict) and not bare:
        _only_known(row, artifact, where)
        for tensor in inputs:
            if tensor.name not in row and not tensor.optional:
                raise wrong_input(f"{where}.{tensor.name}", "a value", "nothing")
        return row
    if not bare:
        raise wrong_input(where, "an object, as the first row is", shown(row))
    if isinstance(row, dict) and not _takes_objects(inputs):
        raise wrong_input(where, "no object, as the first row is none", shown(row))
    if len(inputs) == 1 and artifact.style != "frame":
        return {inputs[0].name: row}
    if not isinstance(row, list) or len(row) != len(inputs):
        expected = f"{len(inputs)} values: {', '.join(tensor.name for tensor in inputs)}"
        raise wrong_input(where, expected, shown(row))
    return {tensor.name: value for tensor, value in zip(inputs, row, strict=True)}


def _takes_objects(inputs: tuple[Tensor, ...]) -> bool:
    return len(inputs) == 1 and inputs[0].datatype == "JSON"


def _in_row(problem: Problem, tensor: Tensor) -> Problem:
    """Return a stacked column's problem as its row's: `[3][2]` of x is `rows[3].x[2]`."""
    facts = problem.facts
    row, bracket, rest = facts["field"].partition("]")
    field = f"rows{row}{bracket}.{tensor.name}{rest}" if bracket else f"rows.{tensor.name}"
    return wrong_input(field, facts["expected"], facts["got"])


def _only_known(given: dict[str, Any], artifact: Artifact, where: str) -> None:
    known = {tensor.name for tensor in artifact.inputs}
    for name in given:
        if name not in known:
            expected = f"one of {', '.join(sorted(known))}" if known else "no input"
            raise wrong_input(f"{where}.{name}", expected, "another name")


def _fill(call: dict[str, Any], rows: int, artifact: Artifact, tensors: PlainTensors) -> None:
    """Give a frame the columns that were left out."""
    if artifact.style == "frame":
        for tensor in artifact.inputs:
            if tensor.name not in call:
                call[tensor.name] = tensors.missing(tensor, rows)


def answer(asked: Asked, results: list[dict[str, Any]], model: Model) -> bytes:
    """Return the JSON of the answer, in the form of the question."""
    if not asked.as_rows:
        outputs = {name: _json(model, name, value) for name, value in results[0].items()}
        return dumps({"outputs": outputs})
    if asked.stacked:
        columns = (
            {name: _json(model, name, value) for name, value in results[0].items()}
            if results
            else {}
        )
        for values in columns.values():
            if not isinstance(values, list) or len(values) != asked.rows:
                return dumps({"outputs": columns})  # the answer is of all rows together
        rows = [dict(zip(columns, row, strict=True)) for row in zip(*columns.values(), strict=True)]
    else:
        rows = [
            {name: _json(model, name, value) for name, value in result.items()}
            for result in results
        ]
    if asked.bare:
        return dumps({"rows": [_bare(row) for row in rows]})
    return dumps({"rows": rows})


def _bare(row: dict[str, Any]) -> Any:
    values = list(row.values())
    return values[0] if len(values) == 1 else values


def _json(model: Model, name: str, value: Any) -> Any:
    nested = model.tensors.nested(value)
    tensor = model.output(name, value)
    return _readable(nested, tensor) if tensor.datatype == "BYTES" else nested


def _readable(value: Any, tensor: Tensor) -> Any:
    if isinstance(value, list):
        return [_readable(one, tensor) for one in value]
    return readable(value, tensor)
