from __future__ import annotations

import datetime as dt
import json
import os

import pytest

from jupyter_containerize.guest.log import Log
from jupyter_containerize.guest.outputs import Recorder, plain_json


@pytest.fixture
def recorder(tmp_path):
    return Recorder(Log(str(tmp_path / "trail.jsonl")))


@pytest.fixture
def cell(recorder):
    made = {}
    recorder.open(made)
    return made


def test_streams_join_until_something_else_comes(recorder, cell):
    for name, text in [("stdout", "a"), ("stdout", "b"), ("stderr", "c"), ("stdout", "")]:
        recorder.stream(name, text)
    recorder.result(1, {"text/plain": "1"}, {})
    recorder.stream("stdout", "d")
    kinds = [(out.get("name"), "".join(out.get("text", []))) for out in cell["outputs"]]
    assert kinds == [("stdout", "ab"), ("stderr", "c"), (None, ""), ("stdout", "d")]


def test_an_update_reaches_every_display_of_its_id(recorder, cell):
    recorder.display({"text/plain": "1"}, {}, display_id="x", update=False)
    other = {}
    recorder.open(other)
    recorder.display({"text/plain": "2"}, {}, display_id="x", update=False)
    recorder.display({"text/plain": "3"}, {"m": 1}, display_id="x", update=True)
    recorder.display({"text/plain": "no"}, {}, display_id="y", update=True)
    texts = [out["data"]["text/plain"] for out in cell["outputs"] + other["outputs"]]
    assert texts == ["3", "3"]
    assert other["outputs"][0]["metadata"] == {"m": 1}


def test_clear_output_now_and_with_the_next(recorder, cell):
    recorder.stream("stdout", "a")
    recorder.clear(wait=False)
    assert cell["outputs"] == []
    recorder.stream("stdout", "b")
    recorder.clear(wait=True)
    assert len(cell["outputs"]) == 1
    recorder.stream("stdout", "c")
    assert cell["outputs"][0]["text"] == ["c"]


def test_a_pending_clear_does_not_reach_the_next_cell(recorder, cell):
    recorder.stream("stdout", "a")
    recorder.clear(wait=True)
    other = {}
    recorder.open(other)
    recorder.stream("stdout", "b")
    recorder.stream("stdout", "c")
    assert "".join(other["outputs"][0]["text"]) == "bc"
    assert len(cell["outputs"]) == 1


def test_what_comes_after_the_end_is_logged_only(recorder, cell):
    recorder.close()
    recorder.stream("stdout", "late")
    assert cell["outputs"] == []


def test_json_as_jupyter_makes_it():
    class Odd:
        def __repr__(self):
            return "odd"

    data = {1: b"\x00\x01", "t": (1, True, None), "n": float("nan"), "d": dt.date(2020, 1, 2)}
    plain = plain_json({**data, "s": {"x"}, "o": Odd()})
    assert plain == {
        "1": "AAE=", "t": [1, True, None], "n": "nan", "d": "2020-01-02", "s": ["x"], "o": "odd",
    }  # fmt: skip
    json.dumps(plain, allow_nan=False)


def test_numpy_scalars_are_numbers():
    class Int(int):
        pass

    assert type(plain_json(Int(3))) is int


def test_lines_of_ours_start_on_a_line_of_their_own(tmp_path):
    read, write = os.pipe()
    log = Log(str(tmp_path / "trail"))
    log._fds = {"stdout": write, "stderr": write}
    log.pass_on("stdout", "50%\r")
    log.say("ours")
    log.say("again")
    log.pass_on("stderr", "\x1b[31mred\x1b[0m\n")
    assert os.read(read, 1000) == b"50%\r\nours\nagain\nred\n"
