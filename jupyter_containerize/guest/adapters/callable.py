"""Any Python callable: functions, methods, objects with `__call__`; with what they use from cells."""

from __future__ import annotations

import inspect
import sys
import typing
from typing import Any

from . import answers, asking, definitions, examples, fields, hints, tables
from .finishing import finished
from .problem import CannotServe

TAKES_SETTINGS = True
_TOLERANCE = {"rtol": 1e-6, "atol": 1e-9}
_OUTPUT = "prediction"
_BATCH = 64
_OF_HINT = {
    float: "FP64",
    int: "INT64",
    bool: "BOOL",
    str: "BYTES",
    bytes: "BYTES",
    bytearray: "BYTES",
}


def knows(value: Any) -> bool:
    """Tell whether it can be called; a class is no function."""
    return callable(value) and not isinstance(value, type)


def save(
    value: Any, folder: str, *, example: Any = None, settings: dict[str, Any] | None = None
) -> dict[str, Any]:
    """Save the callable with what it uses.

    Errors: `bad-example`, `example-needed`, and those of `definitions` and `values`.
    """
    settings = settings or {}
    described = describe(value, example)
    gathered = definitions.Gathered(
        folder, settings.get("namespace") or sys.modules["__main__"].__dict__
    )
    name = getattr(value, "__name__", type(value).__name__)
    number = gathered.writer.add(value, name)
    if described["data"].get("typed"):
        gathered.use_hints(hints.bare(value))
    batches = bool(settings.get("batches") or getattr(value, "batches", False))
    if batches and described["style"] == "arguments":
        raise CannotServe(
            "cannot-batch",
            what=f"{name} cannot take rows of several requests at once.",
            why="Only functions of one frame, or of arrays whose first axis is rows, can.",
            fix="Leave --batches out, or give an --example with rows.",
        )
    return {
        "framework": {"name": "Python", "version": sys.version.split()[0]},
        "signature": {"style": described["style"], "inputs": described["inputs"]},
        "batches": batches,
        "fork_safe": all(
            row["is"] not in ("model", "pickle", "script", "tensor") for row in gathered.writer.rows
        ),
        "max_batch_size": _BATCH,
        "tolerance": _TOLERANCE,
        "definitions": gathered.save(),
        "data": {**described["data"], "value": number},
        "findings": gathered.writer.findings,
    }


def load(folder: str, artifact: dict[str, Any]) -> Model:
    """Return the callable, made again from its definitions."""
    del folder
    value = getattr(sys.modules["__main__"], definitions.VALUE)(artifact["data"]["value"])
    return Model(value, artifact)


def original(value: Any, artifact: dict[str, Any]) -> Model:
    """Return the kernel's own callable as a model."""
    return Model(value, artifact)


def inputs_of(example: Any, artifact: dict[str, Any]) -> dict[str, Any]:
    """Return the user's example as named inputs."""
    data, inputs = artifact["data"], artifact["signature"]["inputs"]
    if data["how"] == "frame":
        return tables.inputs_of(example, data)
    if data["how"] == "rows":
        columns = tables.inputs_of(example, data)
        rows = examples.rows_of({name: examples.plain(one) for name, one in columns.items()})
        return {inputs[0]["name"]: rows}
    if data["how"] == "named":
        given = dict(example)
    elif data["how"] == "all":
        given = {one["name"]: value for one, value in zip(inputs, example)}
    elif artifact["signature"]["style"] == "tensors":
        given = {inputs[0]["name"]: tables.as_array(example)}
    else:
        given = {inputs[0]["name"]: example}
    typed = data.get("typed", ())
    return {name: answers.jsonable(one) if name in typed else one for name, one in given.items()}


