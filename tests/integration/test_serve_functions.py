"""Functions with what they use from cells: saved in a kernel, made again in a fresh process."""

from __future__ import annotations

import asyncio
import json

import pytest

from jupyter_containerize.errors import ContainerizeError
from jupyter_containerize.guest.adapters.finishing import finished

CELLS = [
    """
import math, re, threading, sqlite3
import datetime as dt
from dataclasses import dataclass, field
from functools import lru_cache, partial, wraps
import decimal
from typing import Optional, TypedDict
from decimal import Decimal
import enum
SCALE = 2.5
TABLE = {"a": 1, "b": [1, 2, (3, 4)], "when": dt.date(2026, 1, 2)}
WORDS = re.compile("[a-z]+")
TRAINING_DATA = list(range(1_000_000))
class Colour(enum.Enum):
    RED = "red"
    BLUE = "blue"
""",
    """
@dataclass
class Point:
    x: float
    y: float = 1.0
    colour: Colour = Colour.RED

    def norm(self):
        return math.hypot(self.x, self.y) * SCALE

def helper(x):
    return Point(x).norm() + TABLE["b"][2][0]

def doubled(function):
    @wraps(function)
    def inner(*given):
        return 2 * function(*given)
    return inner

@lru_cache(maxsize=None)
def cached(x):
    return helper(x)

@doubled
def predict(x: float, text: str = "abc") -> float:
    return cached(x) + len(WORDS.findall(text)) + TABLE["when"].year

def make(k):
    def inner(x: int):
        return x * k * SCALE
    return inner

tripled = make(3)
by_lambda = lambda x: x * SCALE; other = lambda x: x

def even(n: int) -> bool:
    return n == 0 or odd(n - 1)

def odd(n: int) -> bool:
    return n != 0 and even(n - 1)

class Service:
    limit = 10
    def __init__(self):
        self.k, self.point, self.seen = 3, Point(2.0, colour=Colour.BLUE), {"a", "b"}
        self.rate = Decimal("0.5")
    def __call__(self, x: int):
        return min(self.k * x, self.limit) + self.point.norm()
    def described(self, word: str, times: int = 2):
        return {"upper": word.upper() * times, "colour": self.point.colour.name, "n": len(self.seen)}

service = Service()

def image(data: bytes) -> dict:
    return {"size": len(data), "head": data[:2]}

def portrait(picture: bytes): raise ValueError("no picture")

async def later(x: float):
    import asyncio
    await asyncio.sleep(0)
    return x + 1

def counts(n: int):
    yield from range(abs(n) % 4)

class Fitted:
    def predict(self, x): return x
fitted = Fitted()
def moves(point: Point): return point.x
def sent(points): return [point.x for point in points]

class Row(TypedDict):
    when: dt.date
    notes: Optional[list[str]]

def total(rows: list[Row], weights: dict[str, float] = {}) -> Row:
    late = max([row["when"] for row in rows], default=dt.date(2026, 1, 1))
    return {"when": late, "notes": sorted(weights), "seen": {1, 2}, "at": Point(float(len(rows)))}

async def shifted(point: Point, by: Optional[list[float]] = None) -> Point:
    return Point(point.x + sum(by or []), point.y, point.colour)

def any_kind(document: dict):
    return sorted((document or {}).items())

file = open("open.txt", "w+")
lock = threading.Lock()
connection = sqlite3.connect(":memory:")
def reads(x: int): return file.read() + str(x)
def locks(x: int):
    with lock: return x
def asks(x: int): return connection.execute("select 1").fetchall()
def lost(x: int): return x + gone
class Holder:
    def __init__(self): self.parts = [lock]
    def __call__(self, x: int): return x
holder = Holder()
generator = (n for n in range(3))
def consumes(x: int): return next(generator)
def fails(x: int): raise RuntimeError("it never works")
class Steps:
    first = 2
    second = first + 1
    def plus(self, x: int): return x + self.second + SCALE
    __call__ = plus
steps = Steps()
calls = 5
def counted(x: int):
    global calls
    calls += 1
    return x + (calls > 5)
number = 5
class Forgetful:
    def __call__(self, x: int): return x
    def __setstate__(self, state): raise KeyError("the key of this process")
forgetful = Forgetful()
import os
HERE = os.getpid()
def elsewhere(x: int): return x + (os.getpid() == HERE)
""",
]
GOOD = [
    "predict", "tripled", ("by_lambda", "4"), "even", "service", "service.described", "image",
    "later", "counts", ("any_kind", "{'b': 1, 'a': [2]}"), "partial(make(2))", ("math.sqrt", "2.0"),
    "steps", "counted", "total", "shifted", ("moves", "Point(1.0)"),
]  # fmt: skip
BAD = {
    "nothing_here": "no-such-object",
    "predct": "no-such-object",
    "x +": "bad-expression",
    "number": "no-adapter",
    "fitted": "no-adapter",
    "reads": "open-file",
    "locks": "lock",
    "holder": "lock",
    "asks": "connection",
    "lost": "name-gone",
    "consumes": "not-saved",
    "fails": "example-needed",
    "sent": "example-needed",
    "portrait": "example-needed",
}


