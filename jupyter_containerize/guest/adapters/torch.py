"""PyTorch: modules by their class and their tensors, scripted modules as TorchScript."""

from __future__ import annotations

import contextlib
import inspect
import sys
from collections.abc import Iterator
from typing import Any

from . import definitions, examples, fields, tables
from .problem import CannotServe, warned

TAKES_SETTINGS = True
_TOLERANCE = {"rtol": 1e-4, "atol": 1e-6}
_BATCH = 64
_V2 = {
    "float32": "FP32",
    "float64": "FP64",
    "float16": "FP16",
    "bfloat16": "FP32",
    "bool": "BOOL",
    **{f"int{bits}": f"INT{bits}" for bits in (8, 16, 32, 64)},
    "uint8": "UINT8",
}


def knows(value: Any) -> bool:
    """Tell whether it is a PyTorch module, scripted or not."""
    torch = sys.modules.get("torch")
    kind = getattr(getattr(torch, "nn", None), "Module", None)
    return kind is not None and isinstance(value, kind)


def save(
    value: Any, folder: str, *, example: Any = None, settings: dict[str, Any] | None = None
) -> dict[str, Any]:
    """Save the module. Errors: `example-needed`, `bad-example`, `gpu-tensor`, those of `values`."""
    import torch

    namespace = (settings or {}).get("namespace") or sys.modules["__main__"].__dict__
    gathered = definitions.Gathered(folder, namespace)
    number = gathered.writer.add(value, type(value).__name__)
    findings = gathered.writer.findings
    if value.training:
        findings.append(
            warned(
                "in-training-mode",
                what=f"The {type(value).__name__} is in training mode; it is served in evaluation mode.",
                why="Dropout and batch normalisation would make its answers random.",
                fix="Call its eval() in the notebook, to see what will be served.",
            )
        )
    return {
        "framework": {"name": "torch", "version": torch.__version__},
        "signature": {"style": "tensors", "inputs": _inputs(value, example)},
        "batches": True,
        "max_batch_size": _BATCH,
        "tolerance": _TOLERANCE,
        "definitions": gathered.save(),
        "data": {"value": number},
        "findings": findings,
    }


def load(folder: str, artifact: dict[str, Any]) -> Model:
    """Return the module, made again and in evaluation mode."""
    del folder
    module = getattr(sys.modules["__main__"], definitions.VALUE)(artifact["data"]["value"])
    return Model(module.eval(), artifact)


def original(value: Any, artifact: dict[str, Any]) -> Original:
    """Return the kernel's own module as a model."""
    return Original(value, artifact)


def inputs_of(example: Any, artifact: dict[str, Any]) -> dict[str, Any]:
    """Return the user's example as named arrays. Errors: `bad-example`."""
    inputs = artifact["signature"]["inputs"]
    parts = _parts_of(example, [one["name"] for one in inputs])
    found = {}
    for part, one in zip(parts, inputs):
        array = _array(part)
        if array.ndim != len(one["shape"]):
            raise tables.bad_example(
                f"{one['name']} has the shape {one['shape']}, the example's is {array.shape}."
            )
        found[one["name"]] = array
    return found


class Model:
    """A module that answers named arrays."""

    thread_safe = True

    def __init__(self, module: Any, artifact: dict[str, Any]) -> None:
        """Wrap `module`."""
        import torch

        self._module = module
        self._torch = torch
        self._inputs = artifact["signature"]["inputs"]

    def predict(self, inputs: dict[str, Any]) -> dict[str, Any]:
        """Return the outputs by name."""
        with self._torch.no_grad():
            return named(self._module(*self.tensors(inputs)))

    def tensors(self, inputs: dict[str, Any]) -> list[Any]:
        """Return the arrays as tensors of the signature's types, in its order."""
        import numpy

        return [
            self._torch.from_numpy(
                numpy.array(inputs[one["name"]], dtype=fields.NUMPY_NAMES[one["dtype"]])
            )
            for one in self._inputs
        ]


