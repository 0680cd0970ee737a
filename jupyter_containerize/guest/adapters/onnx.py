"""ONNX: models and sessions of onnxruntime, served by onnxruntime."""

from __future__ import annotations

import os
import re
import sys
from typing import Any

from . import fields, tables
from .problem import CannotServe

FILE = "model.onnx"
TOLERANCE = {"rtol": 1e-4, "atol": 1e-6}
_BATCH = 256
_TYPES = {
    "float": "FP32",
    "double": "FP64",
    "float16": "FP16",
    "string": "BYTES",
    "bool": "BOOL",
    **{
        f"{sign}int{bits}": f"{sign.upper()}INT{bits}"
        for sign in ("", "u")
        for bits in (8, 16, 32, 64)
    },
}


#: The C library beside the Python one (which has it all inside), and tools that make models.
UNNEEDED = (
    "onnxruntime/capi/libonnxruntime.so*",
    *(f"onnxruntime/{name}/*" for name in ("quantization", "tools", "transformers")),
)


def knows(value: Any) -> bool:
    """Tell whether it is an ONNX model or a session of onnxruntime."""
    onnx, runtime = sys.modules.get("onnx"), sys.modules.get("onnxruntime")
    kinds = (getattr(onnx, "ModelProto", None), getattr(runtime, "InferenceSession", None))
    return isinstance(value, tuple(kind for kind in kinds if kind is not None))


def save(value: Any, folder: str, *, example: Any = None) -> dict[str, Any]:
    """Save the model. Errors: `onnxruntime-missing`, `not-saved`, `bad-example`."""
    runtime = _runtime()
    path = os.path.join(folder, FILE)
    with open(path, "wb") as file:
        file.write(_bytes_of(value))
    inputs = inputs_of_session(session_of(path))
    artifact = {"signature": {"inputs": inputs}}
    if example is not None:
        inputs_of(example, artifact)
    return {
        "framework": {"name": "onnxruntime", "version": runtime.__version__},
        "signature": {"style": "tensors", "inputs": inputs},
        "batches": all(one["shape"][:1] == [-1] for one in inputs),
        "max_batch_size": _BATCH,
        "tolerance": TOLERANCE,
        "unneeded": list(UNNEEDED),
        "data": {"file": FILE},
    }


def write(value: Any, folder: str) -> tuple[dict[str, Any], list[dict[str, str]], list[Any]]:
    """Write a model or a session that a function uses; return what `read` needs."""
    with open(os.path.join(folder, FILE), "wb") as file:
        file.write(_bytes_of(value))
    return {"file": FILE, "session": hasattr(value, "get_inputs")}, [], []


def read(folder: str, data: dict[str, Any]) -> Any:
    """Return what `write` wrote; a session runs on the CPU."""
    path = os.path.join(folder, data["file"])
    if data["session"]:
        return session_of(path)
    import onnx

    return onnx.load(path)


def load(folder: str, artifact: dict[str, Any]) -> Model:
    """Return a session as a model."""
    return Model(session_of(os.path.join(folder, artifact["data"]["file"])), artifact)


def original(value: Any, artifact: dict[str, Any]) -> Model:
    """Return a session of the kernel's own model."""
    session = value if hasattr(value, "get_inputs") else session_of(value.SerializeToString())
    return Model(session, artifact)


def inputs_of(example: Any, artifact: dict[str, Any]) -> dict[str, Any]:
    """Return the user's example as named arrays. Errors: `bad-example`."""
    inputs = artifact["signature"]["inputs"]
    names = [one["name"] for one in inputs]
    if isinstance(example, dict):
        missing = [name for name in names if name not in example]
        if missing:
            raise tables.bad_example(f"It lacks {', '.join(missing)}.")
        parts = [example[name] for name in names]
    elif len(names) > 1:
        raise tables.bad_example(
            f"The model takes {', '.join(names)}: give a dict with all of them."
        )
    else:
        parts = [example]
    return {one["name"]: _fitting(part, one) for part, one in zip(parts, inputs)}


