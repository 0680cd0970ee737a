"""What goes wrong: limits, timeouts, failing models, dying workers, the end."""

from __future__ import annotations

import contextlib
import json
import os
import signal
import subprocess
import sys
import threading
import time

import pytest

#: Answers `x + 1`; the first element tells it to misbehave.
NAUGHTY = """
import os, time
x = inputs['x']
for row in x:
    what = row[0]
    if what == -1:
        raise RuntimeError("made to fail")
    if what == -2:
        os.kill(os.getpid(), 9)
    if what < -1000:
        time.sleep(-what / 1000 - 1)
    if what == -3:
        class Bad(Exception):
            bad_input = True
            field = "x"
        raise Bad("not this one")
return {'y': [[v + 1 for v in row] for row in x]}
"""


@pytest.fixture
def naughty(service_runs):
    """`naughty(workers=1, ...)`: a started service of the model above."""
    started = []

    def start(*, wait=True, fields=None, **settings):
        run = service_runs.ServiceRun(
            NAUGHTY,
            inputs=[service_runs.tensor("x")],
            outputs=[service_runs.tensor("y")],
            **(fields or {}),
        )
        started.append(run)
        return run.start(wait=wait, **settings)

    yield start
    for run in started:
        run.__exit__()


def rows(*firsts):
    return {"rows": [[first, 2, 3] for first in firsts]}


def sleeping(seconds):
    return rows(-1000 * (seconds + 1))


class Background(threading.Thread):
    """A request on its way; `.answer` or `.error` once joined."""

    def __init__(self, service, body):
        super().__init__(daemon=True)
        self.service, self.body = service, body
        self.answer = self.error = None
        self.start()

    def run(self):
        try:
            self.answer = self.service.predict(self.body)
        except OSError as error:
            self.error = error

    def result(self):
        self.join(40)
        assert self.answer is not None, self.error
        return self.answer


def until(condition, timeout_s=20.0):
    deadline = time.monotonic() + timeout_s
    while time.monotonic() < deadline:
        if found := condition():
            return found
        time.sleep(0.02)
    raise AssertionError("it never came true")


def test_a_failing_model_gets_500_with_an_id_that_is_in_the_log_and_lives_on(naughty):
    service = naughty(workers=1)
    answer = service.predict(rows(-1))
    assert answer.status == 500
    found = until(lambda: [e for e in service.events_of("error") if e["id"] == answer.json["id"]])
    assert "made to fail" in found[0]["traceback"]
    assert "made to fail" not in answer.body.decode()  # the log tells, not the network
    assert service.predict(rows(5)).json == {"rows": [[6, 3, 4]]}
    assert service.metric('containerize_errors_total{kind="model"}') == 1


def test_a_bad_request_in_a_batch_spoils_only_itself(naughty):
    service = naughty(workers=1)
    busy = Background(service, sleeping(1.5))
    time.sleep(0.4)
    together = [Background(service, rows(first)) for first in (1, -1, 2, -3)]
    answers = [one.result() for one in together]
    assert [answer.status for answer in answers] == [200, 500, 200, 422]
    assert answers[0].json == {"rows": [[2, 3, 4]]}
    assert answers[3].json == {"error": "not this one", "field": "x"}
    assert busy.result().status == 200


def test_a_batch_is_made_of_what_waits(naughty):
    service = naughty(workers=1)
    busy = Background(service, sleeping(1.5))
    time.sleep(0.4)
    together = [Background(service, rows(number)) for number in range(8)]
    for number, one in enumerate(together):
        assert one.result().json == {"rows": [[number + 1, 3, 4]]}
    busy.result()
    assert service.metric("containerize_batch_rows_count") == 2


def test_nothing_is_batched_that_says_no(naughty):
    service = naughty(workers=1, fields={"batches": False})
    busy = Background(service, sleeping(1.5))
    time.sleep(0.4)
    together = [Background(service, rows(number)) for number in range(4)]
    assert [one.result().status for one in together] == [200] * 4
    busy.result()
    assert service.metric("containerize_batch_rows_count") == 5


def test_while_the_model_runs_health_metrics_and_refusals_are_answered(naughty):
    service = naughty(workers=1, max_queue=2)
    assert service.predict(sleeping(0.1)).status == 200  # now it is known as slow
    busy = Background(service, sleeping(2))
    time.sleep(0.3)
    waiting = [Background(service, rows(1)) for _ in range(2)]
    time.sleep(0.3)
    started = time.monotonic()
    assert service.get("/v2/health/ready").status == 200
    assert service.metric("containerize_queue_length") == 2
    refused = service.predict(rows(1))
    assert time.monotonic() - started < 1.5
    assert refused.status == 429
    assert int(refused.headers["retry-after"]) >= 1
    assert [one.result().status for one in (busy, *waiting)] == [200] * 3


