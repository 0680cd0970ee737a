"""TensorFlow modules and loaded SavedModels, as SavedModels."""

from __future__ import annotations

import os
import sys
from typing import Any

from . import fields, tables
from .problem import CannotServe

_FOLDER = "saved_model"
_SIGNATURE = "serving_default"
_TOLERANCE = {"rtol": 1e-4, "atol": 1e-6}


def knows(value: Any) -> bool:
    """Tell whether it is a `tf.Module`, or what `tf.saved_model.load` gave."""
    tensorflow = sys.modules.get("tensorflow")
    kind = getattr(tensorflow, "Module", None)
    if kind is None:
        return False
    return isinstance(value, kind) or (
        hasattr(value, "signatures") and hasattr(value, "_self_saveable_object_factories")
    )


def save(value: Any, folder: str, *, example: Any = None) -> dict[str, Any]:
    """Save the module with one signature. Errors: `example-needed`, `not-saved`."""
    import tensorflow

    concrete = _concrete(value, example)
    _save(value, folder, {_SIGNATURE: concrete})
    _, named = concrete.structured_input_signature
    specs = named or _positional(concrete)
    inputs = [
        fields.field(name, _v2(spec.dtype), [-1 if side is None else side for side in spec.shape])
        for name, spec in specs.items()
    ]
    return {
        "framework": {"name": "tensorflow", "version": tensorflow.__version__},
        "signature": {"style": "tensors", "inputs": inputs},
        "batches": all(one["shape"][:1] == [-1] for one in inputs),
        "max_batch_size": 64,
        "tolerance": _TOLERANCE,
        "data": {"file": _FOLDER},
    }


def write(value: Any, folder: str) -> tuple[dict[str, Any], list[dict[str, str]], list[Any]]:
    """Write a module that a function uses: its variables and `tf.function`s. Errors: `not-saved`."""
    _save(value, folder, None)
    return {"file": _FOLDER}, [], []


def read(folder: str, data: dict[str, Any]) -> Any:
    """Return what `write` wrote."""
    os.environ.setdefault("TF_CPP_MIN_LOG_LEVEL", "2")
    import tensorflow

    return tensorflow.saved_model.load(os.path.join(folder, data["file"]))


def _save(value: Any, folder: str, signatures: Any) -> None:
    import tensorflow

    try:
        tensorflow.saved_model.save(value, os.path.join(folder, _FOLDER), signatures=signatures)
    except (ValueError, TypeError, AssertionError) as error:
        raise CannotServe(
            "not-saved",
            what="TensorFlow cannot save this module.",
            why=f"{type(error).__name__}: {error}"[:500],
            fix="Keep variables as attributes of the module, and decorate its __call__ with tf.function.",
        ) from error


def load(folder: str, artifact: dict[str, Any]) -> Model:
    """Return the saved module's signature as a model."""
    loaded = read(folder, artifact["data"])
    return Model(loaded.signatures[_SIGNATURE], artifact, loaded)


def original(value: Any, artifact: dict[str, Any]) -> Model:
    """Return the kernel's own module as a model."""
    return Model(_function_of(value), artifact, value, positional=not _has_signature(value))


def inputs_of(example: Any, artifact: dict[str, Any]) -> dict[str, Any]:
    """Return the user's example as named arrays."""
    inputs = artifact["signature"]["inputs"]
    parts = [example[one["name"]] for one in inputs] if isinstance(example, dict) else [example]
    return {
        one["name"]: tables.as_array(part).astype(fields.NUMPY_NAMES.get(one["dtype"], object))
        for one, part in zip(inputs, parts)
    }


class Model:
    """A concrete function with what keeps it alive."""

    thread_safe = True

    def __init__(
        self, function: Any, artifact: dict[str, Any], owner: Any, *, positional: bool = False
    ) -> None:
        """Wrap `function`."""
        import tensorflow

        self._function, self._owner, self._positional = function, owner, positional
        self._inputs = artifact["signature"]["inputs"]
        self._constant = tensorflow.constant

    def predict(self, inputs: dict[str, Any]) -> dict[str, Any]:
        """Return the outputs by name."""
        given = {
            one["name"]: self._constant(
                inputs[one["name"]], dtype=fields.NUMPY_NAMES.get(one["dtype"], "string")
            )
            for one in self._inputs
        }
        answer = self._function(*given.values()) if self._positional else self._function(**given)
        if not isinstance(answer, dict):
            parts = list(answer) if isinstance(answer, (list, tuple)) else [answer]
            answer = {f"output_{at}": one for at, one in enumerate(parts)}
        return {str(name): one.numpy() for name, one in answer.items()}


def _has_signature(value: Any) -> bool:
    return _SIGNATURE in (getattr(value, "signatures", None) or {})


def _function_of(value: Any) -> Any:
    return value.signatures[_SIGNATURE] if _has_signature(value) else value


def _concrete(value: Any, example: Any) -> Any:
    import tensorflow

    if _has_signature(value):
        return value.signatures[_SIGNATURE]
    function = getattr(type(value), "__call__", None)  # noqa: B004 - as below
    bound = getattr(value, "__call__", None)  # noqa: B004 - a tf.function is wanted, not callability
    if not hasattr(bound, "get_concrete_function"):
        function = tensorflow.function(function.__get__(value)) if function else None
    else:
        function = bound
    if function is None:
        raise _needs_example("It has no __call__.")
    if getattr(function, "input_signature", None) is not None:
        return function.get_concrete_function()
    if example is None:
        raise _needs_example("Its tf.function has no input_signature.")
    array = tables.as_array(example)
    spec = tensorflow.TensorSpec([None, *array.shape[1:]], array.dtype, name="x")
    return function.get_concrete_function(spec)


def _positional(concrete: Any) -> dict[str, Any]:
    specs = [one for one in concrete.structured_input_signature[0] if hasattr(one, "dtype")]
    return {one.name or f"x_{at}": one for at, one in enumerate(specs)}


def _v2(dtype: Any) -> str:
    name = dtype.name if hasattr(dtype, "name") else str(dtype)
    return {numpy: v2 for v2, numpy in fields.NUMPY_NAMES.items()}.get(name, "BYTES")


def _needs_example(why: str) -> CannotServe:
    return CannotServe(
        "example-needed",
        what="What this TensorFlow module takes cannot be told from it.",
        why=why,
        fix="Name an example of its input: --example x_test[:3]",
    )
