"""Conversion to ONNX, in the kernel: a copy of the artifact that onnxruntime serves.

Each framework's own exporter makes it. Nothing here says that the copy is as good: the caller
asks both the same questions and compares.
"""

from __future__ import annotations

import contextlib
import importlib.util
import io
import logging
import os
import sys
import warnings
from typing import Any

from . import fields, onnx

#: What conversion needs in the kernel's environment, by adapter.
_NEEDS = {
    "sklearn": ("skl2onnx", "onnxruntime"),
    "keras": ("tf2onnx", "onnxruntime"),
    "xgboost": ("onnxmltools", "onnxruntime"),
    "lightgbm": ("onnxmltools", "onnxruntime"),
    "torch": ("onnxruntime",),
}


class CannotConvert(Exception):  # noqa: N818 - it reads as what it means
    """There is no ONNX copy; the text says why. Nothing is wrong with the object."""


def convert(value: Any, folder: str, artifact: dict[str, Any]) -> dict[str, Any]:
    """Write an ONNX copy into `folder` and return its artifact.json; raises `CannotConvert`."""
    adapter = artifact["adapter"]
    needs = _NEEDS.get(adapter)
    if needs is None:
        raise CannotConvert(
            f"There is no conversion to ONNX for what the adapter {adapter} serves."
        )
    missing = [name for name in needs if importlib.util.find_spec(name) is None]
    if missing:
        raise CannotConvert(
            f"The kernel's environment has no {' and no '.join(missing)}: pip install {' '.join(missing)}"
        )
    path = os.path.join(folder, onnx.FILE)
    try:
        with _quiet():
            feed, picked = _WRITERS[adapter](value, path, artifact)
        session = onnx.session_of(path)
    except Exception as error:
        text = str(error).strip().split("\n")[0]
        raise CannotConvert(f"{type(error).__name__}: {text}"[:400]) from error
    names = [one.name for one in session.get_inputs()]
    import onnxruntime

    outputs = artifact["signature"]["outputs"]
    return {
        **artifact,
        "adapter": "onnx",
        "framework": {"name": "onnxruntime", "version": onnxruntime.__version__},
        "imports": ["numpy"],
        "numpy": True,
        "fork_safe": False,
        "tolerance": onnx.TOLERANCE,
        "unneeded": list(onnx.UNNEEDED),
        "definitions": None,
        "data": {
            "file": onnx.FILE,
            "feed": feed,
            "given": names,
            "picked": picked or list(range(len(outputs))),
            "made_from": artifact["framework"],
        },
    }


def _sklearn(value: Any, path: str, artifact: dict[str, Any]) -> tuple[str, list[int]]:
    """Convert in double precision, as scikit-learn computes; in single where that is all there is."""
    import skl2onnx

    estimator, method = getattr(value, "__self__", value), artifact["data"]["method"]
    estimator = getattr(estimator, "best_estimator_", estimator)  # of a search
    _learn_others(skl2onnx)
    problem: Exception | None = None
    for feed, floats in _ways(artifact["signature"]):
        types = _types(artifact["signature"], feed, floats)
        try:
            made = skl2onnx.convert_sklearn(
                estimator,
                initial_types=types,
                options=_options(estimator),
                target_opset={"": 15, "ai.onnx.ml": 3},
            )
            with open(path, "wb") as file:
                file.write(made.SerializeToString())
            onnx.session_of(path)
        except Exception as error:
            problem = problem or error
            continue
        picked = {"predict": [0], "predict_proba": [1], "decision_function": [1]}.get(method, [0])
        return feed, picked
    raise problem or CannotConvert("skl2onnx made nothing.")


def _ways(signature: dict[str, Any]) -> list[tuple[str, Any]]:
    """Return how a model may be fed, and as what numbers: a frame's columns one by one, or as a matrix."""
    from skl2onnx.common import data_types

    feeds = ["same"]
    if signature["style"] == "frame":
        feeds = ["columns"]
        if all(one["dtype"] != "BYTES" for one in signature["inputs"]):
            feeds.append("matrix")
    kinds = (data_types.DoubleTensorType, data_types.FloatTensorType)
    return [(feed, floats) for feed in feeds for floats in kinds]


def _types(signature: dict[str, Any], feed: str, floats: Any) -> list[tuple[str, Any]]:
    """Return skl2onnx's own description of the inputs."""
    from skl2onnx.common import data_types

    inputs = signature["inputs"]
    if feed == "matrix":
        return [("x", floats([None, len(inputs)]))]
    kinds = {
        "BYTES": data_types.StringTensorType,
        "BOOL": data_types.BooleanTensorType,
        **dict.fromkeys(fields.FLOATS, floats),
    }
    widths = [[1] if feed == "columns" else one["shape"][1:] for one in inputs]
    return [
        (one["name"], kinds.get(one["dtype"], data_types.Int64TensorType)([None, *width]))
        for one, width in zip(inputs, widths)
    ]