def test_waiting_too_long_is_answered_with_504(naughty):
    service = naughty(workers=1, timeout_seconds=1.5)
    service.predict(sleeping(0.1))
    busy = Background(service, sleeping(2.4))
    time.sleep(0.2)
    assert service.predict(rows(1)).status == 504
    busy.result()


def test_a_call_that_never_ends_is_cut_and_the_worker_replaced(naughty):
    service = naughty(workers=1, timeout_seconds=1)
    service.predict(sleeping(0.1))
    answer = service.predict(sleeping(1000))
    assert answer.status == 504
    assert until(lambda: service.events_of("worker-died"))[0]["overtime"]
    until(lambda: service.get("/v2/health/ready").status == 200)
    assert service.predict(rows(5)).status == 200


def test_a_dying_worker_is_replaced_and_its_requests_answered(naughty):
    service = naughty(workers=2)
    with service.raw() as idle:
        idle.sendall(b"GET /v2 HTTP/1.1\r\nHost: x\r\n\r\n")
        assert b"200 OK" in idle.recv(1000)
        others = [service.raw() for _ in range(3)]  # on both workers
        before = set(service.worker_pids())
        answer = service.predict(rows(-2))
        assert answer.status == 500
        assert answer.json["id"] in service.log
        until(lambda: len(service.events_of("worker-ready")) == 3)
        (dead,) = service.events_of("worker-died")
        assert dead["pid"] in before
        (ended,) = until(lambda: service.events_of("worker-exit"))
        assert ended["exit_code"] == -9
        for sock in (idle, *others):  # also those whose worker has died
            sock.sendall(b"GET /v2 HTTP/1.1\r\nHost: x\r\n\r\n")
            assert b"200 OK" in sock.recv(1000)
            sock.close()
    assert service.metric("containerize_worker_restarts_total") == 1
    assert service.metric('containerize_errors_total{kind="worker"}') == 1
    assert service.metric("containerize_workers") == 2


def test_without_any_worker_clients_are_told_to_come_again(naughty):
    service = naughty(workers=1)
    for _ in range(3):  # dies at once, again and again: replaced ever more slowly
        until(lambda: service.get("/v2/health/ready").status == 200)
        assert service.predict(rows(-2)).status == 500
    statuses = set()
    for _ in range(20):
        answer = service.predict(rows(1))
        statuses.add(answer.status)
        if answer.status == 503:
            assert answer.headers["retry-after"] == "1"
        time.sleep(0.02)
    assert statuses <= {200, 503}
    assert 503 in statuses
    assert service.get("/v2/health/live").status == 200
    until(lambda: service.predict(rows(1)).status == 200)


def test_sigterm_lets_requests_finish_and_says_that_it_is_not_ready(naughty):
    service = naughty(workers=2)
    busy = [Background(service, sleeping(3)) for _ in range(2)]
    until(lambda: service.metric("containerize_requests_in_flight") >= 2)
    time.sleep(1)  # the question about the metric may have been one of the two
    service.process.send_signal(signal.SIGTERM)
    time.sleep(0.2)
    ready = service.get("/v2/health/ready")
    assert (ready.status, ready.json["ready"]) == (503, False)
    assert service.predict(rows(1)).status == 503
    assert [one.result().status for one in busy] == [200, 200]
    assert service.process.wait(10) == 0
    assert service.events[-1]["event"] == "stop"


def test_sigterm_ends_an_idle_service_at_once(naughty):
    service = naughty(workers=2)
    with service.raw() as idle:
        idle.sendall(b"GET /v2 HTTP/1.1\r\nHost: x\r\n\r\n")
        assert b"200 OK" in idle.recv(1000)
        started = time.monotonic()
        assert service.stop() == 0
        assert time.monotonic() - started < 3
        assert idle.recv(10) == b""


def test_what_does_not_finish_in_time_is_told_so(naughty):
    service = naughty(workers=1, grace_seconds=1)
    busy = Background(service, sleeping(60))
    time.sleep(0.5)
    assert service.stop() == 1
    assert busy.result().status == 503


