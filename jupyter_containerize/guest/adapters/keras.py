"""Keras: saved as `.keras`, asked by a concrete function (`model.predict` builds a pipeline each time)."""

from __future__ import annotations

import os
import sys
import types
from typing import Any

from . import fields, tables
from .problem import CannotServe, warned

_FILE = "model.keras"
_TOLERANCE = {"rtol": 1e-4, "atol": 1e-6}
_BATCH = 256


def knows(value: Any) -> bool:
    """Tell whether it is a Keras model, its `predict`, or a layer."""
    return _target(value) is not None


def save(value: Any, folder: str, *, example: Any = None) -> dict[str, Any]:
    """Save the model. Errors: `example-needed`, `bad-example`, `not-saved`."""
    import keras

    model = _target(value)
    inputs, structure = _inputs(model, example)
    if not model.built and example is not None:  # its weights are made by the first call
        given = inputs_of(example, {"signature": {"inputs": inputs}})
        model(_structured(_tensors(given, inputs), [one["name"] for one in inputs], structure))
    data, findings, uses = write(model, folder)
    return {
        "framework": {"name": "keras", "version": keras.__version__},
        "signature": {"style": "tensors", "inputs": inputs},
        "batches": True,
        "max_batch_size": _BATCH,
        "tolerance": _TOLERANCE,
        "data": {**data, "structure": structure, "outputs": _output_names(model)},
        "imports": [data["backend"]],
        "findings": findings,
        "uses": uses,
    }


def write(value: Any, folder: str) -> tuple[dict[str, Any], list[dict[str, str]], list[Any]]:
    """Write a model; return what `read` needs, findings, and the classes and functions of cells in it."""
    import keras

    model = _target(value)
    try:
        model.save(os.path.join(folder, _FILE))
    except Exception as error:
        raise CannotServe(
            "not-saved",
            what="Keras cannot save this model.",
            why=f"{type(error).__name__}: {error}"[:500],
            fix="Give custom layers a get_config(), and call the model once before you serve it.",
        ) from error
    data = {
        "file": _FILE,
        "backend": keras.backend.backend(),
        "lambdas": _has_lambdas(model),
        "layer": model.layers[0] is value if model.layers else False,
    }
    findings = [_about_lambdas()] if data["lambdas"] else []
    return data, findings, _from_cells(model)


def _has_lambdas(model: Any) -> bool:
    """Tell whether a layer's function has no name, so that Keras saves its code itself."""
    functions = [getattr(layer, "function", None) for layer in model._flatten_layers()]
    return any(getattr(one, "__name__", "") == "<lambda>" for one in functions)


def _about_lambdas() -> dict[str, str]:
    return warned(
        "lambda-layer",
        what="The model has a Lambda layer, whose Python code lies in its file.",
        why="Keras loads such files only on demand: they run code of their maker's.",
        fix="It works, but only load images that you trust. A layer class, or a named function, needs no such file.",
    )


def read(folder: str, data: dict[str, Any]) -> Any:
    """Return the model, or the layer, that `write` wrote."""
    os.environ.setdefault("KERAS_BACKEND", data["backend"])
    os.environ.setdefault("TF_CPP_MIN_LOG_LEVEL", "2")
    import keras

    own = {
        name: one
        for name, one in vars(sys.modules["__main__"]).items()
        if isinstance(one, (type, types.FunctionType))
    }
    path = os.path.join(folder, data["file"])
    model = keras.saving.load_model(
        path, custom_objects=own, compile=False, safe_mode=not data.get("lambdas")
    )
    return model.layers[0] if data.get("layer") else model


def load(folder: str, artifact: dict[str, Any]) -> Any:
    """Return the model, compiled into one concrete function where TensorFlow is its backend."""
    data = artifact["data"]
    model = read(folder, data)
    return (Concrete if data["backend"] == "tensorflow" else Called)(model, artifact)


def original(value: Any, artifact: dict[str, Any]) -> Original:
    """Return the kernel's own model, asked as notebooks do: by `predict`."""
    return Original(_target(value), artifact)


def inputs_of(example: Any, artifact: dict[str, Any]) -> dict[str, Any]:
    """Return the user's example as named arrays of the model's types, with a first axis of rows."""
    inputs = artifact["signature"]["inputs"]
    parts = _parts_of(example, [one["name"] for one in inputs])
    return {field["name"]: _of_field(part, field) for field, part in zip(inputs, parts)}


