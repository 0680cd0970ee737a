"""HTTP as clients really speak it, byte by byte, over sockets of the test's own."""

from __future__ import annotations

import gzip
import json
import re
import time
import zlib

import pytest

BODY = b'{"rows":[[1,2,3]]}'
ANSWER = {"rows": [[2, 4, 6]]}


@pytest.fixture(scope="module")
def service(service_runs):
    run = service_runs.ServiceRun(
        "return {'y': [[2 * v for v in row] for row in inputs['x']]}",
        inputs=[service_runs.tensor("x")],
        outputs=[service_runs.tensor("y")],
    )
    with run:
        yield run.start(
            workers=1, max_body_bytes=200_000, read_seconds=1.5, max_memory_bytes=300_000
        )


def head(*lines, path="/predict", method="POST", version="HTTP/1.1"):
    return "\r\n".join([f"{method} {path} {version}", "Host: x", *lines, "", ""]).encode()


def exchange(service, data, *, wait_s=0.0):
    """Send `data` (or parts of it, one after another) and read to the end."""
    with service.raw() as sock:
        for part in data if isinstance(data, list) else [data]:
            sock.sendall(part)
            time.sleep(wait_s)
        received = b""
        while more := sock.recv(65536):
            received += more
    return received


def statuses(received):
    return [int(code) for code in re.findall(rb"HTTP/1\.1 (\d{3}) ", received)]


def last_json(received):
    return json.loads(received.rpartition(b"\r\n\r\n")[2])


def test_requests_follow_each_other_on_one_connection(service):
    connection = service.connect()
    for _ in range(3):
        connection.request("POST", "/predict", BODY)
        answer = connection.getresponse()
        assert (answer.status, json.loads(answer.read())) == (200, ANSWER)
    connection.close()


def test_requests_may_be_pipelined(service):
    one = head(f"Content-Length: {len(BODY)}") + BODY
    last = head("Connection: close", f"Content-Length: {len(BODY)}") + BODY
    received = exchange(service, one * 50 + last)
    assert received.count(b"HTTP/1.1 200 OK") == 51
    assert received.count(b'{"rows":[[2.0,4.0,6.0]]}') == 51


def test_a_thousand_pipelined_requests_without_a_model_do_not_nest(service):
    one = head(path="/v2/health/live", method="GET")
    last = head("Connection: close", path="/v2/health/live", method="GET")
    assert exchange(service, one * 1500 + last).count(b"HTTP/1.1 200 OK") == 1501


def test_a_request_may_come_byte_by_byte(service):
    data = head(f"Content-Length: {len(BODY)}", "Connection: close") + BODY
    received = exchange(service, [data[i : i + 1] for i in range(len(data))], wait_s=0.001)
    assert last_json(received) == ANSWER


def test_chunked_bodies(service):
    chunks = b"5;x=y\r\n" + BODY[:5] + b"\r\n" + f"{len(BODY) - 5:x}\r\n".encode() + BODY[5:]
    data = head("Transfer-Encoding: chunked", "Connection: close") + chunks
    received = exchange(service, [data, b"\r\n0\r\nTrailer: x\r\n\r\n"], wait_s=0.05)
    assert last_json(received) == ANSWER


def test_two_chunked_requests_pipelined(service):
    chunked = f"{len(BODY):x}\r\n".encode() + BODY + b"\r\n0\r\n\r\n"
    one = head("Transfer-Encoding: chunked") + chunked
    last = head("Transfer-Encoding: chunked", "Connection: close") + chunked
    assert exchange(service, one + last).count(b'{"rows":[[2.0,4.0,6.0]]}') == 2


def test_a_client_that_asks_before_it_sends_is_told_to_go_on(service):
    with service.raw() as sock:
        sock.sendall(head(f"Content-Length: {len(BODY)}", "Expect: 100-continue"))
        assert sock.recv(100) == b"HTTP/1.1 100 Continue\r\n\r\n"
        sock.sendall(BODY)
        assert b"200 OK" in sock.recv(1000)


def test_a_client_that_asks_before_it_sends_too_much_is_refused_at_once(service):
    received = exchange(service, head("Content-Length: 200001", "Expect: 100-continue"))
    assert statuses(received) == [413]


@pytest.mark.parametrize("encoding", ["gzip", "deflate"])
def test_packed_bodies(service, encoding):
    data = gzip.compress(BODY) if encoding == "gzip" else zlib.compress(BODY)
    answer = service.post("/predict", data, **{"Content-Encoding": encoding})
    assert answer.json == ANSWER


def test_a_packed_body_may_not_unpack_to_more_than_the_limit(service):
    bomb = gzip.compress(b" " * 10_000_000)
    assert len(bomb) < 200_000
    assert service.post("/predict", bomb, **{"Content-Encoding": "gzip"}).status == 413


def test_broken_and_unknown_packing(service):
    assert service.post("/predict", b"nonsense", **{"Content-Encoding": "gzip"}).status == 400
    cut = gzip.compress(BODY)[:-6]
    assert service.post("/predict", cut, **{"Content-Encoding": "gzip"}).status == 400
    answer = service.post("/predict", BODY, **{"Content-Encoding": "br"})
    assert (answer.status, answer.json["field"]) == (415, "Content-Encoding")


