"""scikit-learn: estimators, pipelines, column transformers; by skops, else by pickle."""

from __future__ import annotations

import os
import sys
from typing import Any

from . import columns, definitions, fields, tables
from .problem import CannotServe, warned

_SKOPS, _PICKLE = "model.skops", "model.pickle"
#: What an estimator is asked, in the order of preference.
_METHODS = ("predict", "transform", "score_samples")
_ASKED = frozenset({*_METHODS, "predict_proba", "predict_log_proba", "decision_function"})
_TOLERANCE = {"rtol": 1e-9, "atol": 1e-12}
#: Estimators of these answer each row by itself, so that requests may share a call.
_BATCH = 256


def knows(value: Any) -> bool:
    """Tell whether it is an estimator, or a method of one such as `model.predict_proba`."""
    return _target(value) is not None


def save(value: Any, folder: str, *, example: Any = None) -> dict[str, Any]:
    """Save the estimator. Errors: `not-fitted`, `example-needed`, `not-saved`, `bad-example`."""
    import sklearn

    estimator, method = _target(value) or (value, "predict")
    _check_fitted(estimator)
    described = _signature(estimator, example)
    data, findings, uses = write(estimator, folder)
    return {
        "framework": {"name": "scikit-learn", "version": sklearn.__version__},
        "signature": {"style": described["style"], "inputs": described["inputs"]},
        "batches": True,
        "fork_safe": _is_fork_safe(estimator),
        "max_batch_size": _BATCH,
        "tolerance": _TOLERANCE,
        "data": {**described["data"], **data, "method": method},
        "imports": ["skops"] if data["file"] == _SKOPS else [],
        "findings": findings,
        "uses": uses,
    }


def load(folder: str, artifact: dict[str, Any]) -> Model:
    """Return the estimator as a model."""
    return Model(read(folder, artifact["data"]), artifact)


def write(value: Any, folder: str) -> tuple[dict[str, Any], list[dict[str, str]], list[Any]]:
    """Write an estimator; return what `read` needs, findings, and what of cells it names."""
    file, trusted, findings = _write(value, folder)
    return {"file": file, "trusted": trusted}, findings, definitions.pickled_names(value)


def read(folder: str, data: dict[str, Any]) -> Any:
    """Return the estimator that `write` wrote, with the types that were in it then, and no others."""
    path = os.path.join(folder, data["file"])
    if data["file"] == _SKOPS:
        from skops import io

        return io.load(path, trusted=data["trusted"])
    import pickle

    with open(path, "rb") as file:
        return pickle.load(file)  # noqa: S301 - from our own image, never from the network


def original(value: Any, artifact: dict[str, Any]) -> Model:
    """Return the kernel's own estimator as a model."""
    estimator, _ = _target(value) or (value, "")
    return Model(estimator, artifact)


def inputs_of(example: Any, artifact: dict[str, Any]) -> dict[str, Any]:
    """Return the user's example as named arrays."""
    return tables.inputs_of(example, artifact["data"])


class Model:
    """An estimator that answers named arrays."""

    thread_safe = True

    def __init__(self, estimator: Any, artifact: dict[str, Any]) -> None:
        """Wrap `estimator`."""
        data = artifact["data"]
        self._rows = tables.Rows(data, artifact["signature"]["inputs"])
        self._method = data["method"]
        self._ask = getattr(estimator, data["method"])

    def predict(self, inputs: dict[str, Any]) -> dict[str, Any]:
        """Return the answer under the method's name."""
        name = "prediction" if self._method == "predict" else self._method
        return tables.outputs_of(self._ask(self._rows(inputs)), name)


def _target(value: Any) -> tuple[Any, str] | None:
    base = sys.modules.get("sklearn.base")
    if base is None:
        return None
    if isinstance(value, base.BaseEstimator):
        method = next((name for name in _METHODS if hasattr(value, name)), "")
        return (value, method) if method else None
    owner, name = getattr(value, "__self__", None), getattr(value, "__name__", "")
    return (owner, name) if isinstance(owner, base.BaseEstimator) and name in _ASKED else None


def _check_fitted(estimator: Any) -> None:
    from sklearn.exceptions import NotFittedError
    from sklearn.utils.validation import check_is_fitted

    try:
        check_is_fitted(estimator)
    except NotFittedError as error:
        raise CannotServe(
            "not-fitted",
            what=f"This {type(estimator).__name__} has not been fitted.",
            why=str(error),
            fix="Call its fit(), then serve it.",
        ) from error
    except TypeError:
        return  # an object that does not know


def _signature(estimator: Any, example: Any) -> dict[str, Any]:
    width, names = _width(estimator), getattr(estimator, "feature_names_in_", None)
    if example is not None:
        rows = _rows_of(example, names)
        described = tables.describe(rows)
        _check_example(described, width, names)
        if names is not None and fields.is_frame(rows):
            told = columns.described(estimator, [str(name) for name in names])
            tables.fill_in(described, rows, told)
        return described
    if names is not None:
        return columns.described(estimator, [str(name) for name in names])
    if width is not None:
        return tables.matrix(width)
    if _takes_texts(estimator):
        inputs = [fields.field(tables.MATRIX, "BYTES", [-1])]
        return {"style": "tensors", "inputs": inputs, "data": {"rows": "list", "type": "object"}}
    raise CannotServe(
        "example-needed",
        what=f"What this {type(estimator).__name__} takes cannot be told from it.",
        why="It does not remember the shape of what it was fitted on.",
        fix="Name an example of its input: --example X_test.head()",
    )


