"""Type hints as JSON schemas: what the schema takes is what makes an argument, and nothing else."""

from __future__ import annotations

import dataclasses
import datetime as dt
import enum
import functools
from collections import deque
from collections.abc import Mapping, Sequence
from typing import Annotated, Any, Literal, NamedTuple, NewType, TypedDict

import jsonschema
import pytest
from hypothesis import given
from hypothesis import strategies as st

from jupyter_containerize.guest.adapters import hints, schemas
from jupyter_containerize.guest.adapters.answers import jsonable


class Colour(enum.Enum):
    RED = "red"
    BLUE = "blue"


@dataclasses.dataclass
class Flat:
    rooms: int
    area: float = 1.0
    tags: list[str] = dataclasses.field(default_factory=list)
    inner: Flat | None = None


class Least(TypedDict):
    a: float


class Row(Least, total=False):
    b: Colour


class Point(NamedTuple):
    x: float
    y: float = 2.0


Metres = NewType("Metres", float)
HINTS = [
    list[float], list[list[int]], dict[str, float], Mapping[str, list[bool]], tuple[int, str], tuple[float, ...],
    set[str], Sequence[str], deque[int], list[str] | None, int | str, list[int | None], Literal["a", 1], Colour,
    Flat, list[Flat], Row, Point, Metres, Annotated[float, "m"], dt.date, dict[str, Point], bytes, list, dict,
]  # fmt: skip
JSON = st.recursive(
    st.none() | st.booleans() | st.integers() | st.floats(allow_nan=False) | st.text(max_size=3)
    | st.sampled_from(["red", "a", "2026-01-31"]),
    lambda inner: st.lists(inner, max_size=3)
    | st.dictionaries(st.sampled_from(["rooms", "area", "a", "b", "x", "tags", "inner"]), inner, max_size=3),
)  # fmt: skip
KINDS = {str(hint): hints.kind_of(hint) for hint in HINTS}


def makes(kind, value):
    try:
        kind.make(value, "x")
    except hints.Unfit as problem:
        return not problem.field.startswith("x")  # never: it names where
    return True


@pytest.mark.parametrize("hint", HINTS, ids=str)
def test_samples_fit_and_make_arguments(hint):
    kind = hints.kind_of(hint)
    found = schemas.samples(kind.schema)
    assert found
    for one in found:
        jsonschema.validate(one, kind.schema)
        made = kind.make(one, "x")
        if hint is not bytes:
            assert jsonable(made) == (one if not isinstance(made, set) else sorted(set(one), key=repr)) or hint in (Flat, list[Flat], Point, dict[str, Point])  # fmt: skip


@given(
    st.sampled_from([name for name in KINDS if "date" not in name and "bytes" not in name]), JSON
)
def test_what_the_schema_refuses_makes_no_argument_and_the_other_way_round(name, value):
    kind = KINDS[name]
    try:
        jsonschema.validate(value, kind.schema)
        fits = True
    except jsonschema.ValidationError:
        fits = False
    if fits and "Flat" in name:
        return  # a flat within a flat is only told to be an object
    assert makes(kind, value) == fits


def test_classes_are_made_all_the_way_down():
    made = KINDS[str(Flat)].make(
        {"rooms": 2.0, "tags": ["a"], "inner": {"rooms": 1, "area": 3}}, "flat"
    )
    assert made == Flat(2, 1.0, ["a"], Flat(1, 3.0))
    assert KINDS[str(Row)].make({"a": 1, "b": "red"}, "row") == {"a": 1.0, "b": Colour.RED}
    assert KINDS[str(bytes)].make("YWJj", "x") == b"abc"
    assert KINDS[str(dt.date)].make("2026-01-31", "x") == dt.date(2026, 1, 31)


@pytest.mark.parametrize(
    ("hint", "value", "field", "expected", "got"),
    [
        (list[float], [1, "a"], "x[1]", "a number", "'a' (string)"),
        (list[float], "abc", "x", "an array", "'abc' (string)"),
        (Flat, {"area": 1}, "x.rooms", "a value", "nothing"),
        (Flat, {"rooms": 1, "size": 2}, "x.size", "one of rooms, area, tags, inner", "2 (number)"),
        (Flat, {"rooms": 1, "inner": {"rooms": "a"}}, "x.inner.rooms", "a whole number", "'a' (string)"),
        (dict[str, int], {"a": 1.5}, "x.a", "a whole number", "1.5 (number)"),
        (tuple[int, str], [1], "x", "an array of 2", "an array of 1 element"),
        (Colour, "green", "x", "one of 'red', 'blue'", "'green' (string)"),
        (list[int] | None, ["a"], "x[0]", "a whole number", "'a' (string)"),
        (dt.date, "yesterday", "x", "a date, as 2026-11-28", "'yesterday' (string)"),
        (list[bool], [1], "x[0]", "true or false", "1 (number)"),
        (int, 1e999, "x", "a whole number", "inf (number)"),
    ],
)  # fmt: skip
def test_what_does_not_fit_is_named(hint, value, field, expected, got):
    with pytest.raises(hints.Unfit) as caught:
        hints.kind_of(hint).make(value, "x")
    problem = caught.value
    assert (problem.field, problem.expected, problem.got) == (field, expected, got)


def test_what_only_an_example_can_tell():
    class Odd:
        pass

    @dataclasses.dataclass
    class Holds:
        odd: Odd

    for hint in (Odd, list[Odd], Odd | None, Holds, dict[str, Odd], Sequence[Odd]):
        assert hints.kind_of(hint) is None, hint


def test_hints_are_found_inside_decorators_partials_and_objects():
    def plain(x: list[int], scale=2.0):
        return x

    class Called:
        def __call__(self, x: list[int], scale=2.0):
            return x

        def method(self, x: list[int], scale=2.0):
            return x

    every = (plain, functools.lru_cache(plain), functools.partial(plain), Called(), Called().method)
    for one in every:
        found = hints.of_function(one)
        assert found["x"] == list[int], one
        assert found["scale"] is float


@pytest.mark.parametrize(
    ("value", "plain"),
    [
        (Flat(1, 2.0), {"rooms": 1, "area": 2.0, "tags": [], "inner": None}),
        ([Point(1.0)], [{"x": 1.0, "y": 2.0}]),
        ({Colour.RED: {"b", "a"}}, {"red": ["a", "b"]}),
        ({1: b"abc", "when": dt.date(2026, 1, 2)}, {"1": "YWJj", "when": "2026-01-02"}),
        ((1, (2, None)), [1, [2, None]]),
    ],
)
def test_answers_as_json(value, plain):
    assert jsonable(value) == plain


def test_what_has_no_form_in_json_is_named():
    with pytest.raises(TypeError, match=r"It gives a builtins\.object"):
        jsonable({"a": [object()]})


def test_any_takes_anything():
    assert hints.kind_of(Any).schema == {}
