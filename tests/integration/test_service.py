"""The inference guest over real HTTP: what it answers, with numpy and without."""

from __future__ import annotations

import json
import struct
import sys

import pytest

DOUBLE = "return {'y': [[2 * v for v in row] for row in inputs['x']]}"
DOUBLE_NUMPY = "return {'y': inputs['x'] * 2}"


@pytest.fixture(scope="module", params=["numpy", "plain"])
def doubling(request, service_runs, environment):
    """A model that doubles rows of three numbers."""
    numpy = request.param == "numpy"
    run = service_runs.ServiceRun(
        DOUBLE_NUMPY if numpy else DOUBLE,
        load="import numpy" if numpy else "pass",
        python=environment("science") if numpy else sys.executable,
        inputs=[service_runs.tensor("x")],
        outputs=[service_runs.tensor("y")],
    )
    with run:
        yield run.start(workers=1)


def test_predict_mirrors_the_form_of_the_question(doubling):
    assert doubling.predict({"rows": [{"x": [1, 2, 3.5]}]}).json == {"rows": [{"y": [2, 4, 7]}]}
    assert doubling.predict({"rows": [[1, 2, 3], [4, 5, 6]]}).json == {
        "rows": [[2, 4, 6], [8, 10, 12]]
    }
    assert doubling.predict([[1, 2, 3]]).json == {"rows": [[2, 4, 6]]}
    assert doubling.predict({"inputs": {"x": [[1, 2, 3]]}}).json == {"outputs": {"y": [[2, 4, 6]]}}
    assert doubling.predict({"rows": []}).json == {"rows": []}


def test_infer_with_json(doubling):
    tensor = {"name": "x", "shape": [2, 3], "datatype": "FP32", "data": [1, 2, 3, 4, 5, 6]}
    answer = doubling.infer(tensor, id="mine")
    assert answer.status == 200
    assert answer.json == {
        "model_name": "model",
        "model_version": "1",
        "id": "mine",
        "outputs": [
            {"name": "y", "datatype": "FP32", "shape": [2, 3], "data": [2, 4, 6, 8, 10, 12]}
        ],
    }
    nested = {**tensor, "data": [[1, 2, 3], [4, 5, 6]]}
    assert doubling.infer(nested).json["outputs"] == answer.json["outputs"]


def test_infer_with_binary_tensors(doubling):
    head = json.dumps(
        {
            "inputs": [
                {
                    "name": "x",
                    "shape": [1, 3],
                    "datatype": "FP32",
                    "parameters": {"binary_data_size": 12},
                }
            ],
            "outputs": [{"name": "y", "parameters": {"binary_data": True}}],
        }
    ).encode()
    answer = doubling.post(
        "/v2/models/model/infer",
        head + struct.pack("<3f", 1, 2, 3),
        **{"Inference-Header-Content-Length": str(len(head))},
    )
    assert answer.status == 200, answer
    length = int(answer.headers["inference-header-content-length"])
    described = json.loads(answer.body[:length])["outputs"][0]
    assert described["parameters"] == {"binary_data_size": 12}
    assert "data" not in described
    assert struct.unpack("<3f", answer.body[length:]) == (2, 4, 6)


@pytest.mark.parametrize(
    ("body", "field", "expected"),
    [
        ({"rows": [{"x": [1, 2, "a"]}]}, "rows[0].x[2]", "a number (FP32)"),
        ({"rows": [{"x": [1, 2, 3]}, {"x": [1, 2]}]}, "rows[1].x", "an array (3) of FP32"),
        ({"rows": [{"y": 1}]}, "rows[0].y", "one of x"),
        ({"rows": [{}]}, "rows[0].x", "a value"),
        ({"rows": 3}, "rows", "an array"),
        ({"inputs": {"x": [[1, None, 3]]}}, "inputs.x[0][1]", "a number (FP32)"),
        ({"inputs": {"x": [[1, 1e39, 3]]}}, "inputs.x[0][1]", "a number (FP32) below"),
        ("text", "body", "JSON"),
        ('{"rows": [[NaN, 1, 2]]}', "body", "JSON"),
        ({"row": []}, "body", '{"rows": [...]}'),
    ],
)
def test_wrong_input_is_told_with_its_field(doubling, body, field, expected):
    answer = doubling.predict(body)
    assert answer.status == (400 if field == "body" and isinstance(body, str) else 422)
    assert answer.json["field"] == field
    assert answer.json["expected"].startswith(expected)
    assert answer.json["got"]