@pytest.fixture(scope="module")
def saved(serving_kernel):
    names = [
        *GOOD,
        *BAD,
        *("forgetful", "elsewhere"),
        ("sent", "[Point(1.0)]"),
        ("predict", "'text'"),
        ("predict", "undefined"),
    ]
    cells = [CELLS[0].replace("SCALE", "SCALE"), CELLS[1]]
    found = serving_kernel("bare").save(cells, names)
    keys = [one if isinstance(one, str) else one[0] for one in [*GOOD, *BAD]]
    return {
        **dict(zip(keys, found, strict=False)),
        "refused": found[-2],
        "forgetful": found[-5],
        "elsewhere": found[-4],
        "sent with an example": found[-3],
        "no example": found[-1],
    }


@pytest.mark.parametrize("name", [one if isinstance(one, str) else one[0] for one in GOOD])
def test_a_function_answers_in_a_fresh_process_as_in_the_kernel(saved, name):
    assert saved[name].tried().answers == tuple(saved[name].answers)
    assert saved[name].codes == []


def test_hints_are_the_signature(saved):
    assert saved["predict"].inputs == {"x": ("FP64", ()), "text": ("BYTES", ())}
    assert [one["optional"] for one in saved["predict"].signature["inputs"]] == [False, True]
    assert saved["service.described"].outputs["upper"] == ("BYTES", ())
    assert saved["image"].signature["inputs"][0]["format"] == "base64"
    assert saved["any_kind"].inputs == {"document": ("JSON", ())}


def test_what_is_not_used_stays_out(saved):
    text = saved["predict"].definitions
    for name in ("TRAINING_DATA", "Service", "sqlite3", "connection"):
        assert name not in text
    assert "class Point" in text
    assert "SCALE = 2.5" in text
    assert "1000000" not in (text + str(saved["predict"].artifact))
    assert saved["predict"].packages() == set()


def test_state_of_objects_comes_along(saved):
    first = saved["service"].answers[1]["outputs"]["prediction"]
    assert first == pytest.approx(3 + 2.5 * 5**0.5)


@pytest.mark.parametrize(("name", "code"), BAD.items())
def test_what_cannot_be_served_says_why(saved, name, code):
    error = saved[name].error
    assert error.code == code
    assert error.what
    assert error.fix


def test_errors_name_what_is_wrong(saved):
    assert "'gone'" in saved["lost"].error.what
    assert "open.txt" in saved["reads"].error.what
    assert "Did you mean predict?" in saved["predct"].error.fix
    assert "def predict" in saved["number"].error.fix
    assert "serve NAME.predict" in saved["fitted"].error.fix
    assert "sklearn" in saved["number"].error.why
    assert "it never works" in saved["fails"].error.why
    assert saved["no example"].error.code == "no-such-object"
    assert "open('FILE', 'rb').read()" in saved["portrait"].error.fix


def test_what_comes_later_is_awaited_and_what_comes_bit_by_bit_is_gathered(saved):
    assert {"outputs": {"prediction": 1.0}} in saved["later"].answers
    assert {"outputs": {"prediction": [0, 1, 2]}} in saved["counts"].answers


def test_a_coroutine_is_awaited_also_where_a_loop_runs_already():
    async def later():
        await asyncio.sleep(0)
        return 5

    async def steps():
        yield 1
        yield 2

    async def within():
        return finished(later()), finished(steps())

    async def fails():
        raise KeyError("gone")

    async def fails_within():
        finished(fails())

    assert asyncio.run(within()) == (5, [1, 2])
    assert finished(later()) == 5
    with pytest.raises(KeyError):
        asyncio.run(fails_within())


def test_an_argument_that_no_caller_can_send_is_named(saved):
    assert saved["sent with an example"].error.code == "bad-example"
    assert "points is or holds a __main__.Point" in saved["sent with an example"].error.why
    assert "points: float" in saved["sent"].error.fix


def test_what_does_not_come_back_is_told_before_anything_is_built(saved):
    with pytest.raises(ContainerizeError, match="the key of this process") as caught:
        saved["forgetful"].tried()
    assert caught.value.code == "does-not-load-back"
    assert "tagged `serve`" in caught.value.fix
    with pytest.raises(ContainerizeError, match="expected 1, got 0") as caught:
        saved["elsewhere"].tried()
    assert caught.value.code == "answers-differently"