class Model:
    """A callable that answers named inputs."""

    def __init__(self, function: Any, artifact: dict[str, Any]) -> None:
        """Wrap `function`."""
        data, signature = artifact["data"], artifact["signature"]
        self._function = function
        self._positional = tuple(data.get("positional", ()))
        columns = data.get("columns_as", signature["inputs"])
        self._rows = tables.Rows(data, columns) if data["how"] in ("frame", "rows") else None
        self._frame = columns if data["how"] == "rows" else None
        told = hints.of_function(function) if data.get("typed") else {}
        self._kinds = {name: hints.kind_of(told[name]) for name in data.get("typed", ())}

    def predict(self, inputs: dict[str, Any]) -> dict[str, Any]:
        """Call the function and return what it gave by name."""
        if self._rows is not None and self._frame is not None:
            (rows,) = inputs.values()
            given = examples.read_body(
                {"rows": rows or []}, {"style": "frame", "inputs": self._frame}
            )
            return outputs_of(finished(self._function(self._rows(given))), rows=False)
        if self._rows is not None:
            return outputs_of(finished(self._function(self._rows(inputs))), rows=True)
        given = dict(inputs)
        for name, kind in self._kinds.items():
            if kind is not None and given.get(name) is not None:
                given[name] = kind.make(given[name], name)
        first = []
        for name in self._positional:
            if name not in given:
                break  # what follows an argument left out goes by name
            first.append(given.pop(name))
        return outputs_of(finished(self._function(*first, **given)), rows=False)


def outputs_of(answer: Any, *, rows: bool) -> dict[str, Any]:
    """Return what a callable gave as named outputs: a dict's keys, a frame's columns, or one."""
    answer = answers.parts_of(answer) or answer
    if isinstance(answer, dict) and answer and all(isinstance(key, str) for key in answer):
        return {key: _value(one, rows=rows) for key, one in answer.items()}
    if fields.is_frame(answer):
        return fields.columns_of(answer)
    return {_OUTPUT: _value(answer, rows=rows)}


def _value(value: Any, *, rows: bool) -> Any:
    if fields.is_series(value):
        return fields.array_of(value)
    module = type(value).__module__.partition(".")[0]
    if module == "torch" and hasattr(value, "detach"):
        value = value.detach().cpu().numpy()
    elif module in ("tensorflow", "jaxlib", "jax") and hasattr(value, "__array__"):
        import numpy

        value = numpy.asarray(value)
    if hasattr(value, "dtype") and hasattr(value, "shape"):
        return tables.outputs_of(value, _OUTPUT)[_OUTPUT] if value.shape else value.item()
    if rows and isinstance(value, (list, tuple)):
        return tables.outputs_of(list(value), _OUTPUT)[_OUTPUT] if value else value
    return bytes(value) if isinstance(value, (bytes, bytearray)) else answers.jsonable(value)


def describe(value: Any, example: Any) -> dict[str, Any]:
    """Return style, inputs and how to call it. Errors: `bad-example`, `example-needed`."""
    parameters = _parameters(value)
    told = hints.of_function(value)
    if example is None:
        return _from_hints(told, parameters)
    names = [one.name for one in parameters]
    required = [one.name for one in parameters if one.default is one.empty]
    if not names:
        raise tables.bad_example("The function takes no argument that has a name of its own.")
    if isinstance(example, dict) and set(example) <= set(names) and set(required) <= set(example):
        inputs = [_field(name, one, told.get(name)) for name, one in example.items()]
        return _arguments(inputs, parameters, how="named")
    if (
        isinstance(example, tuple)
        and len(example) > 1
        and len(required) <= len(example) <= len(names)
    ):
        inputs = [_field(name, one, told.get(name)) for name, one in zip(names, example)]
        return _arguments(inputs, parameters, how="all")
    if len(required) > 1:
        raise tables.bad_example(
            f"The function takes {', '.join(required)}: give a dict or a tuple with all of them."
        )
    if fields.is_frame(example) or fields.is_row(example):
        made = tables.describe(example)
        if _is_row_by_row(value, made, example):
            return {**made, "data": {**made["data"], "how": "frame"}}
        # One answer to a whole frame: the frame is one argument of a call.
        data = {**made["data"], "how": "rows", "columns_as": made["inputs"]}
        field = fields.field(names[0], "JSON", [])
        return {"style": "arguments", "inputs": [field], "data": data}
    if fields.is_array(example) and example.ndim:
        field = fields.of_array(names[0], example)
        data = {"how": "one", "positional": _positional(parameters)}
        return {"style": "tensors", "inputs": [field], "data": data}
    return _arguments([_field(names[0], example, told.get(names[0]))], parameters, how="one")


