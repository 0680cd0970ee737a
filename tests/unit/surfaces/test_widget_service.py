from __future__ import annotations

import json

import pytest

from jupyter_containerize.surfaces.widget import service


def artifact(example, **kinds):
    inputs = [{"name": name, "dtype": kind, "shape": [-1]} for name, kind in kinds.items()]
    return {"signature": {"style": "frame", "inputs": inputs, "outputs": []}, "example": example}


def test_a_row_of_plain_values_has_a_field_for_each_input_in_order():
    made = artifact({"rows": [{"city": "Oslo", "age": 3}]}, age="INT64", city="BYTES", late="FP64")
    assert service.fields(made) == {"age": "3", "city": "Oslo", "late": ""}
    assert json.loads(service.body(made, {"age": "4", "city": "7", "late": ""})) == {
        "rows": [{"age": 4, "city": "7"}]
    }, "text stays text, and what is empty is left out"


def test_arguments_are_asked_as_inputs():
    made = artifact({"inputs": {"x": 1.5}}, x="FP64")
    assert json.loads(service.body(made, {"x": "2"})) == {"inputs": {"x": 2}}


@pytest.mark.parametrize(
    "example",
    [None, {"rows": [[1, 2]]}, {"rows": [{"x": [[1.0]]}]}, {"rows": []}, [1, 2], {"rows": [{}]}],
)
def test_anything_else_is_written_as_json(example):
    made = artifact(example, x="FP64")
    assert service.fields(made) == {}
    assert json.loads(service.example(made)) == example


def test_what_is_no_number_is_sent_so_that_the_service_says_so():
    made = artifact({"rows": [{"x": 1}]}, x="FP64")
    assert json.loads(service.body(made, {"x": "old"})) == {"rows": [{"x": "old"}]}


def test_many_inputs_are_written_as_json():
    row = {f"x{number}": 0.0 for number in range(service.MOST_FIELDS + 1)}
    assert service.fields(artifact({"rows": [row]}, **dict.fromkeys(row, "FP64"))) == {}


def test_nobody_there_is_an_answer_too():
    answer = service.ask("http://127.0.0.1:9", "{}")
    assert answer.status == 0
    assert "refused" in answer.text
    assert not service.is_ready("http://127.0.0.1:9")