class Original(Model):
    """A module in its kernel, asked in evaluation mode and left in the mode it was in."""

    def predict(self, inputs: dict[str, Any]) -> dict[str, Any]:
        """Return the outputs by name."""
        with evaluating(self._module):
            return super().predict(inputs)


@contextlib.contextmanager
def evaluating(module: Any) -> Iterator[None]:
    """Put a module and all inside it into evaluation mode, and back."""
    modes = [(one, one.training) for one in module.modules()]
    module.eval()
    try:
        yield
    finally:
        for one, mode in modes:
            one.training = mode


def export_onnx(value: Any, path: str, artifact: dict[str, Any]) -> None:
    """Write the module as ONNX, any number of rows at once."""
    import torch

    inputs = artifact["signature"]["inputs"]
    given = examples.read_body(artifact["example"], artifact["signature"])
    with evaluating(value):
        names = [one["name"] for one in inputs]
        options: dict[str, Any] = {
            "input_names": names,
            "output_names": [one["name"] for one in artifact["signature"]["outputs"]],
            "dynamic_axes": {
                one["name"]: {0: "rows"} for one in (*inputs, *artifact["signature"]["outputs"])
            },
        }
        if "dynamo" in inspect.signature(torch.onnx.export).parameters:
            options["dynamo"] = False
        tensors = tuple(Model(value, artifact).tensors(given))
        torch.onnx.export(value, tensors, path, **options)


def named(answer: Any) -> dict[str, Any]:
    """Return what a module gave by name: a tensor, several, or a dict of them."""
    if isinstance(answer, dict):
        return {str(name): _array(one) for name, one in answer.items()}
    if isinstance(answer, (tuple, list)):
        names = getattr(answer, "_fields", None) or [
            f"prediction_{at}" for at in range(len(answer))
        ]
        return {name: _array(one) for name, one in zip(names, answer)}
    return {"prediction": _array(answer)}


def _array(value: Any) -> Any:
    if hasattr(value, "detach"):
        value = value.detach().cpu()
        if str(value.dtype) == "torch.bfloat16":
            value = value.float()
        return value.numpy()
    return tables.as_array(value)


def _inputs(module: Any, example: Any) -> list[dict[str, Any]]:
    names = _parameters(module)
    if example is None:
        field = _of_first_layer(module, (names or ["x"])[0])
        if field is None:
            raise CannotServe(
                "example-needed",
                what=f"What this {type(module).__name__} takes cannot be told from it.",
                why="PyTorch modules do not know the shape of their input.",
                fix="Name an example of its input: --example x[:3]",
            )
        return [field]
    if isinstance(example, dict):
        names = [name for name in names if name in example] or list(example)
    parts = _parts_of(example, names)
    return [
        fields.field(name, _V2.get(str(_array(part).dtype), "FP32"), [-1, *_array(part).shape[1:]])
        for name, part in zip(names, parts)
    ]


def _parameters(module: Any) -> list[str]:
    try:
        found = inspect.signature(module.forward).parameters.values()
    except (TypeError, ValueError):
        return []
    return [one.name for one in found if one.kind not in (one.VAR_POSITIONAL, one.VAR_KEYWORD)]


def _parts_of(example: Any, names: list[str]) -> list[Any]:
    if isinstance(example, dict):
        missing = [name for name in names if name not in example]
        if missing:
            raise tables.bad_example(f"It lacks {', '.join(missing)}.")
        return [example[name] for name in names]
    return list(example) if isinstance(example, tuple) else [example]


def _of_first_layer(module: Any, name: str) -> dict[str, Any] | None:
    """Return the input of a Sequential whose first layer tells its own."""
    import torch

    layer = module
    while isinstance(layer, torch.nn.Sequential) and len(layer):
        layer = layer[0]
    if isinstance(layer, torch.nn.Linear):
        return fields.field(name, "FP32", [-1, layer.in_features])
    if isinstance(layer, torch.nn.Embedding):
        return fields.field(name, "INT64", [-1, -1])
    return None
