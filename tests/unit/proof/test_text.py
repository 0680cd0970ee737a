from __future__ import annotations

import pytest
from hypothesis import given
from hypothesis import strategies as st

from jupyter_containerize.proof.sets import in_order
from jupyter_containerize.proof.text import readable, rendered


@pytest.mark.parametrize(
    ("written", "shown"),
    [
        ("a\rb", "b"),
        ("abc\rX", "Xbc"),
        ("abc\b\bX", "aXc"),
        ("\x1b[31mred\x1b[0m", "red"),
        ("\x1b]8;;http://x\x1b\\link\x1b]8;;\x1b\\", "link"),
        ("a\r\nb", "a\nb"),
        ("long line\r\x1b[Kx", "x"),
        ("one\ntwo\x1b[Aup", "oneup\ntwo"),
        ("0%|   |\r50%|#  |\r100%|###|\n", "100%|###|"),
        ("bar 1\nbar 2\x1b[A\rBAR 1\n\rBAR 2", "BAR 1\nBAR 2"),
        ("x  \n\n\n", "x"),
    ],
)
def test_a_terminal_would_show(written, shown):
    assert rendered(written) == shown


@given(st.text(alphabet="ab\r\n\b\x1b[AK0 "))
def test_rendering_ends_and_is_stable(text):
    once = rendered(text)
    assert rendered(once) == once or "\x1b" in once


@pytest.mark.parametrize(
    ("one", "other"),
    [
        ("<A at 0x7f1234567890>", "<A at 0x7f1234567891>"),
        ("<function f at 0x10>", "<function f at 0x20>"),
        ("/tmp/ipykernel_12/345.py:3: UserWarning: x", "/tmp/ipykernel_9/1.py:3: UserWarning: x"),
        ("<ipython-input-3-abc>:1: W", "/tmp/ipykernel_9/1.py:1: W"),
        ("invalid syntax (34855.py, line 1)", "invalid syntax (76764.py, line 1)"),
        ("/a/site-packages/x.py:5: W", "/b/c/dist-packages/x.py:5: W"),
        ("/tmp/tmpab12cd34/x", "/tmp/tmpzz12cd34/x"),
        ("pid 123", "pid 4"),
        ("Process ID: 123", "Process ID: 4"),
        ("I0000 00:00:171.5  12 a.cc:1] m", "I0000 00:00:172.7   9 a.cc:1] m"),
        ("9b2f1c80-0000-4000-8000-000000000001", "9b2f1c80-0000-4000-8000-000000000002"),
        ("<Thread(T-1, started 140)>", "<Thread(T-1, started daemon 14)>".replace("daemon ", "")),
    ],
)
def test_names_that_no_run_repeats(one, other):
    assert readable(one) == readable(other)


@pytest.mark.parametrize(
    ("one", "other"),
    [
        ("{'b', 'a'}", "{'a', 'b'}"),
        ("{1, 'x, y', (2, 3)}", "{(2, 3), 'x, y', 1}"),
        ("frozenset({'b', frozenset({'d', 'c'})})", "frozenset({frozenset({'c', 'd'}), 'b'})"),
        ("{'k': {'b', 'a'}}", "{'k': {'a', 'b'}}"),
        ("[{2, 1}]", "[{1, 2}]"),
    ],
)
def test_sets_have_no_order(one, other):
    assert in_order(one) == in_order(other)


@pytest.mark.parametrize(
    "text", ["{'a': 1, 'b': 2}", "{}", "{x}", "{", "}{", "f{a:b, c}", "no braces"]
)
def test_what_is_no_set_stays(text):
    assert in_order(text) == text


def test_an_escape_that_is_none_is_text():
    assert rendered("\x1b0AA") == "\x1b0AA"
    assert rendered(f"a\r\x1b[{'9' * 5000}A").startswith("a")


def test_an_escape_that_is_no_control_stays_text():
    assert "AA" in rendered("\x1b0AA")
