from __future__ import annotations

import pytest

from jupyter_containerize.surfaces.render import units
from jupyter_containerize.surfaces.render.blocks import (
    Excerpt,
    Facts,
    Notice,
    Tone,
    error_notices,
    finding_notice,
)
from jupyter_containerize.surfaces.render.table import Table, columns, plain, shorten
from jupyter_containerize.surfaces.render.text import Style, render


@pytest.mark.parametrize(
    ("size_bytes", "text"),
    [
        (0, "0 B"),
        (999, "999 B"),
        (1000, "1.00 kB"),
        (12_345, "12.3 kB"),
        (999_999, "1000 kB"),
        (1_460_000_000, "1.46 GB"),
        (10**16, "10000 TB"),
    ],
)
def test_sizes(size_bytes, text):
    assert units.size(size_bytes) == text


@pytest.mark.parametrize(
    ("value", "text"),
    [(0.04, "0.0 s"), (9.94, "9.9 s"), (42, "42 s"), (185, "3 min 5 s"), (7500, "2 h 5 min")],
)
def test_seconds(value, text):
    assert units.seconds(value) == text


@pytest.mark.parametrize(
    ("past", "text"),
    [(3, "just now"), (61, "1 minute ago"), (7300, "2 hours ago"), (200_000, "2 days ago")],
)
def test_ages(past, text):
    assert units.age(1000.0, 1000.0 + past) == text
    assert units.age(None) == ""


def test_a_table_fits_its_width_and_keeps_its_numbers():
    table = Table(("NAME", "SIZE"), (("x" * 100, "12 kB"), ("y", "3 B")), "Things", frozenset({1}))
    lines = table.lines(40)
    assert max(map(columns, lines)) <= 40
    assert lines[0] == "Things"
    assert lines[2].endswith("…  12 kB")
    assert lines[3].endswith("  3 B")
    assert max(map(columns, table.lines(None))) > 100


def test_wide_characters_take_two_columns():
    assert columns("数据") == 4
    assert columns("e\u0301") == 1
    assert shorten("数据集合", 5) == "数据…"


@pytest.mark.parametrize("text", ["a\x1b[31mb", "a\nb", "\x07", "a\u202eb", "a\udc80b"])
def test_names_cannot_steer_the_terminal(text):
    shown = plain(text)
    assert shown.isprintable()
    shown.encode("utf-8")


def test_an_error_with_another_one_found_at_the_same_time():
    error = {
        "code": "a",
        "what": "First.",
        "why": "Because.",
        "fix": "Do this.",
        "also": [{"code": "b", "what": "Second.", "why": "", "fix": "", "also": []}],
    }
    assert render(error_notices(error), Style()) == (
        "✗ First. [a]\n  why: Because.\n  fix: Do this.\n✗ Second. [b]"
    )


def test_long_sentences_wrap_under_their_beginning():
    notice = Notice(Tone.WARNING, "word " * 20, why="reason " * 12, fix="cure", code="c")
    lines = render([notice], Style(width=50)).splitlines()
    assert max(map(len, lines)) <= 50
    assert lines[1].startswith("  word")
    assert [line[:7] for line in lines if "reason" in line] == ["  why: ", "       "]


def test_colours_only_when_asked_for():
    blocks = [Notice(Tone.BAD, "x"), Table(("A",), (("1",),), "T"), Excerpt("e", "f")]
    assert "\x1b" not in render(blocks, Style(width=80))
    assert "\x1b" in render(blocks, Style(width=80, colour=True))


def test_facts_leave_out_what_is_empty():
    assert render([Facts((("a", "1"), ("longer", ""), ("bcd", "2")))], Style()) == "a    1\nbcd  2"


def test_a_finding_says_where():
    finding = {"code": "c", "severity": "warning", "what": "w", "cell": 3, "line": 2, "path": None}
    assert finding_notice(finding).where == "cell 3, line 2"
    assert finding_notice({**finding, "cell": None, "path": "/x.py"}).where == "/x.py, line 2"
