"""A service of a cluster is asked from outside by a way of its own; what runs here, directly."""

from __future__ import annotations

import contextlib
import http.server
import threading

import pytest

from jupyter_containerize.errors import ContainerizeError
from jupyter_containerize.model.run import Run, RunSpec
from jupyter_containerize.workflow import living


class Runtime:
    """A runtime whose services are reached through a port of this machine."""

    def __init__(self, port):
        self.port, self.asked, self.is_open = port, [], False

    @contextlib.contextmanager
    def forwarded(self, run_id, *, store):
        self.asked.append(run_id)
        self.is_open = True
        yield self.port
        self.is_open = False


@pytest.fixture
def service():
    class Handler(http.server.BaseHTTPRequestHandler):
        def do_POST(self):
            body = self.rfile.read(int(self.headers["Content-Length"]))
            self.send_response(200)
            self.end_headers()
            self.wfile.write(self.path.encode() + b" " + body)

        def log_message(self, *_):
            pass

    with http.server.HTTPServer(("127.0.0.1", 0), Handler) as server:
        thread = threading.Thread(target=server.serve_forever)
        thread.start()
        yield server.server_port
        server.shutdown()
        thread.join()


def asked(monkeypatch, runtime, endpoint):
    run = Run(id="0a", spec=RunSpec(image="x"), runtime="kubernetes", endpoint=endpoint)
    monkeypatch.setattr(living, "open_store", lambda _: None)
    monkeypatch.setattr(living, "find_run", lambda *_: (runtime, run))
    return living.predict("0a", "{}", store="")


def test_the_name_of_a_cluster_is_no_address_here(monkeypatch, service):
    monkeypatch.delenv("KUBERNETES_SERVICE_HOST", raising=False)
    runtime = Runtime(service)
    answer = asked(monkeypatch, runtime, "http://model.team.svc")
    assert (answer["status"], answer["body"]) == (200, "/predict {}")
    assert (runtime.asked, runtime.is_open) == (["0a"], False)


@pytest.mark.parametrize("runtime", [Runtime(0), object()])
def test_what_has_an_address_is_asked_there(monkeypatch, service, runtime):
    assert asked(monkeypatch, runtime, f"http://127.0.0.1:{service}")["status"] == 200
    assert getattr(runtime, "asked", []) == []


def test_no_endpoint(monkeypatch):
    with pytest.raises(ContainerizeError) as caught:
        asked(monkeypatch, Runtime(0), "")
    assert caught.value.code == "no-endpoint"
