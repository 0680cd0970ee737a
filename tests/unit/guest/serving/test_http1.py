"""Heads and chunks, as RFC 9112 has them."""

from __future__ import annotations

import pytest
from hypothesis import given
from hypothesis import strategies as st

from jupyter_containerize.guest.serving.http1 import Chunks, HeadParser, answer_head
from jupyter_containerize.guest.serving.problems import Problem


def parsed(*lines, start="POST /predict HTTP/1.1"):
    return HeadParser().parse("\r\n".join([start, "Host: x", *lines]).encode("latin-1"))


def test_a_head():
    head = parsed(
        "content-LENGTH:  12 ", "Inference-Header-Content-Length: 5", "X-Request-Id: a b",
        start="POST /v2/models/m/infer?x=1 HTTP/1.1",
    )  # fmt: skip
    assert (head.method, head.path, head.query) == ("POST", "/v2/models/m/infer", "x=1")
    assert (head.length, head.header_length, head.request_id) == (12, 5, "")
    assert head.keep_alive


@pytest.mark.parametrize(
    ("lines", "start", "kept"),
    [
        ([], "GET / HTTP/1.1", True),
        (["Connection: close"], "GET / HTTP/1.1", False),
        (["Connection: x, CLOSE"], "GET / HTTP/1.1", False),
        ([], "GET / HTTP/1.0", False),
        (["Connection: Keep-Alive"], "GET / HTTP/1.0", True),
    ],
)
def test_whether_a_connection_is_kept(lines, start, kept):
    assert parsed(*lines, start=start).keep_alive is kept


@given(st.binary(max_size=200))
def test_any_bytes_are_a_head_or_a_problem(data):
    status, path = 0, "/"
    try:
        path = HeadParser().parse(data).path
    except Problem as problem:
        status = problem.status
    assert status in (0, 400, 414, 417, 501, 505)
    assert path.startswith("/") or path == "*"


@given(
    st.lists(st.binary(min_size=1, max_size=50), max_size=6),
    st.lists(st.integers(1, 40), max_size=40),
)
def test_chunks_may_be_cut_anywhere(parts, cuts):
    wire = b"".join(f"{len(part):X};a=b\r\n".encode() + part + b"\r\n" for part in parts)
    wire += b"0\r\nTrailer: x\r\n\r\nNEXT"
    chunks, waiting, complete = Chunks(10_000), bytearray(), False
    for cut in [*cuts, len(wire)]:
        waiting += wire[:cut]
        wire = wire[cut:]
        complete = chunks.feed(waiting)
        if complete:
            break
    assert complete
    assert bytes(chunks.body) == b"".join(parts)
    assert b"NEXT".startswith(bytes(waiting))


def test_chunks_over_the_limit_are_refused_before_they_come():
    with pytest.raises(Problem) as caught:
        Chunks(10).feed(bytearray(b"b\r\n"))
    assert caught.value.status == 413


def test_an_answer_says_when_and_how_long():
    head = answer_head(200, 5, close=True).decode()
    assert head.startswith("HTTP/1.1 200 OK\r\nDate: ")
    assert " GMT\r\n" in head
    assert "Content-Length: 5\r\nConnection: close\r\n\r\n" in head