class Called:
    """A model that is called as it is: backends other than TensorFlow."""

    def __init__(self, model: Any, artifact: dict[str, Any]) -> None:
        """Wrap `model`."""
        self.model = model
        self.names = [one["name"] for one in artifact["signature"]["inputs"]]
        self.structure = artifact["data"]["structure"]
        self.outputs = artifact["data"]["outputs"]
        self.inputs = artifact["signature"]["inputs"]

    def predict(self, inputs: dict[str, Any]) -> dict[str, Any]:
        """Return the outputs by name."""
        import keras

        given = _tensors(inputs, self.inputs)
        answer = self.model(_structured(given, self.names, self.structure), training=False)
        return _named(answer, self.outputs, keras.ops.convert_to_numpy)


class Original(Called):
    """A model in its kernel."""

    def predict(self, inputs: dict[str, Any]) -> dict[str, Any]:
        """Return what `predict` gives."""
        import numpy

        given = _tensors(inputs, self.inputs)
        answer = self.model.predict(_structured(given, self.names, self.structure), verbose=0)
        return _named(answer, self.outputs, numpy.asarray)


class Concrete(Called):
    """A model as one concrete function of TensorFlow's, any number of rows at once."""

    thread_safe = True

    def __init__(self, model: Any, artifact: dict[str, Any]) -> None:
        """Trace `model` once."""
        super().__init__(model, artifact)
        import tensorflow

        self._constant = tensorflow.constant
        names, structure = self.names, self.structure

        def ask(*given: Any) -> Any:
            return model(_structured(dict(zip(names, given)), names, structure), training=False)

        specs = [
            tensorflow.TensorSpec(
                [None if side < 0 else side for side in one["shape"]], _dtype(one)
            )
            for one in self.inputs
        ]
        self._ask = tensorflow.function(ask, autograph=False).get_concrete_function(*specs)
        self._types = [spec.dtype for spec in specs]

    def warm_up(self) -> None:
        """Answer one row: the first call still prepares something."""
        import numpy

        row = {
            one["name"]: numpy.zeros([1, *(max(side, 1) for side in one["shape"][1:])], _dtype(one))
            for one in self.inputs
            if one["dtype"] != "BYTES"
        }
        if len(row) == len(self.inputs):
            self.predict(row)

    def predict(self, inputs: dict[str, Any]) -> dict[str, Any]:
        """Return the outputs by name."""
        given = [
            self._constant(inputs[name], dtype=kind) for name, kind in zip(self.names, self._types)
        ]
        return _named(self._ask(*given), self.outputs, _numpy)


def _tensors(inputs: dict[str, Any], described: list[dict[str, Any]]) -> dict[str, Any]:
    """Return inputs as Keras takes them: text as TensorFlow's strings, which alone it knows."""
    texts = [one["name"] for one in described if one["dtype"] == "BYTES"]
    if not texts:
        return inputs
    import tensorflow

    made = {name: tensorflow.constant(inputs[name], dtype="string") for name in texts}
    return {**inputs, **made}


def _numpy(tensor: Any) -> Any:
    return tensor.numpy()


def _dtype(field: dict[str, Any]) -> str:
    return fields.NUMPY_NAMES.get(field["dtype"], "string")


def _target(value: Any) -> Any:
    keras = sys.modules.get("keras")
    kind = getattr(keras, "Model", None)
    if keras is None or kind is None:
        return None
    if isinstance(value, kind):
        return value
    if isinstance(value, keras.Layer):
        return keras.Sequential([value])
    owner = getattr(value, "__self__", None)
    return (
        owner
        if isinstance(owner, kind) and getattr(value, "__name__", "") in ("predict", "call")
        else None
    )


def _inputs(model: Any, example: Any) -> tuple[list[dict[str, Any]], str]:
    """Return the inputs' fields, and how they are given: `one`, `list` or `dict`."""
    try:
        tensors = list(model.inputs or ())
        structure = _structure(getattr(model, "_inputs_struct", None), tensors)
    except (AttributeError, ValueError, TypeError):
        tensors = []
    if not tensors:
        if example is None:
            raise CannotServe(
                "example-needed",
                what="What this Keras model takes cannot be told from it.",
                why="It does not say its input's shape.",
                fix="Name an example of its input: --example x_test[:3]",
            )
        return _inputs_by(example)
    names = [_name(tensor, at, tables.MATRIX) for at, tensor in enumerate(tensors)]
    if len(names) == 1 and structure != "dict":
        names = [tables.MATRIX]
    inputs = [
        fields.field(name, _V2.get(str(tensor.dtype), "FP32"), [-1, *list(tensor.shape)[1:]])
        for name, tensor in zip(names, tensors)
    ]
    if example is not None:
        parts = _parts_of(example, names)
        for field, part in zip(inputs, parts):
            _check(field, part)
    return inputs, structure