class Model:
    """A session that answers named arrays; for a converted model by the names of the original."""

    thread_safe = True

    def __init__(self, session: Any, artifact: dict[str, Any]) -> None:
        """Wrap `session`."""
        data, signature = artifact["data"], artifact["signature"]
        self._session = session
        self._feed = data.get("feed", "same")
        self._names = [one["name"] for one in signature["inputs"]]
        self._given = [(one.name, _numpy_type(one.type)) for one in session.get_inputs()]
        every = [one.name for one in session.get_outputs()]
        self._asked = [every[at] for at in data.get("picked", range(len(every)))]
        told = signature.get("outputs") if "picked" in data else None
        self._outputs = told or [{"name": name} for name in self._asked]

    def warm_up(self) -> None:
        """Nothing to do: a session is ready when it is made."""

    def predict(self, inputs: dict[str, Any]) -> dict[str, Any]:
        """Return the outputs by name."""
        answers = self._session.run(self._asked, self._fed(inputs))
        return {
            one["name"]: _shaped(_as_array(answer), one)
            for one, answer in zip(self._outputs, answers)
        }

    def _fed(self, inputs: dict[str, Any]) -> dict[str, Any]:
        import numpy

        values = [inputs[name] for name in self._names]
        if self._feed == "matrix":
            name, kind = self._given[0]
            return {name: numpy.column_stack([numpy.asarray(one, dtype=kind) for one in values])}
        if self._feed == "columns":
            values = [numpy.asarray(one).reshape(-1, 1) for one in values]
        return {
            name: numpy.ascontiguousarray(one, dtype=kind)
            for (name, kind), one in zip(self._given, values)
        }


def _numpy_type(kind: str) -> Any:
    found = re.fullmatch(r"tensor\((\w+)\)", kind)
    return fields.NUMPY_NAMES.get(_TYPES.get(found[1], "") if found else "", object)


def _shaped(array: Any, field: dict[str, Any]) -> Any:
    """Return an output as the original has it: its type, and no column axis that it lacks."""
    shape = field.get("shape")
    if shape is None:
        return array
    if array.ndim == len(shape) + 1 and array.shape[-1] == 1:
        array = array[..., 0]
    kind = fields.NUMPY_NAMES.get(field["dtype"])
    return array.astype(kind, copy=False) if kind else array


def session_of(model: Any) -> Any:
    """Return a session of the model in a file or in bytes, on the CPU."""
    runtime = _runtime()
    options = runtime.SessionOptions()
    options.log_severity_level = 3
    return runtime.InferenceSession(model, options, providers=["CPUExecutionProvider"])


def inputs_of_session(session: Any) -> list[dict[str, Any]]:
    """Return the fields of a session's inputs."""
    found = []
    for one in session.get_inputs():
        kind = re.fullmatch(r"tensor\((\w+)\)", one.type)
        dtype = _TYPES.get(kind[1], "JSON") if kind else "JSON"
        shape = [side if isinstance(side, int) and side > 0 else -1 for side in one.shape]
        found.append(fields.field(one.name, dtype, shape))
    return found


def _bytes_of(value: Any) -> bytes:
    if hasattr(value, "SerializeToString"):
        return bytes(value.SerializeToString())
    path = getattr(value, "_model_path", None)
    if path:
        with open(path, "rb") as file:
            return file.read()
    data = getattr(value, "_model_bytes", None)
    if data:
        return bytes(data)
    raise CannotServe(
        "not-saved",
        what="This session does not tell which model it was made from.",
        why="onnxruntime keeps neither its path nor its bytes.",
        fix="Serve the onnx model itself: serve onnx.load('model.onnx')",
    )


def _fitting(part: Any, field: dict[str, Any]) -> Any:
    array = tables.as_array(part)
    shape = field["shape"]
    if array.ndim == len(shape) - 1:
        array = array[None]
    if array.ndim != len(shape) or any(
        want not in (-1, got) for want, got in zip(shape, array.shape)
    ):
        told = "x".join("n" if side < 0 else str(side) for side in shape)
        raise tables.bad_example(
            f"{field['name']} has the shape {told}; the example's is {array.shape}."
        )
    kind = fields.NUMPY_NAMES.get(field["dtype"])
    return array.astype(kind) if kind else array.astype(object)


def _as_array(answer: Any) -> Any:
    """Return an output as an array; probabilities by class (a list of dicts) as a matrix."""
    import numpy

    if isinstance(answer, list) and answer and isinstance(answer[0], dict):
        return numpy.array([list(row.values()) for row in answer], dtype="float32")
    array = numpy.asarray(answer)
    return array.astype(object) if array.dtype.kind in "US" else array


def _runtime() -> Any:
    try:
        import onnxruntime
    except ImportError as error:
        raise CannotServe(
            "onnxruntime-missing",
            what="The kernel's environment has no onnxruntime, which serves ONNX models.",
            why=str(error),
            fix="pip install onnxruntime",
        ) from error
    return onnxruntime
