from __future__ import annotations

import math

import pytest

from jupyter_containerize.proof.answers import difference

NONE = {"rtol": 0.0, "atol": 0.0}


def differs(expected, actual, *, dtype="FP64", **tolerance):
    outputs = [{"name": "y", "dtype": dtype}]
    return difference(expected, actual, outputs=outputs, tolerance={**NONE, **tolerance})


def test_equal_answers_do_not_differ():
    answer = {
        "rows": [{"y": 1.5, "name": "a", "gone": None}, {"y": -2.0, "name": "b", "gone": None}]
    }
    assert differs(answer, answer) == ""


@pytest.mark.parametrize(
    ("expected", "actual"),
    [
        ({"outputs": {"y": [1.0]}}, {"outputs": {"y": [1.0000001]}}),
        ({"outputs": {"y": [1.0]}}, {"outputs": {"y": [1.0, 2.0]}}),
        ({"outputs": {"y": [1.0]}}, {"outputs": {"z": [1.0]}}),
        ({"outputs": {"y": [None]}}, {"outputs": {"y": [0.0]}}),
        ({"outputs": {"y": ["a"]}}, {"outputs": {"y": ["b"]}}),
        ({"outputs": {"y": [True]}}, {"outputs": {"y": [1]}}),
        ({"outputs": {"y": [1]}}, {"outputs": {"y": [2]}}),
        ({"rows": []}, {"error": "HTTP 500"}),
    ],
)
def test_what_differs_is_told(expected, actual):
    assert differs(expected, actual)


def test_numbers_may_differ_within_the_tolerance_but_whole_ones_not():
    assert differs({"y": 100.0}, {"y": 100.01}, rtol=1e-3) == ""
    assert differs({"y": 0.0}, {"y": 1e-9}, atol=1e-8) == ""
    assert differs({"y": 1000}, {"y": 1001}, rtol=0.1)
    assert differs({"y": math.nan}, {"y": math.nan}) == ""


def test_single_precision_counts_as_equal_where_it_cannot_tell():
    wide, short = 0.10000000149011612, 0.1
    assert differs({"outputs": {"y": [wide]}}, {"outputs": {"y": [short]}}, dtype="FP32") == ""
    assert differs({"outputs": {"y": [wide]}}, {"outputs": {"y": [short]}}, dtype="FP64")


def test_the_place_is_named():
    told = differs({"rows": [{"y": 1}, {"y": 2}]}, {"rows": [{"y": 1}, {"y": 3}]})
    assert told == "rows[1].y: expected 2, got 3"
