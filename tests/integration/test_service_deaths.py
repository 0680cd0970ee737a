"""A worker dies in the very moment of answering: the client gets its answer, or is told."""

from __future__ import annotations

import contextlib
import json
import time

import pytest

#: Kills its process at a chosen point of the connection's code; answers `x + 1`, as often as asked.
MORTAL = """
import os, signal, sys, time
serving = 'jupyter_containerize_guest.serving.'
connection = sys.modules[serving + 'connection'].Connection
sys.modules[serving + 'batching']._SLOW_SECONDS = 600  # the model's calls are quick on any machine

def die_in(name, before):
    real = getattr(connection, name)
    def wrapped(self, *given):
        if before:
            os.kill(os.getpid(), signal.SIGKILL)
        real(self, *given)
        os.kill(os.getpid(), signal.SIGKILL)
    setattr(connection, name, wrapped)

what, times, _ = inputs['x'][0]
if what == -4:
    open('began', 'w').close()
    while not os.path.exists('go'):
        time.sleep(0.01)
    os.kill(os.getpid(), signal.SIGKILL)
if what == -1:
    die_in('_announce', False)  # said on the board, not sent
elif what == -2:
    die_in('_answered', True)  # sent, not said
elif what == -3:
    die_in('_want', True)  # sent in part: the client takes no more just now
return {'y': [[v + 1 for v in row] * int(times) for row in inputs['x']]}
"""
BEFORE, AFTER, MIDST, WITHIN = -1, -2, -3, -4


@pytest.fixture(params=["tcp", "unix"])
def mortal(request, service_runs):
    run = service_runs.ServiceRun(
        MORTAL,
        inputs=[service_runs.tensor("x")],
        outputs=[service_runs.tensor("y", shape=[-1, -1])],
        unix=request.param == "unix",
    )
    with run:
        yield run.start(workers=2)


def question(what, times=1):
    body = json.dumps([[what, times, 0]]).encode()
    return b"POST /predict HTTP/1.1\r\nHost: x\r\nContent-Length: %d\r\n\r\n%s" % (len(body), body)


class Client:
    """Sends bytes, reads answers by their length."""

    def __init__(self, run):
        connection = run.connect()
        connection.connect()
        self.sock = connection.sock
        self.sock.settimeout(60)
        self.file = self.sock.makefile("rb")

    def __enter__(self):
        return self

    def __exit__(self, *_):
        self.file.close()
        self.sock.close()

    def send(self, *questions):
        self.sock.sendall(b"".join(questions))

    def answer(self):
        """Status, body (as far as it came), and whether all of it came; None at the end."""
        line = self.file.readline()
        if not line:
            return None
        length = 0
        while (field := self.file.readline().strip()) != b"":
            name, _, value = field.partition(b": ")
            if name == b"Content-Length":
                length = int(value)
        body = self.file.read(length)
        return int(line.split()[1]), body, len(body) == length


def died(answer):
    return answer[0] == 500 and "died" in json.loads(answer[1])["error"]


def test_before_anything_was_sent_the_client_is_told(mortal):
    with Client(mortal) as client:
        client.send(question(BEFORE))
        assert died(client.answer())
        assert client.answer() is None
    assert mortal.events_of("request-lost")


def test_after_all_was_sent_the_answer_counts_and_the_connection_lives_on(mortal):
    with Client(mortal) as client:
        client.send(question(7))
        assert client.answer() == (200, b'{"rows":[[8.0,2.0,1.0]]}', True)
        client.send(question(AFTER))
        assert client.answer() == (200, b'{"rows":[[-1.0,2.0,1.0]]}', True)
        wait_for_death(mortal)
        if mortal.sockets.exists():  # a UNIX socket does not count what was sent
            assert died(client.answer())
        else:
            client.send(question(7))
            assert client.answer() == (200, b'{"rows":[[8.0,2.0,1.0]]}', True)
            assert not mortal.events_of("request-lost")


def test_what_was_read_beyond_the_request_is_told_too(mortal):
    with Client(mortal) as client:
        client.send(question(AFTER), question(7))
        assert client.answer() == (200, b'{"rows":[[-1.0,2.0,1.0]]}', True)
        assert died(client.answer())
        assert client.answer() is None


def test_what_a_dead_worker_has_not_read_is_answered_by_another(mortal):
    """Requests that lie in its sockets: nothing of them is lost, nobody is told of a death."""
    with Client(mortal) as first, contextlib.ExitStack() as others:
        for _ in range(50):  # known as quick, the model is run by the loop that reads
            first.send(question(7))
            assert first.answer()[0] == 200
        first.send(question(WITHIN))
        until((mortal.folder / "began").exists, mortal)
        waiting = [others.enter_context(Client(mortal)) for _ in range(4)]  # on both workers
        for client in waiting:
            client.send(question(7))
        (mortal.folder / "go").touch()
        assert died(first.answer())
        for client in waiting:
            assert client.answer() == (200, b'{"rows":[[8.0,2.0,1.0]]}', True)
    assert len(mortal.events_of("request-lost")) == 1


def test_in_the_midst_of_a_long_answer_nothing_else_is_mixed_into_it(mortal):
    with Client(mortal) as client:
        client.send(question(MIDST, 1_000_000))
        wait_for_death(mortal)
        status, body, complete = client.answer()
        assert status == 200
        assert not complete
        assert not body.strip(b'{"rows:[-0123456789,.]}')
    assert mortal.events_of("request-lost")


def wait_for_death(run):
    until(lambda: run.events_of("worker-died"), run)


def until(condition, run):
    deadline = time.monotonic() + 60
    while not condition():
        assert time.monotonic() < deadline, run.log
        time.sleep(0.02)
