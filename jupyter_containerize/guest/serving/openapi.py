"""The service's OpenAPI 3.1 document, made from the signature."""

from __future__ import annotations

import math
from typing import Any

from . import infer
from .artifact import Artifact, Tensor
from .settings import Settings
from .values import FLOATS, INTEGERS

_MOST_EXAMPLE_NUMBERS = 4096  # what a page can show

Schema = dict[str, Any]


def document(artifact: Artifact, settings: Settings) -> Schema:
    """Return the document."""
    base = f"/v2/models/{artifact.quoted_name}"
    one_ready = {"type": "object", "properties": {"ready": {"const": True}}, "required": ["ready"]}
    live = {"type": "object", "properties": {"live": {"const": True}}, "required": ["live"]}
    paths: dict[str, Any] = {
        "/predict": {"post": _predict(artifact)},
        f"{base}/infer": {"post": _infer(artifact)},
        base: {"get": _get("Names, datatypes and shapes of the model", _model_schema())},
        f"{base}/ready": {"get": _get("Whether the model answers", one_ready, ready=True)},
        "/v2": {"get": _get("Name and extensions of this server", _server_schema())},
        "/v2/health/live": {"get": _get("Whether the service runs", live)},
        "/v2/health/ready": {"get": _get("Whether the service answers", one_ready, ready=True)},
        "/metrics": {"get": _text("Counts and times for Prometheus", "text/plain")},
        "/docs": {"get": _text("This document, to read", "text/html")},
        "/openapi.json": {"get": _get("This document", {"type": "object"})},
        "/": {"get": _text("The signature, and a form to try it", "text/html")},
    }
    limit = settings.max_body_bytes
    return {
        "openapi": "3.1.0",
        "info": {
            "title": artifact.name,
            "version": infer.VERSION,
            "description": f"{artifact.framework}. Bodies of up to {limit:,} bytes, gzip and deflate too.",
        },
        "paths": paths,
        "components": {"schemas": {"Problem": _problem_schema()}},
    }


def _predict(artifact: Artifact) -> Schema:
    example = example_of(artifact)
    media: Schema = {"schema": _question(artifact)}
    if example is not None:
        media["example"] = example
    return {
        "operationId": "predict",
        "summary": "Ask the model with rows or inputs; the answer has the same form",
        "requestBody": {"required": True, "content": {"application/json": media}},
        "responses": {
            "200": _json("What the model says", _answer(artifact)),
            **_problems(400, 413, 415, 422, 429, 500, 503, 504),
        },
    }


def _question(artifact: Artifact) -> Schema:
    columns = {tensor.name: _row_schema(artifact, tensor) for tensor in artifact.inputs}
    required = [tensor.name for tensor in artifact.inputs if not tensor.optional]
    row = _object(columns, required)
    rows: Schema = {"type": "array", "items": row}
    bare = _bare_row(artifact)
    whole = {tensor.name: nested(tensor, tensor.shape) for tensor in artifact.inputs}
    forms = [
        _object({"rows": rows}, ["rows"]),
        _object({"inputs": _object(whole, required)}, ["inputs"]),
    ]
    if bare is not None:
        rows_bare = {"type": "array", "items": bare}
        forms += [_object({"rows": rows_bare}, ["rows"]), rows_bare]
    return {"anyOf": [*forms, rows]}


def _bare_row(artifact: Artifact) -> Schema | None:
    """Return the schema of a row that is a list in the signature's order, or the one value."""
    parts = [_row_schema(artifact, tensor) for tensor in artifact.inputs]
    if len(parts) == 1 and artifact.style != "frame":
        return None if artifact.inputs[0].datatype == "JSON" else parts[0]
    if not parts:
        return None
    return {"type": "array", "prefixItems": parts, "minItems": len(parts), "maxItems": len(parts)}


def _row_schema(artifact: Artifact, tensor: Tensor) -> Schema:
    return nested(tensor, artifact.row_shape(tensor))


def _answer(artifact: Artifact) -> Schema:
    return {
        "oneOf": [
            _object({"rows": {"type": "array"}}, ["rows"]),
            _object({"outputs": {"type": "object"}}, ["outputs"]),
        ],
        "description": ", ".join(
            f"{tensor.name}: {tensor.datatype} {list(tensor.shape)}" for tensor in artifact.outputs
        ),
    }


def _infer(artifact: Artifact) -> Schema:
    names = [tensor.name for tensor in artifact.inputs]
    sizes = {"type": "array", "items": {"type": "integer", "minimum": 0}}
    tensor = {
        "type": "object",
        "properties": {
            "name": {"enum": names} if names else {"type": "string"},
            "shape": sizes,
            "datatype": {
                "enum": sorted({one.wire_datatype for one in artifact.inputs}) or ["FP32"]
            },
            "data": {"type": "array"},
            "parameters": {"type": "object"},
        },
        "required": ["name", "shape", "datatype"],
    }
    answered = {
        "type": "object",
        "properties": {
            "name": {"type": "string"},
            "shape": sizes,
            "datatype": {"type": "string"},
            "data": {"type": "array"},
        },
        "required": ["name", "shape", "datatype"],
    }
    question = {
        "type": "object",
        "properties": {
            "id": {"type": "string"},
            "inputs": {"type": "array", "items": tensor},
            "outputs": {"type": "array", "items": {"type": "object"}},
            "parameters": {"type": "object"},
        },
        "required": ["inputs"],
    }
    answer = {
        "type": "object",
        "properties": {
            "model_name": {"const": artifact.name},
            "model_version": {"const": infer.VERSION},
            "id": {"type": "string"},
            "outputs": {"type": "array", "items": answered},
        },
        "required": ["model_name", "outputs"],
    }
    return {
        "operationId": "infer",
        "summary": "Ask the model by the Open Inference Protocol, version 2",
        "description": "Tensors may follow the JSON as bytes (the binary tensor data extension).",
        "requestBody": {"required": True, "content": {"application/json": {"schema": question}}},
        "responses": {
            "200": _json("The outputs", answer),
            **_problems(400, 413, 415, 422, 429, 500, 503, 504),
        },
    }


