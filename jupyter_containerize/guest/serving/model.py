"""The model: loaded by its adapter, called with tensors, its answers made tensors again."""

from __future__ import annotations

import importlib
import sys
from collections.abc import Callable
from typing import Any

from ..problem import CannotStart
from .artifact import Artifact, Tensor
from .numbers import Reader, number_reader
from .numpy_tensors import NumpyTensors
from .plain_tensors import PlainTensors
from .wire import accelerate


class BadAnswer(Exception):  # noqa: N818 - the model's, not the client's
    """The model returned what its signature does not say."""


class Model:
    """A loaded model. All calls come from the thread that loaded it."""

    def __init__(self, artifact: Artifact) -> None:
        self.artifact = artifact
        self._model = _load(artifact)
        self.tensors = _tensors(artifact)
        self.fast_loads, self.fast_numbers = _fast(artifact)
        self._outputs = {tensor.name: tensor for tensor in artifact.outputs}

    def warm_up(self) -> None:
        """Let the model do what it does once, before anybody waits for it."""
        warm_up = getattr(self._model, "warm_up", None)
        if warm_up is not None:
            warm_up()

    def run(self, calls: list[dict[str, Any]]) -> list[dict[str, Any]]:
        """Run each call by itself; return its outputs by name."""
        return [self._outputs_of(self._model.predict(call)) for call in calls]

    def run_merged(self, calls: list[dict[str, Any]], rows: list[int]) -> list[dict[str, Any]]:
        """Run calls as one along the first axis; return each one's own rows."""
        tensors = self.tensors
        merged = {name: tensors.join([call[name] for call in calls]) for name in calls[0]}
        outputs = self._outputs_of(self._model.predict(merged))
        total = sum(rows)
        for name, value in outputs.items():
            shape = tensors.shape(value)
            if not shape or shape[0] != total:
                raise BadAnswer(f"{name} has shape {list(shape)} for a batch of {total} rows")
        parts = []
        start = 0
        for count in rows:
            stop = start + count
            parts.append({name: tensors.cut(value, start, stop) for name, value in outputs.items()})
            start = stop
        return parts

    def merge_key(self, call: dict[str, Any]) -> Any:
        """Return what must be equal for calls to be merged: the inputs' names and inner shapes."""
        shape = self.tensors.shape
        return [(name, shape(call[name])[1:]) for name in sorted(call)]

    def output(self, name: str, value: Any) -> Tensor:
        """Return the signature's entry of an output, or one made for a value it does not name."""
        known = self._outputs.get(name)
        if known is not None:
            return known
        shape = tuple(-1 for _ in self.tensors.shape(value))
        return Tensor(name, self.tensors.datatype(value), shape)

    def _outputs_of(self, answer: Any) -> dict[str, Any]:
        if not isinstance(answer, dict):
            raise BadAnswer(f"predict returned {type(answer).__name__}, not a dict of outputs")
        missing = [name for name in self._outputs if name not in answer]
        if missing:
            raise BadAnswer(f"predict did not return {', '.join(missing)}")
        result = self.tensors.result
        return {name: result(value, self.output(name, value)) for name, value in answer.items()}


def _load(artifact: Artifact) -> Any:
    try:
        adapters = importlib.import_module(f"{__package__.rpartition('.')[0]}.adapters")
        model, _ = adapters.load(artifact.folder)
    except Exception as error:
        import traceback  # noqa: PLC0415 - only where something went wrong

        traceback.print_exc()
        raise CannotStart(
            f"The model cannot be loaded: {type(error).__name__}: {error}\n"
            "The traceback is above. Build the image again where the model loads."
        ) from error
    return model


def _fast(artifact: Artifact) -> tuple[Callable[[Any], Any] | None, Reader | None]:
    """Return quicker parsers of JSON than the standard library's, of all and of numbers, if there are.

    The first turns whole numbers of more than 64 bits into floats and the second lists into arrays,
    so free JSON values are not for them.
    """
    loads = accelerate()
    if any(tensor.datatype == "JSON" for tensor in artifact.inputs):
        return None, None
    numpy = sys.modules.get("numpy")
    return loads, number_reader(numpy) if numpy is not None else None


def _tensors(artifact: Artifact) -> PlainTensors:
    numpy = sys.modules.get("numpy")
    if numpy is None and artifact.raw.get("numpy", False):
        numpy = importlib.import_module("numpy")
    return NumpyTensors(numpy) if numpy is not None else PlainTensors()
