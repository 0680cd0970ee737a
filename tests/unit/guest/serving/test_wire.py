"""JSON that we write: the same values with orjson and without."""

from __future__ import annotations

import json
import sys
import types

import pytest
from hypothesis import given
from hypothesis import strategies as st

from jupyter_containerize.guest.serving import wire

VALUES = st.recursive(
    st.none() | st.booleans() | st.integers() | st.floats() | st.text() | st.binary(),
    lambda inner: st.lists(inner, max_size=4) | st.dictionaries(st.text(), inner, max_size=4),
)


@given(VALUES)
def test_whatever_a_model_returns_is_strict_json(value):
    json.loads(wire.dumps(value), parse_constant=pytest.fail)


def test_a_quicker_writer_that_refuses_is_passed_over(monkeypatch):
    def refuse(value, **_):
        raise TypeError("more than 64 bits")

    made = types.SimpleNamespace(dumps=refuse, loads=json.loads, OPT_NON_STR_KEYS=4)
    monkeypatch.setitem(sys.modules, "orjson", made)
    monkeypatch.setattr(wire, "_quick_dumps", None)
    assert wire.accelerate() is json.loads
    assert wire.dumps({"a": 2**70}) == b'{"a":1180591620717411303424}'


def test_numbers_of_a_dict_key_and_sets_are_written():
    assert json.loads(wire.dumps({1: {2}})) == {"1": [2]}
