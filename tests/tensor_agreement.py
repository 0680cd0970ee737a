"""Whether all ways to read JSON take the same; runs where numpy, simdjson and hypothesis are (`numbers`).

`python tensor_agreement.py [EXAMPLES]`: arrays and nested lists, and large bodies of numbers with and
without simdjson. What one refuses the other must refuse, and what they take must be equal. Any
difference raises.
"""

from __future__ import annotations

import functools
import json
import sys
import types
from pathlib import Path

import numpy as np
from hypothesis import example, given, settings
from hypothesis import strategies as st

sys.path.insert(0, str(Path(__file__).resolve().parents[1]))
from jupyter_containerize.guest.serving import inference, numbers, predict
from jupyter_containerize.guest.serving.artifact import Artifact, Tensor
from jupyter_containerize.guest.serving.numpy_tensors import NumpyTensors
from jupyter_containerize.guest.serving.plain_tensors import PlainTensors
from jupyter_containerize.guest.serving.problems import Problem
from jupyter_containerize.guest.serving.values import FLOATS, INTEGERS

EXAMPLES = int(sys.argv[1]) if len(sys.argv) > 1 else 1000
EDGES = sorted({edge + step for pair in INTEGERS.values() for edge in pair for step in (-1, 0, 1)})
LIMITS = [sign * limit * factor for limit in list(FLOATS.values())[:2] for factor in (1, 1 + 1e-7, 2)
          for sign in (1, -1)]  # fmt: skip
LEAVES = {
    "number": st.floats(allow_nan=False, allow_infinity=False) | st.sampled_from(LIMITS),
    "whole": st.integers(-3, 300) | st.sampled_from(EDGES) | st.integers(),
    "boolean": st.booleans(),
    "other": st.none() | st.text(max_size=3) | st.just({}),
}
HIDDEN = ", [" + "1, " * 80 + "[1]]"  # which simdjson would flatten
SHAPES = [(-1,), (-1, 2), (-1, -1), (2,), (-1, 2, 1)]


def mixed(kinds):
    return st.one_of([LEAVES[kind] for kind in kinds])


@st.composite
def nested(draw):
    """Lists nested alike almost everywhere, of leaves of one or a few kinds."""
    kinds = draw(st.lists(st.sampled_from(sorted(LEAVES)), min_size=1, max_size=2))
    leaf = mixed(kinds)
    for size in draw(st.lists(st.integers(0, 3), min_size=1, max_size=3)):
        one = st.lists(leaf, min_size=size, max_size=size)
        leaf = one if draw(st.integers(0, 9)) else one | leaf
    return draw(leaf)


def outcome(work):
    """What `work` returns as nested lists, or which element it refuses."""
    try:
        value = work()
    except Problem as problem:
        return "refused", problem.facts
    return "taken", np.asarray(value, object).tolist()


@settings(max_examples=EXAMPLES, deadline=None, derandomize=True)
@given(
    data=nested(),
    datatype=st.sampled_from(sorted({*INTEGERS, *FLOATS, "BOOL"})),
    shape=st.sampled_from(SHAPES),
    optional=st.booleans(),
)
@example(data=[False, 0, 0], datatype="FP32", shape=(-1,), optional=False)
@example(data=[[True, 2]], datatype="INT64", shape=(-1, 2), optional=False)
@example(data=[[[0.5], [False]]], datatype="FP64", shape=(-1, 2, 1), optional=True)
@example(data=[3.4028235e38], datatype="FP32", shape=(-1,), optional=False)
def parse_alike(data, datatype, shape, optional):
    tensor = Tensor("x", datatype, shape, optional=optional)
    compare(lambda tensors: tensors.parse(data, tensor, shape, "x"), tensor)
    if isinstance(data, list):
        compare(lambda tensors: tensors.parse_flat(data, tensor, (len(data),), "x"), tensor)
        compare(lambda tensors: tensors.parse_flat(data, tensor, (len(data), 2), "x"), tensor)


def compare(parse, tensor):
    arrays = NumpyTensors(np)
    many = outcome(lambda: parse(arrays))
    one = outcome(
        lambda: np.array(parse(PlainTensors()), arrays._dtype_in(tensor))
    )  # rounded alike
    assert repr(many) == repr(one), (many, one)  # NaN is NaN


@settings(max_examples=EXAMPLES, deadline=None, derandomize=True)
@given(
    rows=st.lists(st.tuples(nested(), st.integers(0, 80)), min_size=1, max_size=3),
    datatype=st.sampled_from(sorted({*INTEGERS, *FLOATS, "BOOL", "BYTES"})),
    tail=st.sampled_from(["", ", []", ", [1]", ', {"x": 1}', ", true", ", null", ' , "["', ","]),
)
@example(rows=[([1], 80)], datatype="INT64", tail=", [1]")
@example(rows=[([1], 81)], datatype="INT64", tail=HIDDEN)
@example(rows=[([2**63], 80)], datatype="UINT64", tail="")
@example(rows=[([2**53 + 1], 80)], datatype="UINT64", tail="")
@example(rows=[([0.1], 80)], datatype="FP64", tail="")
@example(rows=[([1], 80), ([True], 80)], datatype="FP32", tail="")
def read_alike(rows, datatype, tail):
    tensor = Tensor("x", datatype, (-1, -1))
    made = Artifact(
        folder="", name="m", adapter="a", framework="", style="tensors", inputs=(tensor,),
        outputs=(), batches=True, max_batch_size=64, example=None, fork_safe=True, raw={},
    )  # fmt: skip
    written = ", ".join(
        json.dumps(one * more if isinstance(one, list) else one) for one, more in rows
    )
    for text in (f'{{"inputs": {{"x": [{written}{tail}]}}}}', f"[{written}{tail}]"):
        quick, usual = (
            outcome(functools.partial(asked, text, made, reader)) for reader in (READER, None)
        )
        assert repr(quick) == repr(usual), (quick, usual)


def asked(text, artifact, reader):
    """The input that the model would get."""
    model = types.SimpleNamespace(fast_numbers=reader, fast_loads=None)
    understood = inference.Inference(model, None, None)._understood
    tensors = NumpyTensors(np)
    found = understood(memoryview(text.encode()), lambda body: predict.ask(body, artifact, tensors))
    return found.calls[0]["x"]


parse_alike()
inference.LARGE_BYTES = numbers._BYTES_A_LIST = 0
READER = numbers.number_reader(np)
assert READER(memoryview(b'{"x": [' + b"1.5, " * 100 + b"2]}"))["x"].shape == (101,)
read_alike()
print("all equal")