def _is_row_by_row(function: Any, made: dict[str, Any], example: Any) -> bool:
    """Tell whether the function gives as many values as the example has rows."""
    inputs = tables.inputs_of(example, made["data"])
    rows = max((len(one) for one in inputs.values()), default=0)
    try:
        answer = outputs_of(
            finished(function(tables.Rows(made["data"], made["inputs"])(inputs))), rows=True
        )
    except Exception:
        return True  # why it cannot answer is told when it is asked
    return all(hasattr(one, "shape") and one.shape[:1] == (rows,) for one in answer.values())


def _arguments(inputs: list[dict[str, Any]], parameters: list[Any], *, how: str) -> dict[str, Any]:
    by_name = {one.name: one for one in parameters}
    for field in inputs:
        one = by_name.get(field["name"])
        field["optional"] |= one is not None and one.default is not one.empty
    typed = [one["name"] for one in inputs if "schema" in one]
    data = {"how": how, "positional": _positional(parameters), "typed": typed}
    return {"style": "arguments", "inputs": inputs, "data": data}


def _field(name: str, value: Any, hint: Any) -> dict[str, Any]:
    field = asking.field_of(name, value, rows=False)
    kind = hints.kind_of(hint) if hint is not None and field["dtype"] == "JSON" else None
    if kind is not None and kind.schema:
        return {**field, "schema": kind.schema}
    odd = _odd(value) if field["dtype"] == "JSON" else None
    if odd is not None:
        raise tables.bad_example(
            f"{name} is or holds a {odd.__module__}.{odd.__qualname__}, which no caller can send as "
            "JSON: let the function take its parts, or text that it makes one from."
        )
    return field


def _odd(value: Any) -> type | None:
    """Return the type of something within `value` that JSON cannot carry."""
    if isinstance(value, dict):
        value = [*value, *value.values()]
    if isinstance(value, (list, tuple)):
        return next((odd for odd in map(_odd, value) if odd is not None), None)
    plain = value is None or isinstance(value, (bool, int, float, str)) or hasattr(value, "tolist")
    return None if plain else type(value)


def _parameters(value: Any) -> list[Any]:
    try:
        found = inspect.signature(value).parameters.values()
    except (TypeError, ValueError):
        return []
    varying = (inspect.Parameter.VAR_POSITIONAL, inspect.Parameter.VAR_KEYWORD)
    return [one for one in found if one.kind not in varying]


def _positional(parameters: list[Any]) -> list[str]:
    """Return what is given by place: decorators that take `*args` need not know the names."""
    kinds = (inspect.Parameter.POSITIONAL_ONLY, inspect.Parameter.POSITIONAL_OR_KEYWORD)
    return [one.name for one in parameters if one.kind in kinds]


def _from_hints(told: dict[str, Any], parameters: list[Any]) -> dict[str, Any]:
    inputs = []
    for one in parameters:
        field = _of_hint(one.name, told[one.name]) if one.name in told else None
        if field is None:
            hint = getattr(told.get(one.name), "__name__", told.get(one.name))
            has = f"the hint {hint}" if one.name in told else "the function: it has no hint"
            raise CannotServe(
                "example-needed",
                what=f"What {one.name} looks like cannot be told from {has}.",
                why="The service checks names, types and shapes, and tells them to callers.",
                fix=f"Name an example of the input, --example EXPRESSION, or give it a hint: {one.name}: float",
            )
        inputs.append(field)
    return _arguments(inputs, parameters, how="named")


def _of_hint(name: str, hint: Any) -> dict[str, Any] | None:
    """Return a parameter's field; None where only an example can tell."""
    arguments = typing.get_args(hint)
    if type(None) in arguments and len(arguments) == 2:  # noqa: PLR2004 - Optional of one
        inner = _of_hint(name, next(one for one in arguments if one is not type(None)))
        return {**inner, "optional": True} if inner else None
    if typing.get_origin(hint) is typing.Literal:
        dtype = fields._of_plain(list(arguments))
        return fields.field(name, dtype, [], categories=list(arguments))
    if hint in _OF_HINT:
        form = "base64" if hint in (bytes, bytearray) else ""
        return fields.field(name, _OF_HINT[hint], [], form=form)
    kind = hints.kind_of(hint)
    if kind is None:
        return None
    field = fields.field(name, "JSON", [], optional=type(None) in arguments)
    return {**field, "schema": kind.schema} if kind.schema else field