def _inputs_by(example: Any) -> tuple[list[dict[str, Any]], str]:
    """Return the inputs' fields as an example has them: one array, a list or a dict of arrays."""
    if isinstance(example, dict):
        structure, named = "dict", {str(name): one for name, one in example.items()}
    elif isinstance(example, (list, tuple)) and all(getattr(one, "shape", ()) for one in example):
        structure, named = "list", {f"x_{at}": one for at, one in enumerate(example)}
    else:
        structure, named = "one", {tables.MATRIX: example}
    return [fields.of_array(name, tables.as_array(one)) for name, one in named.items()], structure


_V2 = {name: dtype for dtype, name in fields.NUMPY_NAMES.items()} | {
    "string": "BYTES",
    "bfloat16": "FP32",
}


def _structure(struct: Any, tensors: list[Any]) -> str:
    if isinstance(struct, dict):
        return "dict"
    return "one" if len(tensors) == 1 else "list"


def _structured(inputs: dict[str, Any], names: list[str], structure: str) -> Any:
    if structure == "dict":
        return {name: inputs[name] for name in names}
    return inputs[names[0]] if structure == "one" else [inputs[name] for name in names]


def _name(tensor: Any, at: int, default: str) -> str:
    name = str(getattr(tensor, "name", "")).split("/")[0]
    return f"{default}_{at}" if not name or name.startswith("keras_tensor") else name


def _output_names(model: Any) -> list[str]:
    names = [str(name) for name in getattr(model, "output_names", None) or ()]
    return names if len(names) > 1 and len(set(names)) == len(names) else []


def _named(answer: Any, names: list[str], convert: Any) -> dict[str, Any]:
    """Return a model's answer by name, whatever its structure."""
    if isinstance(answer, dict):
        return {str(name): convert(one) for name, one in answer.items()}
    if isinstance(answer, (list, tuple)):
        chosen = (
            names
            if len(names) == len(answer)
            else [f"prediction_{at}" for at in range(len(answer))]
        )
        return {name: convert(one) for name, one in zip(chosen, answer)}
    return {"prediction": convert(answer)}


def _parts_of(example: Any, names: list[str]) -> list[Any]:
    """Return the example's part for each input. Errors: `bad-example`."""
    if isinstance(example, dict) or fields.is_frame(example):
        if fields.is_frame(example) and len(names) == 1:
            return [example.to_numpy()]
        missing = [name for name in names if name not in example]
        if missing:
            raise tables.bad_example(f"It lacks {', '.join(missing)}.")
        return [example[name] for name in names]
    if len(names) > 1:
        if not isinstance(example, (list, tuple)) or len(example) != len(names):
            raise tables.bad_example(f"The model takes {len(names)} inputs: {', '.join(names)}.")
        return list(example)
    return [example]


def _of_field(part: Any, field: dict[str, Any]) -> Any:
    array = _rows_of(part, field)
    kind = fields.NUMPY_NAMES.get(field["dtype"])
    return array.astype(kind) if kind else array


def _rows_of(part: Any, field: dict[str, Any]) -> Any:
    """Return an example as rows: one row may come without its axis, one column without its own."""
    array, shape = tables.as_array(part), field["shape"]
    if array.ndim != len(shape) - 1:
        return array
    return array[..., None] if shape[-1] == 1 and array.shape[-1:] != (1,) else array[None]


def _check(field: dict[str, Any], part: Any) -> None:
    shape, array = field["shape"], tables.as_array(part)
    given = _rows_of(part, field).shape
    fits = len(given) == len(shape) and all(want in (-1, got) for want, got in zip(shape, given))
    if not fits or (array.dtype == object) != (field["dtype"] == "BYTES"):
        told = "x".join("n" if side < 0 else str(side) for side in shape)
        raise tables.bad_example(
            f"{field['name']} is {field['dtype']} of shape {told}; "
            f"the example is {array.dtype} of shape {'x'.join(map(str, array.shape))}."
        )


def _from_cells(model: Any) -> list[Any]:
    """Return the classes and functions of cells among the model's layers and their settings."""
    found: dict[int, Any] = {}
    parts = list(getattr(model, "_flatten_layers", lambda: [model])())
    for layer in parts:
        for one in (type(layer), *vars(layer).values()):
            bare = one if isinstance(one, (type, types.FunctionType)) else type(one)
            if getattr(bare, "__module__", "") == "__main__":
                found.setdefault(id(bare), bare)
    return list(found.values())
