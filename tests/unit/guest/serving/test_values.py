"""JSON values against a signature: what fits comes out as it went in, the rest is named."""

from __future__ import annotations

import base64
import json

import jsonschema
import pytest
from hypothesis import given
from hypothesis import strategies as st

from jupyter_containerize.guest.problem import CannotStart
from jupyter_containerize.guest.serving.artifact import Artifact, Tensor
from jupyter_containerize.guest.serving.openapi import document, nested
from jupyter_containerize.guest.serving.plain_tensors import PlainTensors
from jupyter_containerize.guest.serving.predict import ask
from jupyter_containerize.guest.serving.problems import Problem
from jupyter_containerize.guest.serving.settings import Settings, read_settings
from jupyter_containerize.guest.serving.wire import dumps

TENSORS = PlainTensors()
LEAVES = {
    "BOOL": st.booleans(),
    "INT8": st.integers(-128, 127),
    "UINT64": st.integers(0, 2**64 - 1),
    "FP32": st.floats(width=32, allow_nan=False, allow_infinity=False),
    "FP64": st.floats(allow_nan=False, allow_infinity=False),
    "BYTES": st.text(st.characters(exclude_categories=["Cs"])),
}
JSON = st.recursive(
    st.none() | st.booleans() | st.integers() | st.floats(allow_nan=False) | st.text(),
    lambda inner: st.lists(inner, max_size=4) | st.dictionaries(st.text(), inner, max_size=4),
)


def artifact(*inputs, style="tensors", batches=True):
    return Artifact(
        folder="", name="m", adapter="a", framework="", style=style, inputs=tuple(inputs),
        outputs=(), batches=batches, max_batch_size=64, example=None, fork_safe=True, raw={},
    )  # fmt: skip


def problem_of(work):
    """The problem that `work` raises, None if it raises none."""
    try:
        work()
    except Problem as problem:
        return problem
    return None


@st.composite
def tensors(draw):
    datatype = draw(st.sampled_from(sorted(LEAVES)))
    shape = tuple(draw(st.lists(st.integers(0, 3), max_size=3)))

    def values(sizes):
        if not sizes:
            return draw(LEAVES[datatype])
        return [values(sizes[1:]) for _ in range(sizes[0])]

    return Tensor("x", datatype, shape), values(shape)


@given(tensors())
def test_what_fits_is_kept(made):
    tensor, value = made
    assert TENSORS.parse(value, tensor, tensor.shape, "x") == value


@given(tensors())
def test_binary_and_back(made):
    tensor, value = made
    if tensor.shape:
        data = memoryview(TENSORS.binary(value, tensor))
        if 0 not in tensor.shape:
            assert TENSORS.parse_binary(data, tensor, tensor.shape, "x") == value


@given(tensors(), JSON)
def test_anything_else_is_a_problem_with_its_field(made, other):
    tensor, _ = made
    problem = problem_of(lambda: TENSORS.parse(other, tensor, tensor.shape, "x"))
    if problem is not None:
        assert problem.status == 422
        assert problem.facts["field"].startswith("x")
        json.loads(dumps(problem.facts))


@given(JSON, st.sampled_from(["tensors", "frame", "arguments"]))
def test_any_body_is_understood_or_a_problem(body, style):
    inputs = (Tensor("a", "FP32", (-1,)), Tensor("b", "BYTES", (-1,), optional=True))
    if style == "arguments":
        inputs = (Tensor("a", "FP32", ()), Tensor("b", "JSON", (), optional=True))
    made = artifact(*inputs, style=style, batches=style != "arguments")
    problem = problem_of(lambda: ask(body, made, TENSORS))
    assert problem is None or problem.facts["expected"]


def test_missing_values_of_a_frame():
    inputs = (Tensor("n", "FP64", (-1,), optional=True), Tensor("t", "BYTES", (-1,), optional=True))
    asked = ask({"rows": [{"n": 1, "t": None}, {}]}, artifact(*inputs, style="frame"), TENSORS)
    (call,) = asked.calls
    assert call["t"] == [None, None]
    assert call["n"][0] == 1
    assert call["n"][1] != call["n"][1]  # NaN


def test_bytes_come_as_base64():
    tensor = Tensor("x", "BYTES", (), format="base64")
    text = base64.b64encode(b"\x00\xff").decode()
    assert TENSORS.parse(text, tensor, (), "x") == b"\x00\xff"
    with pytest.raises(Problem):
        TENSORS.parse("no base64!", tensor, (), "x")


def test_what_json_lacks_becomes_null():
    assert dumps({"a": [1.5, float("nan"), float("inf")]}) == b'{"a":[1.5,null,null]}'


def test_the_schema_says_the_same_as_the_checks():
    for tensor, good, bad in (
        (Tensor("x", "INT8", (2,)), [1, -128], [1, 128]),
        (Tensor("x", "FP32", (-1, 1)), [[1.5]], [[1.5, 2]]),
        (Tensor("x", "BOOL", (), optional=True), None, 1),
        (Tensor("x", "BYTES", (), format="base64"), "AAAA", "A"),
    ):
        jsonschema.validate(good, nested(tensor, tensor.shape))
        TENSORS.parse(good, tensor, tensor.shape, "x")
        with pytest.raises(jsonschema.ValidationError):
            jsonschema.validate(bad, nested(tensor, tensor.shape))
        with pytest.raises(Problem):
            TENSORS.parse(bad, tensor, tensor.shape, "x")


def test_the_document_names_every_endpoint():
    paths = document(artifact(Tensor("x", "FP32", (-1,))), Settings())["paths"]
    assert {"/predict", "/v2/models/m/infer", "/metrics", "/docs", "/"} <= set(paths)


def test_settings_are_read_once_and_all_mistakes_told_together():
    assert read_settings({"CONTAINERIZE_PORT": "9", "CONTAINERIZE_ACCESS_LOG": "no"}) == Settings(
        port=9, access_log=False
    )
    with pytest.raises(CannotStart) as caught:
        read_settings({"CONTAINERIZE_PORT": "x", "CONTAINERIZE_TIMEOUT_SECONDS": "inf"})
    assert "CONTAINERIZE_PORT" in str(caught.value)
    assert "CONTAINERIZE_TIMEOUT_SECONDS" in str(caught.value)


def test_a_float_may_be_as_large_as_what_rounds_to_the_largest():
    assert TENSORS.parse(3.4028235e38, Tensor("x", "FP32", ()), (), "x") == 3.4028235e38
    assert problem_of(lambda: TENSORS.parse(3.403e38, Tensor("x", "FP32", ()), (), "x"))
    assert problem_of(lambda: TENSORS.parse(65520, Tensor("x", "FP16", ()), (), "x"))


def test_lists_side_by_side_are_as_long_as_one_another():
    tensor = Tensor("x", "FP32", (-1, -1))
    assert TENSORS.parse([[1, 2], [3, 4]], tensor, tensor.shape, "x") == [[1, 2], [3, 4]]
    problem = problem_of(lambda: TENSORS.parse([[1, 2], [3]], tensor, tensor.shape, "x"))
    assert problem.facts["field"] == "x[1]"
    assert problem.facts["expected"] == "an array (2) of FP32"
