"""How much of an answer went out, as the kernel tells it."""

from __future__ import annotations

import contextlib
import socket

import pytest

from jupyter_containerize.guest.serving.progress import Progress, progress


@pytest.fixture(params=[socket.AF_INET, socket.AF_INET6])
def tcp(request):
    address = "127.0.0.1" if request.param == socket.AF_INET else "::1"
    if request.param == socket.AF_INET6 and not socket.has_dualstack_ipv6():
        pytest.skip("no IPv6 here")
    with (
        socket.create_server((address, 0), family=request.param) as server,
        socket.create_connection(server.getsockname()[:2]) as client,
    ):
        sock, _ = server.accept()
        with sock:
            yield sock, client


def fill(sock):
    """Send until the other side takes no more; return how many bytes."""
    sock.settimeout(0)
    sent = 0
    with contextlib.suppress(BlockingIOError):
        while True:
            sent += sock.send(bytes(1000))
    return sent


@pytest.mark.parametrize("is_read", [True, False])
def test_tcp_counts(tcp, is_read):
    sock, client = tcp
    assert progress(sock, 0, 10) is Progress.NOTHING
    sock.send(b"0123456789")
    if is_read:
        assert client.recv(10)
    assert progress(sock, 0, 10) is Progress.ALL
    assert progress(sock, 10, 20) is Progress.NOTHING
    assert progress(sock, 0, 20) is Progress.PART
    sock.shutdown(socket.SHUT_WR)  # the end counts as one more
    assert progress(sock, 0, 10) is Progress.ALL


def test_more_than_the_client_takes(tcp):
    sock, _ = tcp
    sent = fill(sock)
    assert progress(sock, 0, sent) is Progress.ALL
    assert progress(sock, 0, sent + 1) is Progress.PART
    assert progress(sock, sent, sent + 1) is Progress.NOTHING


def test_unix_sockets_know_only_whether_an_answer_may_be_there_in_part():
    ours, theirs = socket.socketpair()
    with ours, theirs:
        assert progress(ours, 0, 100) is Progress.UNKNOWN
        ours.send(bytes(100))
        assert progress(ours, 0, 100) is Progress.UNKNOWN
        assert progress(ours, 0, 1 << 20) is Progress.PART  # sent by several calls
        fill(ours)
        assert progress(ours, 0, 100) is Progress.PART