def _learn_others(skl2onnx: Any) -> None:
    """Let pipelines have XGBoost and LightGBM inside, where onnxmltools is there to convert those."""
    from skl2onnx.common.shape_calculator import (
        calculate_linear_classifier_output_shapes,
        calculate_linear_regressor_output_shapes,
    )

    for module, kind, converter in _TREES:
        if module not in sys.modules or importlib.util.find_spec("onnxmltools") is None:
            continue
        where, _, function = converter.rpartition(".")
        is_classifier = kind.endswith("Classifier")
        skl2onnx.update_registered_converter(
            getattr(sys.modules[module], kind),
            f"{module}{kind}",
            calculate_linear_classifier_output_shapes
            if is_classifier
            else calculate_linear_regressor_output_shapes,
            getattr(importlib.import_module(where), function),
            options={"nocl": [True, False], "zipmap": [True, False, "columns"]}
            if is_classifier
            else None,
        )


_XGBOOST = "onnxmltools.convert.xgboost.operator_converters.XGBoost.convert_xgboost"
_LIGHTGBM = "onnxmltools.convert.lightgbm.operator_converters.LightGbm.convert_lightgbm"
_TREES = (
    ("xgboost", "XGBClassifier", _XGBOOST),
    ("xgboost", "XGBRegressor", _XGBOOST),
    ("lightgbm", "LGBMClassifier", _LIGHTGBM),
    ("lightgbm", "LGBMRegressor", _LIGHTGBM),
)


def _options(estimator: Any) -> dict[Any, Any] | None:
    return {id(estimator): {"zipmap": False}} if hasattr(estimator, "predict_proba") else None


def _keras(value: Any, path: str, artifact: dict[str, Any]) -> tuple[str, list[int]]:
    del artifact
    from . import keras

    keras._target(value).export(path, format="onnx", verbose=False)
    return "same", []


def _xgboost(value: Any, path: str, artifact: dict[str, Any]) -> tuple[str, list[int]]:
    import onnxmltools

    return _trees(value, path, artifact, onnxmltools.convert_xgboost)


def _lightgbm(value: Any, path: str, artifact: dict[str, Any]) -> tuple[str, list[int]]:
    import onnxmltools

    def convert_lightgbm(model: Any, **options: Any) -> Any:
        is_classifier = hasattr(model, "predict_proba")
        return onnxmltools.convert_lightgbm(
            model, **options, **({"zipmap": False} if is_classifier else {})
        )

    return _trees(value, path, artifact, convert_lightgbm)


def _trees(value: Any, path: str, artifact: dict[str, Any], make: Any) -> tuple[str, list[int]]:
    from onnxmltools.convert.common.data_types import FloatTensorType

    inputs = artifact["signature"]["inputs"]
    if any(one["dtype"] == "BYTES" for one in inputs):
        raise CannotConvert("Categorical columns of trees have no counterpart in ONNX.")
    is_frame = artifact["signature"]["style"] == "frame"
    width = len(inputs) if is_frame else inputs[0]["shape"][-1]
    model = getattr(value, "__self__", value)
    names = _without_names(model)
    try:
        made = make(model, initial_types=[("x", FloatTensorType([None, width]))], target_opset=15)
    finally:
        _with_names(model, names)
    with open(path, "wb") as file:
        file.write(made.SerializeToString())
    picked = {"predict": [0], "predict_proba": [1]}.get(artifact["data"]["method"], [0])
    return ("matrix" if is_frame else "same"), picked


def _without_names(model: Any) -> Any:
    """Take the columns' names off a booster: the converter only reads numbered ones."""
    booster = model.get_booster() if hasattr(model, "get_booster") else None
    if booster is None:
        return None
    names, booster.feature_names = booster.feature_names, None
    return names


def _with_names(model: Any, names: Any) -> None:
    if names is not None:
        model.get_booster().feature_names = names


def _torch(value: Any, path: str, artifact: dict[str, Any]) -> tuple[str, list[int]]:
    from . import torch as adapter

    adapter.export_onnx(value, path, artifact)
    return "same", []


_WRITERS = {
    "sklearn": _sklearn,
    "keras": _keras,
    "xgboost": _xgboost,
    "lightgbm": _lightgbm,
    "torch": _torch,
}


@contextlib.contextmanager
def _quiet() -> Any:
    """Keep what exporters say out of the notebook."""
    level = logging.root.manager.disable
    logging.disable(logging.ERROR)
    try:
        with warnings.catch_warnings(), contextlib.redirect_stdout(io.StringIO()):
            warnings.simplefilter("ignore")
            with contextlib.redirect_stderr(io.StringIO()):
                yield
    finally:
        logging.disable(level)