@pytest.mark.parametrize(
    ("data", "status"),
    [
        (b"nonsense\r\n\r\n", 400),
        (b"GET / HTTP/1.1\r\n\r\n", 400),  # no Host
        (b"GET / HTTP/2.0\r\nHost: x\r\n\r\n", 505),
        (b"GET /\x00 HTTP/1.1\r\nHost: x\r\n\r\n", 400),
        (head("Content-Length: 3", "Content-Length: 4"), 400),
        (head("Content-Length: -1"), 400),
        (head("Content-Length: 1e3"), 400),
        (head("Content-Length: 3", "Transfer-Encoding: chunked"), 400),
        (head("Transfer-Encoding: gzip"), 501),
        (head("Transfer-Encoding: chunked") + b"zz\r\n", 400),
        (head("Transfer-Encoding: chunked") + b"3\r\nabcdef\r\n", 400),
        (head("Bad Name: 1"), 400),
        (head("Name : 1"), 400),
        (head(" folded"), 400),
        (head("Expect: miracles"), 417),
        (head("X: " + "y" * 20_000), 431),
        (head(path="/" + "y" * 5_000), 414),
        (head("Content-Length: 200001"), 413),
        (head("Transfer-Encoding: chunked") + b"30d41\r\n", 413),
    ],
)
def test_what_is_no_proper_request_is_refused_and_the_connection_closed(service, data, status):
    received = exchange(service, data)
    assert statuses(received) == [status], received
    assert last_json(received)["error"]


def test_a_refusal_reaches_a_client_that_is_still_sending(service):
    received = exchange(
        service, [head("Content-Length: 5000000"), b"x" * 100_000, b"y" * 1000], wait_s=0.1
    )
    assert statuses(received) == [413]


def test_slow_requests_time_out(service):
    started = time.monotonic()
    assert statuses(exchange(service, head("Content-Length: 100") + b"abc")) == [408]
    assert statuses(exchange(service, b"POST /predict HT")) == [408]
    assert 2 < time.monotonic() - started < 12


def test_http_1_0(service):
    data = BODY
    received = exchange(service, head(f"Content-Length: {len(data)}", version="HTTP/1.0") + data)
    assert last_json(received) == ANSWER
    kept = head(f"Content-Length: {len(data)}", "Connection: keep-alive", version="HTTP/1.0") + data
    received = exchange(service, kept + head(version="HTTP/1.0", method="GET", path="/v2"))
    assert received.count(b"HTTP/1.1 200 OK") == 2
    assert received.count(b"Connection: keep-alive") == 1


def test_a_client_may_close_its_half_and_still_be_answered(service):
    with service.raw() as sock:
        sock.sendall(head(f"Content-Length: {len(BODY)}") + BODY)
        sock.shutdown(1)
        received = b""
        while more := sock.recv(65536):
            received += more
    assert last_json(received) == ANSWER


def test_head_has_no_body(service):
    received = exchange(service, head("Connection: close", method="HEAD", path="/v2"))
    start, _, body = received.partition(b"\r\n\r\n")
    assert b"200 OK" in start
    assert b"Content-Length: 0" not in start
    assert body == b""


def test_wrong_methods_and_paths(service):
    answer = service.get("/predict")
    assert (answer.status, answer.headers["allow"]) == (405, "POST")
    answer = service.post("/v2", BODY)
    assert (answer.status, answer.headers["allow"]) == (405, "GET, HEAD")
    assert service.get("/nowhere").status == 404
    assert service.get("/v2/models/other").json["expected"] == "model"
    assert service.get("/v2/models/mod%65l").status == 200
    assert service.get("/v2/models/model/versions/1/ready").status == 200
    assert service.get("/v2/models/model/versions/2").status == 404
    assert service.get("http://x/v2?y=1").status == 200


def test_bodies_together_may_not_hold_more_memory_than_allowed(service):
    with service.raw() as first:
        first.sendall(head("Content-Length: 190000") + b"x")
        time.sleep(0.2)
        received = exchange(service, head("Content-Length: 190000") + b"x")
        assert statuses(received) == [503]
        assert b"Retry-After: 1" in received
    time.sleep(0.2)
    big = json.dumps({"rows": [[1, 2, 3]] * 17_000})
    assert len(big) > 180_000
    assert service.post("/predict", big).status == 200


def test_an_id_is_told_in_the_answer_and_in_the_log(service):
    assert service.get("/v2", **{"X-Request-Id": 'my"id'}).headers["x-request-id"] == "my'id"
    time.sleep(0.1)
    found = [event for event in service.events_of("request") if event["id"] == "my'id"]
    assert found[0]["path"] == "/v2"
    assert found[0]["status"] == 200


def test_large_answers_to_a_slow_reader(service):
    """More than socket buffers hold: what is left is sent as the client reads."""
    body = json.dumps({"rows": [[1.123456789, 2.123456789, 3.123456789]] * 4_000})
    wanted = None
    with service.raw() as sock:
        sock.setsockopt(1, 8, 4096)  # SO_RCVBUF
        for _ in range(2):
            sock.sendall(head(f"Content-Length: {len(body)}") + body.encode())
            time.sleep(0.2)
            received = b""
            while b"\r\n\r\n" not in received:
                received += sock.recv(4096)
            start, _, answer = received.partition(b"\r\n\r\n")
            length = int(start.lower().partition(b"content-length: ")[2].split(b"\r\n")[0])
            while len(answer) < length:
                answer += sock.recv(65536)
            assert len(json.loads(answer)["rows"]) == 4_000
            assert wanted in (None, answer)
            wanted = answer