def test_before_the_model_is_loaded_it_is_alive_and_not_ready(naughty):
    service = naughty(wait=False, workers=1, fields={"load": "import time; time.sleep(2)"})
    until(lambda: "start" in service.log)
    assert service.get("/v2/health/live").status == 200
    ready = service.get("/v2/health/ready")
    assert (ready.status, ready.headers["retry-after"]) == (503, "1")
    assert service.predict(rows(1)).status == 503
    service.wait_ready()
    assert service.predict(rows(1)).status == 200


@pytest.mark.parametrize("shared", [True, False])
def test_a_model_that_does_not_load_ends_the_service_with_its_reason(naughty, shared):
    fields = {"load": "raise ValueError('no such weights')", "fork_safe": shared}
    service = naughty(wait=False, workers=2, fields=fields)
    assert service.process.wait(30) == 2
    assert "The model cannot be loaded: ValueError: no such weights" in service.log


def test_a_model_that_is_killed_while_loading_ends_the_service(naughty):
    fields = {"load": "import os; os.kill(os.getpid(), 9)", "fork_safe": True}
    service = naughty(wait=False, workers=1, fields=fields)
    assert service.process.wait(30) == 2
    assert "died" in service.log


@pytest.mark.parametrize(
    ("settings", "told"),
    [
        ({"port": "http"}, "CONTAINERIZE_PORT='http': must be a whole number"),
        ({"workers": "-1"}, "CONTAINERIZE_WORKERS='-1': must be 0 or more"),
        ({"access_log": "perhaps"}, "must be 1 or 0"),
        ({"port": "70000"}, "ports end at 65535"),
    ],
)
def test_settings_that_cannot_be(naughty, settings, told):
    service = naughty(wait=False, **settings)
    assert service.process.wait(30) == 2
    assert told in service.log


def test_a_port_in_use(naughty):
    first = naughty(workers=1)
    second = naughty(wait=False, port=first.port)
    assert second.process.wait(30) == 2
    assert f"Port {first.port} cannot be opened: another program listens there." in second.log


def test_more_connections_than_allowed(naughty):
    service = naughty(workers=1, max_connections=5)
    sockets = [service.raw() for _ in range(12)]
    time.sleep(0.3)
    refused = 0
    for sock in sockets:
        sock.settimeout(0.1)
        with contextlib.suppress(TimeoutError):
            refused += b"503 Service Unavailable" in sock.recv(1000)
        sock.close()
    assert 7 <= refused <= 8  # one place may not have been free again
    until(lambda: service.get("/v2").status == 200)


def test_memory_of_a_forked_model_is_shared(naughty):
    """64 MB are loaded once, whatever the number of workers."""
    load = "global big; big = bytearray(b'x') * (64 << 20)"
    service = naughty(workers=4, fields={"load": load, "fork_safe": True})
    until(lambda: len(service.worker_pids()) == 4)
    total = 0
    for pid in [service.process.pid, *service.worker_pids()]:
        with open(f"/proc/{pid}/smaps_rollup") as file:
            total += next(int(line.split()[1]) for line in file if line.startswith("Pss:"))
    assert total < 2 * 64 * 1024, f"{total} KB"


def test_a_unix_socket_where_the_sandbox_wants_one(service_runs):
    run = service_runs.ServiceRun(
        "return {'y': inputs['x']}",
        inputs=[service_runs.tensor("x")],
        outputs=[service_runs.tensor("y")],
        unix=True,
    )
    with run:
        run.start(workers=2)
        assert run.predict([[1, 2, 3]]).json == {"rows": [[1, 2, 3]]}
        assert run.events_of("ready")[0]["url"] == f"unix:{run.sockets}/{run.port}"
        assert run.stop() == 0
        assert not os.listdir(run.sockets)


def test_nothing_but_the_standard_library_is_loaded(service_runs):
    """Neither numpy nor anything else that an image need not have; nor pickle, nor asyncio."""
    code = (
        "import sys, json; sys.path.insert(0, sys.argv[1]); before = set(sys.modules);"
        "import types; p = types.ModuleType('g'); p.__path__ = [sys.argv[1]]; sys.modules['g'] = p;"
        "import g.serving.start, g.serving.documents, g.serving.page, g.serving.openapi;"
        "print(json.dumps(sorted(set(sys.modules) - before)))"
    )
    command = [sys.executable, "-I", "-c", code, str(service_runs.SERVE.parent)]
    done = subprocess.run(command, capture_output=True, text=True, check=True)
    loaded = {name.split(".")[0] for name in json.loads(done.stdout)}
    assert loaded <= set(sys.stdlib_module_names) | {"g"}
    assert not loaded & {"pickle", "marshal", "asyncio", "ssl", "http"}