def test_hints_of_classes_are_the_signature_too(saved):
    (point, by) = saved["shifted"].signature["inputs"]
    assert point["schema"]["required"] == ["x"]
    assert point["schema"]["properties"]["colour"] == {"enum": ["red", "blue"]}
    assert by["optional"]
    assert saved["moves"].questions[0] == {
        "inputs": {"point": {"x": 1.0, "y": 1.0, "colour": "red"}}
    }
    answer = saved["total"].answers[0]["outputs"]
    assert answer["seen"] == [1, 2]
    assert answer["at"]["colour"] == "red"
    assert answer["when"] == "2026-01-31"


def test_what_does_not_fit_a_hint_is_told_with_its_field(saved, service_runs, environment):
    folder, python = saved["shifted"].folder, environment("bare")
    with service_runs.ServiceRun("", inputs=[], outputs=[], python=python, artifact=folder) as run:
        run.start(workers=1)
        answer = run.predict({"inputs": {"point": {"x": 1, "colour": "blue"}, "by": [1, 2]}})
        assert answer.json == {"outputs": {"x": 4.0, "y": 1.0, "colour": "blue"}}
        refused = run.predict({"inputs": {"point": {"x": 1, "colour": "green"}}})
        assert refused.status == 422
        assert refused.json == {
            "error": "point.colour: expected one of 'red', 'blue', got 'green' (string).",
            "field": "point.colour",
            "expected": "one of 'red', 'blue'",
            "got": "'green' (string)",
        }
        schemas = run.get("/openapi.json").json["paths"]["/predict"]["post"]["requestBody"]
        assert '"enum": ["red", "blue"]' in json.dumps(schemas)


def test_pydantic_models_say_themselves_what_fits(serving_kernel, service_runs, environment):
    (saved,) = serving_kernel("typed").save(
        [
            "from pydantic import BaseModel, Field",
            "class Flat(BaseModel):\n    rooms: int = Field(ge=0)\n    tags: list[str] = []",
            "def price(flat: Flat) -> Flat: return Flat(rooms=flat.rooms + 1, tags=flat.tags)",
        ],
        ["price"],
    )
    saved.tried()
    assert saved.packages() >= {"pydantic"}
    with service_runs.ServiceRun(
        "", inputs=[], outputs=[], python=environment("typed"), artifact=saved.folder
    ) as run:
        run.start(workers=1)
        assert run.predict([{"flat": {"rooms": 2}}]).json == {"rows": [{"rooms": 3, "tags": []}]}
        refused = run.predict([{"flat": {"rooms": -1}}])
        assert refused.status == 422
        assert refused.json["field"] == "flat.rooms"
        assert "greater than or equal to 0" in refused.json["expected"]


def test_others_join_by_an_entry_point(serving_kernel):
    kernel = serving_kernel("bare")
    info = kernel.folder / "acme-1.0.dist-info"
    info.mkdir()
    (info / "METADATA").write_text("Metadata-Version: 2.1\nName: acme\nVersion: 1.0\n")
    (info / "entry_points.txt").write_text("[jupyter_containerize.adapters]\nacme = acme_adapter\n")
    (kernel.folder / "acme_adapter.py").write_text(
        "import json, os\n"
        "def knows(value): return isinstance(value, tuple)\n"
        "def save(value, folder, *, example=None):\n"
        "    json.dump(value, open(os.path.join(folder, 'acme.json'), 'w'))\n"
        "    field = {'name': 'x', 'dtype': 'INT64', 'shape': [], 'optional': False, 'categories': None}\n"
        "    return {'framework': {'name': 'acme', 'version': '1'}, 'data': {},\n"
        "            'signature': {'style': 'arguments', 'inputs': [field]}}\n"
        "class Model:\n"
        "    def __init__(self, numbers): self.numbers = numbers\n"
        "    def predict(self, inputs): return {'y': inputs['x'] + sum(self.numbers)}\n"
        "def load(folder, artifact):\n"
        "    return Model(json.load(open(os.path.join(folder, 'acme.json'))))\n"
    )
    (saved,) = kernel.save("numbers = (1, 2)", ["numbers"])
    assert saved.artifact["adapter"] == "acme_adapter"
    assert saved.tried().answers[0] == {"outputs": {"y": 3}}


def test_an_example_that_a_function_refuses_is_not_its_answer(saved):
    """The example is a text where a number is wanted: the function itself says so."""
    assert saved["refused"].error is not None
    assert saved["refused"].error.code in ("example-refused", "bad-example")
