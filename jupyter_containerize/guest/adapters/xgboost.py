"""XGBoost: boosters and the scikit-learn interface, as UBJSON."""

from __future__ import annotations

import os
import sys
from typing import Any

from . import fields, tables
from .problem import CannotServe

_FILE = "model.ubj"
_TOLERANCE = {"rtol": 1e-5, "atol": 1e-7}
_ASKED = frozenset({"predict", "predict_proba", "apply"})
_BATCH = 256


def knows(value: Any) -> bool:
    """Tell whether it is XGBoost's, or a method of such a model."""
    return _target(value) is not None


def save(value: Any, folder: str, *, example: Any = None) -> dict[str, Any]:
    """Save the model. Errors: `not-fitted`, `bad-example`."""
    import xgboost

    model, method = _target(value) or (value, "predict")
    data, findings, uses = write(model, folder)
    described = describe(_booster(model), example)
    return {
        "framework": {"name": "xgboost", "version": xgboost.__version__},
        "signature": {"style": described["style"], "inputs": described["inputs"]},
        "batches": True,
        "fork_safe": False,  # loading starts threads that a forked child waits for for ever
        "max_batch_size": _BATCH,
        "tolerance": _TOLERANCE,
        "data": {**described["data"], **data, "method": method},
        "imports": [] if data["kind"] == "Booster" else ["sklearn"],
        "findings": findings,
        "uses": uses,
    }


def write(value: Any, folder: str) -> tuple[dict[str, Any], list[dict[str, str]], list[Any]]:
    """Write a model; return what `read` needs."""
    model, _ = _target(value) or (value, "")
    _booster(model).num_features()  # tells whether it was fitted
    model.save_model(os.path.join(folder, _FILE))
    return {"file": _FILE, "kind": type(model).__name__}, [], []


def read(folder: str, data: dict[str, Any]) -> Any:
    """Return the model that `write` wrote."""
    import xgboost

    model = getattr(xgboost, data["kind"])()
    model.load_model(os.path.join(folder, data["file"]))
    return model


def load(folder: str, artifact: dict[str, Any]) -> Model:
    """Return the saved model."""
    return Model(read(folder, artifact["data"]), artifact)


def original(value: Any, artifact: dict[str, Any]) -> Model:
    """Return the kernel's own model."""
    model, _ = _target(value) or (value, "")
    return Model(model, artifact)


def inputs_of(example: Any, artifact: dict[str, Any]) -> dict[str, Any]:
    """Return the user's example as named arrays."""
    return tables.inputs_of(example, artifact["data"])


class Model:
    """A model that answers named arrays."""

    def __init__(self, model: Any, artifact: dict[str, Any]) -> None:
        """Wrap `model`."""
        data = artifact["data"]
        self._rows = tables.Rows(data, artifact["signature"]["inputs"])
        self._method = data["method"]
        self._ask = getattr(model, data["method"])
        self._is_booster = data["kind"] == "Booster"

    def predict(self, inputs: dict[str, Any]) -> dict[str, Any]:
        """Return the answer under the method's name."""
        rows = self._rows(inputs)
        if self._is_booster:
            import xgboost

            rows = xgboost.DMatrix(rows, enable_categorical=True)
        name = "prediction" if self._method == "predict" else self._method
        return tables.outputs_of(self._ask(rows), name)


def describe(booster: Any, example: Any) -> dict[str, Any]:
    """Return style, inputs and data from the booster's own names and types, or from an example."""
    names, kinds = booster.feature_names, booster.feature_types
    width = booster.num_features()
    if example is not None:
        made = tables.describe(tables.framed(example))
        given = [one["name"] for one in made["inputs"]]
        if made["style"] == "frame" and names and set(given) != set(names):
            missing = ", ".join(name for name in names if name not in given)
            raise tables.bad_example(
                f"The model takes {', '.join(names)}; missing: {missing or 'none'}."
            )
        if made["style"] == "tensors":
            shape = made["inputs"][0]["shape"]
            if len(shape) == 1:
                made["inputs"][0]["shape"] = shape = [-1, shape[0] if shape[0] > 0 else width]
                made["data"]["rows"] = "matrix"
            if shape[-1] != width:
                raise tables.bad_example(
                    f"The model takes {width} numbers a row; the example has {shape[-1]}."
                )
        for one in made["inputs"]:
            one["optional"] = True  # missing values are what trees are good at
        return made
    if names and not all(name == f"f{at}" for at, name in enumerate(names)):
        if kinds and "c" in kinds:
            raise CannotServe(
                "example-needed",
                what="The categories that this model knows cannot be told from it.",
                why="It was fitted on a frame with categorical columns.",
                fix="Name an example of its input: --example X_test.head()",
            )
        types = [_KINDS.get(kind, "FP64") for kind in (kinds or ["float"] * width)]
        inputs = [fields.field(name, kind, [-1], optional=True) for name, kind in zip(names, types)]
        columns = [{"name": n, "type": fields.NUMPY_NAMES[k]} for n, k in zip(names, types)]
        return tables.from_columns(columns, inputs)
    made = tables.matrix(width, dtype="FP32")
    made["inputs"][0]["optional"] = True
    return made


_KINDS = {"int": "INT64", "i": "BOOL", "float": "FP64", "q": "FP64"}


def _target(value: Any) -> tuple[Any, str] | None:
    xgboost = sys.modules.get("xgboost")
    kinds = tuple(
        kind
        for kind in (getattr(xgboost, "Booster", None), getattr(xgboost, "XGBModel", None))
        if kind
    )
    if not kinds:
        return None
    if isinstance(value, kinds):
        return value, "predict"
    owner, name = getattr(value, "__self__", None), getattr(value, "__name__", "")
    return (owner, name) if isinstance(owner, kinds) and name in _ASKED else None


def _booster(model: Any) -> Any:
    if not hasattr(model, "get_booster"):
        return model
    try:
        return model.get_booster()
    except Exception as error:
        raise CannotServe(
            "not-fitted",
            what=f"This {type(model).__name__} has not been fitted.",
            why=str(error),
            fix="Call its fit(), then serve it.",
        ) from error
