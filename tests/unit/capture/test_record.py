from __future__ import annotations

import json

import pytest

from jupyter_containerize.capture import record
from jupyter_containerize.capture.probe import RECORD_VERSION
from jupyter_containerize.errors import ContainerizeError


def code_of(text):
    with pytest.raises(ContainerizeError) as raised:
        record.parse(text)
    return raised.value.code


def test_the_probe_writes_what_is_read_here():
    assert record.RECORD_VERSION == RECORD_VERSION


def test_a_newer_record_is_refused_with_both_versions():
    with pytest.raises(ContainerizeError) as raised:
        record.check({"version": 99})
    assert raised.value.code == "record-too-new"
    assert "99" in raised.value.what
    assert str(record.RECORD_VERSION) in raised.value.what


@pytest.mark.parametrize(
    "data", [None, [], {}, {"version": "1"}, {"version": 1}, {"version": 1, "pid": "x"}]
)
def test_anything_else_is_a_bad_format(data):
    assert code_of(json.dumps(data)) == "bad-format"


def test_broken_json():
    assert code_of("{") == "bad-format"
    assert code_of(b"\xff") == "bad-format"