def nested(tensor: Tensor, shape: tuple[int, ...]) -> Schema:
    """Return the JSON schema of nested arrays of `shape`."""
    if not shape:
        return _leaf(tensor)
    schema: Schema = {"type": "array", "items": nested(tensor, shape[1:])}
    if shape[0] >= 0:
        schema.update(minItems=shape[0], maxItems=shape[0])
    return schema


def _leaf(tensor: Tensor) -> Schema:
    datatype = tensor.datatype
    schema: Schema
    if datatype == "JSON":
        known = tensor.schema or {}
        return {"anyOf": [known, {"type": "null"}]} if known and tensor.optional else known
    if datatype == "BOOL":
        schema = {"type": "boolean"}
    elif datatype in INTEGERS:
        low, high = INTEGERS[datatype]
        schema = {"type": "integer", "minimum": low, "maximum": high}
    elif datatype in FLOATS:
        schema = {"type": "number", "description": f"rounded to {datatype}"}
    elif tensor.format == "base64":
        schema = {"type": "string", "contentEncoding": "base64", "pattern": _BASE64}
    else:
        schema = {"type": "string"}
    if tensor.categories:
        schema["examples"] = list(tensor.categories[:20])
    if tensor.optional:
        schema["type"] = [schema["type"], "null"]
    return schema


_BASE64 = "^(?:[A-Za-z0-9+/]{4})*(?:[A-Za-z0-9+/]{2}==|[A-Za-z0-9+/]{3}=)?$"


def example_of(artifact: Artifact) -> Any:
    """Return a body for `/predict`: the artifact's, or one of zeros; None if that is too large."""
    if artifact.example is not None:
        return artifact.example
    size = sum(math.prod(abs(n) for n in artifact.row_shape(one)) for one in artifact.inputs)
    if size > _MOST_EXAMPLE_NUMBERS:
        return None
    row = {one.name: _zeros(one, artifact.row_shape(one)) for one in artifact.inputs}
    return {"rows": [row]}


def _zeros(tensor: Tensor, shape: tuple[int, ...]) -> Any:
    if shape:
        return [_zeros(tensor, shape[1:])] * abs(shape[0])
    if tensor.categories:
        return tensor.categories[0]
    if tensor.datatype == "BYTES":
        return "dGV4dA==" if tensor.format == "base64" else "text"
    return {"BOOL": False, "JSON": None}.get(tensor.datatype, 0)


def _object(properties: Schema, required: list[str]) -> Schema:
    return {
        "type": "object",
        "properties": properties,
        "required": required,
        "additionalProperties": False,
    }


def _get(summary: str, schema: Schema, *, ready: bool = False) -> Schema:
    responses = {"200": _json(summary, schema)}
    if ready:
        responses.update(_problems(503))
    return {"summary": summary, "responses": responses}


def _text(summary: str, kind: str) -> Schema:
    content = {kind: {"schema": {"type": "string"}}}
    return {"summary": summary, "responses": {"200": {"description": summary, "content": content}}}


def _json(description: str, schema: Schema) -> Schema:
    return {"description": description, "content": {"application/json": {"schema": schema}}}


def _problems(*codes: int) -> Schema:
    meanings = {
        400: "No JSON, or not of this form",
        413: "The body is too large",
        415: "A Content-Encoding that is not known here",
        422: "A value that does not fit the signature",
        429: "Too many requests wait; try again after Retry-After seconds",
        500: "The model failed; the log has the id with a traceback",
        503: "Not ready, or stopping; try again after Retry-After seconds",
        504: "The model took too long",
    }
    problem = {"$ref": "#/components/schemas/Problem"}
    return {str(code): _json(meanings[code], problem) for code in codes}


def _problem_schema() -> Schema:
    text = {"type": "string"}
    return {
        "type": "object",
        "properties": {"error": text, "field": text, "expected": text, "got": text, "id": text},
        "required": ["error"],
    }


def _server_schema() -> Schema:
    strings = {"type": "array", "items": {"type": "string"}}
    return _object(
        {"name": {"type": "string"}, "version": {"type": "string"}, "extensions": strings},
        ["name", "version", "extensions"],
    )


def _model_schema() -> Schema:
    tensor = {
        "type": "object",
        "properties": {
            "name": {"type": "string"},
            "datatype": {"type": "string"},
            "shape": {"type": "array", "items": {"type": "integer"}},
        },
        "required": ["name", "datatype", "shape"],
    }
    tensors = {"type": "array", "items": tensor}
    return {
        "type": "object",
        "properties": {
            "name": {"type": "string"},
            "versions": {"type": "array", "items": {"type": "string"}},
            "platform": {"type": "string"},
            "inputs": tensors,
            "outputs": tensors,
        },
        "required": ["name", "platform", "inputs", "outputs"],
    }
