"""Asking a model: the questions of the proof, what it answers, and what that says of its outputs."""

from __future__ import annotations

import time
from typing import Any

from . import examples, fields

_TOLERANCE = {"rtol": 1e-6, "atol": 1e-9}
_MEASURED_S = 0.25
_LEAST_CALLS = 3


def saved(
    adapter: Any, value: Any, folder: str, *, example: Any, settings: dict[str, Any]
) -> dict[str, Any]:
    """Let an adapter save `value`; ours may also take `settings` (`namespace`, `batches`, `cells`)."""
    if getattr(adapter, "TAKES_SETTINGS", False):
        made = adapter.save(value, folder, example=example, settings=settings)
    else:
        made = adapter.save(value, folder, example=example)
    return dict(made)


def original(adapter: Any, value: Any, folder: str, artifact: dict[str, Any]) -> Any:
    """Return what answers as the kernel does; for an adapter that has none, the copy loaded back."""
    if hasattr(adapter, "original"):
        return adapter.original(value, artifact)
    return adapter.load(folder, artifact)


def questions(adapter: Any, example: Any, artifact: dict[str, Any]) -> list[dict[str, Any]]:
    """Return inputs to ask: the user's example first, then generated ones."""
    made = []
    if example is not None and hasattr(adapter, "inputs_of"):
        made.append(adapter.inputs_of(example, artifact))
    return made + examples.generate(artifact["signature"])


def asked(
    model: Any, inputs: list[dict[str, Any]]
) -> tuple[list[tuple[dict[str, Any], dict[str, Any]]], list[str]]:
    """Return each of `inputs` that the model answers with the answer, and why it refused others."""
    answers, refused = [], []
    for one in inputs:
        try:
            answers.append((one, model.predict(one)))
        except Exception as error:
            refused.append(f"{type(error).__name__}: {error}"[:500])
    return answers, refused


def complete(
    artifact: dict[str, Any], answers: list[tuple[dict[str, Any], dict[str, Any]]]
) -> None:
    """Add to `artifact` what the answers tell: the outputs' fields and an example."""
    inputs, outputs = answers[0]
    signature = artifact["signature"]
    if "outputs" not in signature:
        rows = signature["style"] != "arguments"
        signature["outputs"] = outputs_of(outputs, rows=rows)
        if not rows and any(one["shape"] or one["dtype"] == "JSON" for one in signature["inputs"]):
            for one in signature["outputs"]:  # longer inputs may well give longer outputs
                one["shape"] = [-1 for _ in one["shape"]]
    artifact.setdefault("tolerance", _TOLERANCE)
    artifact.setdefault("batches", False)
    artifact.setdefault("max_batch_size", 64)
    imports = set(artifact.get("imports", ()))
    if signature["style"] == "frame":
        imports.add("pandas")
    # Arrays are what the service then hands over, whether or not the object itself has numpy.
    artifact["numpy"] = any(one["shape"] for one in signature["inputs"])
    artifact["imports"] = sorted(imports | ({"numpy"} if artifact["numpy"] else set()))
    artifact["example"] = examples.body_of(_few_rows(inputs, signature), signature)


def proofs(
    artifact: dict[str, Any], answers: list[tuple[dict[str, Any], dict[str, Any]]]
) -> list[dict[str, Any]]:
    """Return the questions and answers as bodies of POST /predict."""
    signature = artifact["signature"]
    return [
        {"body": examples.body_of(given, signature), "answer": examples.answer_of(got, signature)}
        for given, got in answers
    ]


def outputs_of(outputs: dict[str, Any], *, rows: bool) -> list[dict[str, Any]]:
    """Return the fields of what a model answered."""
    return [field_of(name, value, rows=rows) for name, value in outputs.items()]


def field_of(name: str, value: Any, *, rows: bool) -> dict[str, Any]:
    """Return the field of any value: an array, a number, text, bytes, or JSON."""
    if hasattr(value, "dtype") and hasattr(value, "shape"):
        return fields.of_array(name, value, rows=rows)
    if isinstance(value, bool):
        return fields.field(name, "BOOL", [])
    if isinstance(value, int):
        return fields.field(name, "INT64", [])
    if isinstance(value, float):
        return fields.field(name, "FP64", [])
    if isinstance(value, str):
        return fields.field(name, "BYTES", [])
    if isinstance(value, (bytes, bytearray)):
        return fields.field(name, "BYTES", [], form="base64")
    return fields.field(name, "JSON", [])


def _few_rows(inputs: dict[str, Any], signature: dict[str, Any], most: int = 2) -> dict[str, Any]:
    if signature["style"] == "arguments":
        return inputs
    return {name: array[:most] for name, array in inputs.items()}


def answer(model: Any, artifact: dict[str, Any], body: dict[str, Any]) -> dict[str, Any]:
    """Return the model's answer to a body of POST /predict, or `{"error": ...}`."""
    signature = artifact["signature"]
    try:
        return examples.answer_of(model.predict(examples.read_body(body, signature)), signature)
    except Exception as error:
        return {"error": f"{type(error).__name__}: {error}"[:500]}


def speed(model: Any, artifact: dict[str, Any], bodies: list[dict[str, Any]]) -> float:
    """Return how many times a processor's second is enough for one question, 0.0 where it is refused."""
    for body in bodies:
        inputs = examples.read_body(body, artifact["signature"])
        calls, started, end = 0, time.process_time(), time.monotonic() + _MEASURED_S
        try:
            while time.monotonic() < end or calls < _LEAST_CALLS:
                model.predict(inputs)
                calls += 1
        except Exception:
            return 0.0
        return calls / max(time.process_time() - started, 1e-6)
    return 0.0