def _rows_of(example: Any, names: Any) -> Any:
    """Return a frame of the columns that the estimator knows by name, if it knows names."""
    if names is None:
        return example
    framed = tables.framed(example)
    if fields.is_frame(framed):
        return framed
    return tables._named(tables.as_array(example), list(names))


def _check_example(described: dict[str, Any], width: int | None, names: Any) -> None:
    if described["style"] == "frame":
        given = [one["name"] for one in described["inputs"]]
        if names is not None:
            missing = [str(name) for name in names if str(name) not in given]
            if missing:
                raise tables.bad_example(f"It lacks the columns {', '.join(missing)}.")
            wanted = [str(name) for name in names]
            order = sorted(
                range(len(given)),
                key=lambda at: wanted.index(given[at]) if given[at] in wanted else -1,
            )
            kept = [at for at in order if given[at] in wanted]
            described["inputs"] = [described["inputs"][at] for at in kept]
            described["data"]["columns"] = [described["data"]["columns"][at] for at in kept]
        elif width is not None and len(given) != width:
            raise tables.bad_example(
                f"The model takes {width} columns; the example has {len(given)}."
            )
        return
    shape = described["inputs"][0]["shape"]
    if width is None:
        return
    if shape == [-1] and described["data"]["type"] != "object":
        described["inputs"][0]["shape"] = shape = [-1, width]  # one row was given
        described["data"]["rows"] = "matrix"
    if shape[-1] != width:
        raise tables.bad_example(
            f"The model takes {width} numbers a row; the example has {shape[-1]}."
        )


def _width(estimator: Any) -> int | None:
    try:
        return int(estimator.n_features_in_)
    except (AttributeError, TypeError, ValueError):
        return None


def _parts(estimator: Any) -> Any:
    """Yield an estimator and those inside pipelines, column transformers and unions."""
    yield estimator
    inner = [step[1] for step in getattr(estimator, "steps", ())]
    inner += [step[1] for step in getattr(estimator, "transformers_", ())]
    inner += [step[1] for step in getattr(estimator, "transformer_list", ())]
    for part in inner:
        if not isinstance(part, str) and part is not None:
            yield from _parts(part)


def _is_fork_safe(estimator: Any) -> bool:
    """Tell whether all parts are scikit-learn's own: others may start threads when they are loaded."""
    own = ("sklearn", "__main__")
    return all(type(part).__module__.partition(".")[0] in own for part in _parts(estimator))


def _takes_texts(estimator: Any) -> bool:
    first = next((step[1] for step in getattr(estimator, "steps", ())), estimator)
    return hasattr(first, "build_analyzer")


def _write(estimator: Any, folder: str) -> tuple[str, list[str], list[dict[str, str]]]:
    """Write by skops where it is installed and knows all parts, else by pickle with a finding."""
    try:
        from skops import io
    except ImportError:
        why, fix = (
            "skops, the safe format, is not installed.",
            "pip install skops, and serve it again.",
        )
    else:
        path = os.path.join(folder, _SKOPS)
        try:
            io.dump(estimator, path)
            trusted = sorted({*io.get_untrusted_types(file=path), *_own_types(path)})
        except Exception as error:
            if os.path.exists(path):
                os.unlink(path)
            why = f"skops, the safe format, cannot save it: {type(error).__name__}: {error}"
            fix = "It works, but only load images that you trust."
        else:
            _refuse_nameless(trusted)
            return _SKOPS, trusted, []
    _pickle(estimator, os.path.join(folder, _PICKLE))
    finding = warned(
        "pickle-used",
        what=f"The {type(estimator).__name__} was saved by pickle.",
        why=f"{why} A pickle runs code of its maker's when it is loaded.",
        fix=fix,
    )
    return _PICKLE, [], [finding]


def _own_types(path: str) -> set[str]:
    """Return scikit-learn's own types in a file: a fresh process has not enabled the experimental ones."""
    import json
    import zipfile

    with zipfile.ZipFile(path) as file:
        pending = [json.loads(file.read("schema.json"))]
    found = set()
    while pending:
        one = pending.pop()
        if isinstance(one, dict):
            module, name = one.get("__module__"), one.get("__class__")
            if str(module).startswith("sklearn."):
                found.add(f"{module}.{name}")
            pending += one.values()
        elif isinstance(one, list):
            pending += one
    return found


def _refuse_nameless(types: list[str]) -> None:
    """Raise for functions that no process can find by a name. Errors: `not-saved`."""
    for one in types:
        if "<lambda>" in one or "<locals>" in one:
            raise CannotServe(
                "not-saved",
                what=f"The estimator holds {one}, which has no name that another process could find.",
                fix="Define it in a cell by a name of its own: def f(x): ... ; then fit again.",
            )


def _pickle(estimator: Any, path: str) -> None:
    import pickle

    try:
        with open(path, "wb") as file:
            pickle.dump(estimator, file, protocol=4)
    except Exception as error:
        raise CannotServe(
            "not-saved",
            what=f"The {type(estimator).__name__} cannot be saved.",
            why=f"{type(error).__name__}: {error}",
            fix="Give lambdas in it a name (def f(x): ...), and close files and connections it holds.",
        ) from error
