"""Other people's clients against the service: Triton's, and schemathesis with our own OpenAPI."""

from __future__ import annotations

import subprocess
import sys
from pathlib import Path

import pytest

TESTS = Path(__file__).resolve().parents[1]
ECHO = {
    "plain": """
return {'y': [[2 * v for v in row] for row in inputs['x']],
        'n': [[v + 1 for v in row] for row in inputs['i']],
        'text': inputs['text'], 'flag': inputs['flag']}
""",
    "numpy": """
return {'y': inputs['x'] * 2, 'n': inputs['i'] + 1, 'text': inputs['text'], 'flag': inputs['flag']}
""",
}


@pytest.fixture(params=["numpy", "plain"])
def typed(request, service_runs, environment):
    """A service with tensors of four datatypes."""
    numpy, tensor = request.param == "numpy", service_runs.tensor
    run = service_runs.ServiceRun(
        ECHO[request.param],
        load="import numpy" if numpy else "pass",
        python=environment("science") if numpy else sys.executable,
        inputs=[
            tensor("x"),
            tensor("i", "INT64", [-1, 1]),
            tensor("text", "BYTES", [-1, 1]),
            tensor("flag", "BOOL", [-1, 1]),
        ],
        outputs=[
            tensor("y"),
            tensor("n", "INT64", [-1, 1]),
            tensor("text", "BYTES", [-1, 1]),
            tensor("flag", "BOOL", [-1, 1]),
        ],
    )
    with run:
        yield run.start(workers=2)


def test_tritonclient_by_json_and_by_binary(typed, environment):
    command = [environment("clients"), str(TESTS / "triton_client.py"), f"127.0.0.1:{typed.port}"]
    done = subprocess.run(command, capture_output=True, text=True, timeout=120)
    assert done.stdout.endswith("all equal\n"), done.stderr + typed.log[-2000:]


def test_all_ways_to_read_json_take_the_same(environment):
    command = [environment("numbers"), str(TESTS / "tensor_agreement.py"), "1000"]
    done = subprocess.run(command, capture_output=True, text=True, timeout=280)
    assert done.stdout.endswith("all equal\n"), done.stderr


FRAME = """
rows = len(inputs['age'])
return {'label': ['yes'] * rows, 'score': [0.5] * rows}
"""
CALL = "return {'said': {'x': inputs['x'], 'data': inputs.get('data')}}"


@pytest.fixture(params=["tensors", "lists", "frame", "arguments"])
def any_style(request, service_runs, environment):
    """A service of each style of signature."""
    tensor, style = service_runs.tensor, request.param
    more = {}
    if style in ("tensors", "lists"):
        source = ECHO["numpy"] if style == "tensors" else "return inputs"
        inputs = [
            tensor("x"), tensor("i", "INT64", [-1]), tensor("text", "BYTES", [-1, 2]),
            tensor("flag", "BOOL", [-1]),
        ]  # fmt: skip
        outputs = []
        if style == "tensors":
            more = {"load": "import numpy", "python": environment("science")}
        style = "tensors"
    elif style == "frame":
        source = FRAME
        inputs = [
            tensor("age", "FP64", [-1]), tensor("city", "BYTES", [-1], categories=["a"]),
            tensor("n", "INT8", [-1], optional=True), tensor("raw", "BYTES", [-1], format="base64"),
        ]  # fmt: skip
        outputs = [tensor("label", "BYTES", [-1]), tensor("score", "FP64", [-1])]
    else:
        source = CALL
        inputs = [tensor("x", "FP64", []), tensor("data", "JSON", [], optional=True)]
        outputs = [tensor("said", "JSON", [])]
        more = {"batches": False}
    run = service_runs.ServiceRun(source, inputs=inputs, outputs=outputs, style=style, **more)
    with run:
        yield run.start(workers=1)


def test_schemathesis_finds_no_500_and_no_answer_that_the_document_does_not_name(
    any_style, environment
):
    """Against the service's own OpenAPI document, with wrong data and right data."""
    checks = (
        "not_a_server_error,status_code_conformance,content_type_conformance,"
        "response_schema_conformance,negative_data_rejection,unsupported_method"
    )
    command = [
        str(Path(environment("clients")).with_name("schemathesis")),
        "run",
        f"http://127.0.0.1:{any_style.port}/openapi.json",
        *("--checks", checks),
        *("--phases", "examples,coverage,fuzzing"),
        *("--max-examples", "20"),
        *("--suppress-health-check", "all"),
        *("--seed", "1", "--generation-deterministic"),
    ]
    done = subprocess.run(
        command, capture_output=True, text=True, timeout=280, cwd=any_style.folder
    )
    assert done.returncode == 0, done.stdout[-6000:] + done.stderr[-2000:]
    assert not any_style.events_of("error"), any_style.events_of("error")[0]
    assert not any_style.events_of("worker-died")
    assert any_style.metric('containerize_requests_total{endpoint="predict",code="200"}') > 0
    assert any_style.metric('containerize_requests_total{endpoint="predict",code="422"}') > 0
