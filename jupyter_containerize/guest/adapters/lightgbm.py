"""LightGBM: boosters and the scikit-learn interface, as text."""

from __future__ import annotations

import os
import sys
from typing import Any

from . import fields, tables
from .problem import CannotServe

_FILE = "model.txt"
_TOLERANCE = {"rtol": 1e-9, "atol": 1e-12}
_ASKED = frozenset({"predict", "predict_proba"})
_BATCH = 256


def knows(value: Any) -> bool:
    """Tell whether it is LightGBM's, or a method of such a model."""
    return _target(value) is not None


def save(value: Any, folder: str, *, example: Any = None) -> dict[str, Any]:
    """Save the model. Errors: `not-fitted`, `example-needed`, `bad-example`."""
    import lightgbm

    model, method = _target(value) or (value, "predict")
    booster = _booster(model)
    booster.save_model(os.path.join(folder, _FILE))
    described = _describe(booster, example)
    classes = getattr(model, "classes_", None)
    return {
        "framework": {"name": "lightgbm", "version": lightgbm.__version__},
        "signature": {"style": described["style"], "inputs": described["inputs"]},
        "batches": True,
        "fork_safe": False,  # loading starts threads that a forked child waits for for ever
        "max_batch_size": _BATCH,
        "tolerance": _TOLERANCE,
        "data": {
            **described["data"],
            "file": _FILE,
            "method": method,
            "classes": None if classes is None else [fields._plain(one) for one in classes],
            "of_text": classes is not None and classes.dtype.kind in "OUS",
        },
    }


def write(value: Any, folder: str) -> tuple[dict[str, Any], list[dict[str, str]], list[Any]]:
    """Write what a function uses: a booster as text, scikit-learn's interface as its estimators."""
    if hasattr(value, "booster_") or not hasattr(value, "save_model"):
        from . import sklearn

        data, findings, uses = sklearn.write(value, folder)
        return {**data, "estimator": True}, findings, uses
    value.save_model(os.path.join(folder, _FILE))
    return {"file": _FILE, "estimator": False}, [], []


def read(folder: str, data: dict[str, Any]) -> Any:
    """Return what `write` wrote."""
    if data["estimator"]:
        from . import sklearn

        return sklearn.read(folder, data)
    import lightgbm

    return lightgbm.Booster(model_file=os.path.join(folder, data["file"]))


def load(folder: str, artifact: dict[str, Any]) -> Model:
    """Return the saved booster, which answers as the model that held it."""
    import lightgbm

    return Model(
        lightgbm.Booster(model_file=os.path.join(folder, artifact["data"]["file"])), artifact
    )


def original(value: Any, artifact: dict[str, Any]) -> Original:
    """Return the kernel's own model."""
    model, method = _target(value) or (value, "predict")
    return Original(getattr(model, method), artifact)


def inputs_of(example: Any, artifact: dict[str, Any]) -> dict[str, Any]:
    """Return the user's example as named arrays."""
    return tables.inputs_of(example, artifact["data"])


class Original:
    """A model in its kernel."""

    def __init__(self, ask: Any, artifact: dict[str, Any]) -> None:
        """Wrap the method that is asked."""
        self._ask = ask
        self._method = artifact["data"]["method"]
        self._rows = tables.Rows(artifact["data"], artifact["signature"]["inputs"])

    def predict(self, inputs: dict[str, Any]) -> dict[str, Any]:
        """Return the answer under the method's name."""
        name = "prediction" if self._method == "predict" else self._method
        return tables.outputs_of(self.answer(self._rows(inputs)), name)

    def answer(self, rows: Any) -> Any:
        """Return what the model gives for its own kind of rows."""
        return self._ask(rows)


class Model(Original):
    """A booster that gives classes and probabilities as scikit-learn's interface does."""

    def __init__(self, booster: Any, artifact: dict[str, Any]) -> None:
        """Wrap `booster`."""
        super().__init__(booster.predict, artifact)
        data = artifact["data"]
        self._classes = data["classes"]
        self._of_text = data["of_text"]

    def answer(self, rows: Any) -> Any:
        """Return raw predictions, or for a classifier its classes or probabilities."""
        raw = self._ask(rows)
        if self._classes is None:
            return raw
        import numpy

        table = raw if raw.ndim > 1 else numpy.vstack((1.0 - raw, raw)).transpose()
        if self._method == "predict_proba":
            return table
        classes = numpy.array(self._classes, dtype=object if self._of_text else None)
        return classes[numpy.argmax(table, axis=1)]


def _describe(booster: Any, example: Any) -> dict[str, Any]:
    names = booster.feature_name()
    named = not all(name == f"Column_{at}" for at, name in enumerate(names))
    if example is None and booster.pandas_categorical:
        raise CannotServe(
            "example-needed",
            what="Which columns of this model hold categories cannot be told from it.",
            why="It was fitted on a frame with categorical columns.",
            fix="Name an example of its input: --example X_test.head()",
        )
    if example is not None:
        made = tables.describe(tables.framed(example))
        width = len(made["inputs"]) if made["style"] == "frame" else made["inputs"][0]["shape"][-1]
        if made["style"] == "tensors" and len(made["inputs"][0]["shape"]) == 1:
            width = tables.as_array(example).shape[0]
            made["inputs"][0]["shape"] = [-1, width]
            made["data"]["rows"] = "matrix"
        if width != len(names):
            raise tables.bad_example(
                f"The model takes {len(names)} columns; the example has {width}."
            )
    elif named:
        columns = [{"name": name, "type": "float64"} for name in names]
        made = tables.from_columns(columns, [fields.field(name, "FP64", [-1]) for name in names])
    else:
        made = tables.matrix(len(names))
    for one in made["inputs"]:
        one["optional"] = True
    return made


def _target(value: Any) -> tuple[Any, str] | None:
    lightgbm = sys.modules.get("lightgbm")
    kinds = tuple(
        kind
        for kind in (getattr(lightgbm, "Booster", None), getattr(lightgbm, "LGBMModel", None))
        if kind
    )
    if not kinds:
        return None
    if isinstance(value, kinds):
        return value, "predict"
    owner, name = getattr(value, "__self__", None), getattr(value, "__name__", "")
    return (owner, name) if isinstance(owner, kinds) and name in _ASKED else None


def _booster(model: Any) -> Any:
    if not hasattr(model, "booster_") and hasattr(model, "save_model"):
        return model
    try:
        return model.booster_
    except Exception as error:
        raise CannotServe(
            "not-fitted",
            what=f"This {type(model).__name__} has not been fitted.",
            why=str(error),
            fix="Call its fit(), then serve it.",
        ) from error
