"""The way to a cluster: kubeconfigs as clouds and companies write them, balancers, proxies, long lists."""

from __future__ import annotations

import contextlib
import json
import select
import socket
import stat
import threading
import time
from http.server import BaseHTTPRequestHandler, ThreadingHTTPServer
from types import SimpleNamespace

import pytest

from jupyter_containerize.errors import ContainerizeError
from jupyter_containerize.model.cluster import Place
from jupyter_containerize.runtimes.kubernetes import (
    away,
    connection,
    kubeconfig,
    paths,
    tunnel,
    watching,
)
from jupyter_containerize.runtimes.kubernetes.connection import Connection
from jupyter_containerize.runtimes.kubernetes.streams import log_lines

PODS = "/api/v1/namespaces/default/pods"


@pytest.fixture
def fake(fake_cluster):
    with fake_cluster.FakeCluster() as running:
        yield running


@pytest.fixture
def connect(fake, tmp_path):
    """`connect(change, patience_s=...)`: connect by a kubeconfig that `change(document)` has changed."""

    def make(change=lambda _: None, *, place=Place, **options):
        path = fake.kubeconfig(tmp_path)
        document = json.loads(path.read_text())
        change(document)
        path.write_text(json.dumps(document))
        return Connection(place(kubeconfig=str(path)), **options)

    return make


def plugin(folder, text, name="sign-in"):
    path = folder / name
    path.write_text(f"#!/bin/sh\n{text}\n")
    path.chmod(path.stat().st_mode | stat.S_IXUSR)
    return str(path)


def signing_in_by(command):
    def change(document):
        wanted = {"apiVersion": "client.authentication.k8s.io/v1", "command": command, "interactiveMode": "Never"}  # fmt: skip
        document["users"][0]["user"] = {"exec": wanted}

    return change


def test_a_program_signs_in_as_clouds_have_it(connect, tmp_path):
    answer = {
        "apiVersion": "client.authentication.k8s.io/v1",
        "kind": "ExecCredential",
        "status": {"token": "secret-token"},
    }
    command = plugin(tmp_path, f"echo '{json.dumps(answer)}'")
    assert connect(signing_in_by(command)).list(PODS)["items"] == []


@pytest.mark.parametrize(
    ("text", "words"),
    [
        (None, "is not installed here"),
        ("echo 'Token has expired: run aws sso login' >&2; exit 255", "Token has expired"),
        ("echo not json", "decode"),
    ],
)
def test_a_program_that_does_not_sign_in(connect, tmp_path, caplog, text, words):
    command = plugin(tmp_path, text) if text else str(tmp_path / "gke-gcloud-auth-plugin")
    with pytest.raises(ContainerizeError) as caught:
        connect(signing_in_by(command))
    assert caught.value.code == "cluster-login"
    assert words in f"{caught.value.what} {caught.value.why}"


def test_several_files_are_one_kubeconfig_and_a_context_brings_its_namespace(
    fake, tmp_path, monkeypatch
):
    document = json.loads(fake.kubeconfig(tmp_path).read_text())
    contexts, users = tmp_path / "contexts", tmp_path / "users"
    about = {"cluster": "fake", "user": "me", "namespace": "team"}
    contexts.write_text(
        json.dumps({**document, "users": [], "contexts": [{"name": "work", "context": about}], "current-context": "work"})
    )  # fmt: skip
    users.write_text(json.dumps({**document, "clusters": [], "current-context": "fake"}))
    (tmp_path / "empty").touch()
    files = (tmp_path / "absent", tmp_path / "empty", contexts, users)
    monkeypatch.setenv("KUBECONFIG", ":".join(map(str, files)))
    found = Connection(Place())
    assert (found.context, found.namespace) == ("work", "team")
    assert found.get(paths.VERSION)["major"] == "1"
    assert Connection(Place(namespace="other")).namespace == "other"


def test_in_a_pod_its_service_account_is_who_asks(tmp_path, monkeypatch):
    from kubernetes.config import incluster_config  # noqa: PLC0415 - a second to import

    monkeypatch.setenv("HOME", str(tmp_path))
    monkeypatch.delenv("KUBECONFIG", raising=False)
    monkeypatch.setenv("KUBERNETES_SERVICE_HOST", "10.0.0.1")
    monkeypatch.setenv("KUBERNETES_SERVICE_PORT", "443")
    monkeypatch.setattr(incluster_config, "SERVICE_TOKEN_FILENAME", str(tmp_path / "token"))
    monkeypatch.setattr(incluster_config, "SERVICE_CERT_FILENAME", str(tmp_path / "ca.crt"))
    monkeypatch.setattr(kubeconfig, "_NAMESPACE_FILE", str(tmp_path / "namespace"))
    with pytest.raises(ContainerizeError) as caught:
        Connection(Place())
    assert (caught.value.code, caught.value.what) == (
        "no-kubeconfig", "This pod has no access to its cluster.",
    )  # fmt: skip
    for name, text in (("token", "of-the-pod"), ("ca.crt", "a certificate"), ("namespace", "team")):
        (tmp_path / name).write_text(text)
    found = Connection(Place())
    assert (found.host, found.context, found.namespace) == ("https://10.0.0.1:443", "", "team")
    assert found._headers()["authorization"] == "bearer of-the-pod"
    assert kubeconfig.contexts() == [{"name": "", "namespace": "", "current": True}]


def test_a_proxy_of_the_kubeconfig_is_used(connect, fake):
    def change(document):
        about = {"server": "http://cluster.invalid", "proxy-url": f"http://127.0.0.1:{fake.port}"}
        document["clusters"][0]["cluster"] = about

    assert connect(change).get(paths.VERSION)["major"] == "1"


@pytest.mark.parametrize(
    ("status", "text"),
    [(200, b"<html><h1>Please sign in</h1></html>"), (302, b""), (200, b"[1]")],
)
def test_a_server_that_is_no_api_server(connect, status, text):
    class Page(BaseHTTPRequestHandler):
        def do_GET(self):
            self.send_response(status)
            self.send_header("Location", "/login")
            self.send_header("Content-Length", str(len(text)))
            self.end_headers()
            self.wfile.write(text)

        def log_message(self, *_):
            pass

    def change(document):
        document["clusters"][0]["cluster"]["server"] = f"http://127.0.0.1:{server.server_port}"

    with ThreadingHTTPServer(("127.0.0.1", 0), Page) as server:
        threading.Thread(target=server.serve_forever, args=(0.05,), daemon=True).start()
        with pytest.raises(ContainerizeError) as caught:
            connect(change).get(paths.VERSION)
        server.shutdown()
    assert caught.value.code == "cluster-unreachable"
    assert "no Kubernetes API server" in caught.value.what
    assert "<" not in caught.value.why


def pods(fake, count):
    for number in range(count):
        fake.objects.create(PODS, {"metadata": {"name": f"p-{number:04}", "labels": {}}})


def test_a_thousand_pods_are_listed_in_pages_and_again_when_the_place_is_lost(connect, fake):
    pods(fake, 1200)
    made = connect()
    assert len(made.list(PODS)["items"]) == 1200
    fake.fail("GET", "continue=", 410, reason="Expired", message="The provided continue parameter is too old")  # fmt: skip
    names = [item["metadata"]["name"] for item in made.list(PODS)["items"]]
    assert names == sorted(set(names))
    assert len(names) == 1200


def test_a_webhook_that_restarts_and_a_quota_that_another_changes_cost_nothing(connect, fake):
    policies = "/apis/networking.k8s.io/v1/namespaces/default/networkpolicies/a"
    wanted = {"metadata": {"name": "a"}, "spec": {"podSelector": {}, "policyTypes": ["Ingress"]}}
    fake.fail("PATCH", "policies/a", 500, message='failed calling webhook "x": connection refused')
    fake.fail("PATCH", "policies/a", 409, message='Operation cannot be fulfilled on resourcequotas "q": modified')  # fmt: skip
    assert connect().apply(policies, wanted)["metadata"]["uid"]


def test_what_repeating_does_not_mend_is_told_at_once(connect, fake, monkeypatch):
    monkeypatch.setattr(connection, "_PART_PATIENCE_S", 0.0)
    for message, code in (
        (".spec.new: field not declared in schema", "cluster-refused"),
        ('failed calling webhook "x": connection refused', "admission-failed"),
    ):
        fake.fail("PATCH", "policies/a", 500, message=message)
        with pytest.raises(ContainerizeError) as caught:
            connect().apply("/apis/networking.k8s.io/v1/namespaces/default/networkpolicies/a", {})
        assert caught.value.code == code
    assert len([call for call in fake.calls if call[0] == "PATCH"]) == 2


class Balancer:
    """Passes connections on, and cuts each a moment after its server has first answered."""

    def __init__(self, port):
        self._port, self.cuts = port, 0
        self._listener = socket.create_server(("127.0.0.1", 0))
        self.port = self._listener.getsockname()[1]
        threading.Thread(target=self._accept, daemon=True).start()

    def close(self):
        self._listener.close()

    def _accept(self):
        with contextlib.suppress(OSError):
            while True:
                client, _ = self._listener.accept()
                threading.Thread(target=self._pass, args=(client,), daemon=True).start()

    def _pass(self, client):
        with client, socket.create_connection(("127.0.0.1", self._port)) as server:
            until = None
            with contextlib.suppress(OSError):
                while until is None or time.monotonic() < until:
                    for one in select.select([client, server], [], [], 0.05)[0]:
                        data = one.recv(1 << 16)
                        if not data:
                            return
                        if one is server and until is None:
                            until = time.monotonic() + 0.3
                        (client if one is server else server).sendall(data)
                self.cuts += 1


def test_a_quiet_pod_behind_a_balancer_that_cuts_what_is_idle_is_followed_on(
    connect, fake, fake_cluster, monkeypatch
):
    monkeypatch.setattr(away, "PATIENCE_S", 1.0)
    balancer = Balancer(fake.port)

    def change(document):
        document["clusters"][0]["cluster"]["server"] = f"http://127.0.0.1:{balancer.port}"

    ended = threading.Event()

    def script(pod, node):
        yield "before\n"
        began = time.monotonic()
        while balancer.cuts < 6 or time.monotonic() - began < 3.0:
            time.sleep(0.05)
        yield "after\n"
        ended.set()
        yield 0

    fake_cluster.ScriptedNode(fake, training=script)
    spec = {"containers": [{"name": "training", "image": "x"}]}
    fake.objects.create(PODS, {"metadata": {"name": "a", "labels": {}}, "spec": spec, "status": {"phase": "Pending"}})  # fmt: skip
    made = connect(change)
    for change in watching.observe(made, PODS):
        if change.object["status"]["phase"] == "Running":
            break
    lines = [*log_lines(made, "a", "training", follow=True, ended=ended.is_set)]
    balancer.close()
    assert lines == ["before\n", "after\n"]


NODE_AWAY = 'Get "https://10.0.0.5:10250/containerLogs/a": dial tcp 10.0.0.5:10250: i/o timeout'


def test_a_node_that_does_not_answer_is_not_the_server(connect, fake, monkeypatch):
    """While the pod may live, its log is asked for; when it has ended, what is missing is said."""
    monkeypatch.setattr(away, "PATIENCE_S", 0.5)
    fake.fail("GET", "/log", 500, times=10_000, message=NODE_AWAY)
    asked = []

    def ended():
        asked.append(len([call for call in fake.calls if "/log" in call[1]]))
        return asked[-1] > 4

    lines = [*log_lines(connect(), "a", "training", follow=True, ended=ended)]
    assert lines == [f"(The rest of this log cannot be read: {NODE_AWAY})\n"]
    assert asked[-1] > 4


def test_a_kubeconfig_that_is_being_written_is_read_again(connect, fake, tmp_path, monkeypatch):
    made = connect()
    fake.tokens = {"another"}
    (tmp_path / "kubeconfig").write_text("")
    # Its writer goes on while we wait.
    clock = SimpleNamespace(
        sleep=lambda _: fake.kubeconfig(tmp_path, token="another"), monotonic=time.monotonic
    )
    monkeypatch.setattr(connection, "time", clock)
    assert made.list(PODS)["items"] == []


def test_credentials_that_are_renewed_after_their_end_are_waited_for(
    connect, fake, tmp_path, monkeypatch
):
    monkeypatch.setattr(connection, "_LOGIN_PATIENCE_S", 60.0)
    made = connect()
    made.get(paths.VERSION)
    fake.tokens = {"another"}
    threading.Timer(0.5, fake.kubeconfig, (tmp_path,), {"token": "another"}).start()
    assert made.list(PODS)["items"] == []


def test_credentials_that_were_never_good_are_not_waited_for(connect, fake):
    fake.tokens = {"another"}
    with pytest.raises(ContainerizeError) as caught:
        connect().list(PODS)
    assert caught.value.code == "cluster-login"
    assert len(fake.calls) == 2


def test_a_connection_to_a_service_goes_to_another_pod_when_its_own_is_gone(connect, fake):
    def connected(pod, port):
        here, there = socket.socketpair()
        there.sendall(f"{pod['metadata']['name']}:{port}".encode())
        there.shutdown(socket.SHUT_WR)
        return here

    fake.kubelet = SimpleNamespace(connect=connected, stop=lambda: None)
    pods(fake, 1)
    ready = iter([["gone"], [], ["p-0000"]])
    with (
        tunnel.opened(connect(), lambda: next(ready), 8080) as port,
        socket.create_connection(("127.0.0.1", port)) as client,
    ):
        client.settimeout(60)
        assert b"".join(iter(lambda: client.recv(100), b"")) == b"p-0000:8080"


def test_who_asks_a_service_that_is_away_sees_a_closed_connection(connect, monkeypatch):
    monkeypatch.setattr(tunnel, "_PATIENCE_S", 0.3)
    with (
        tunnel.opened(connect(), list, 8080) as port,
        socket.create_connection(("127.0.0.1", port)) as client,
    ):
        client.settimeout(60)
        assert client.recv(100) == b""
    with socket.create_server(("127.0.0.1", 0)) as taken, pytest.raises(ContainerizeError) as caught:  # fmt: skip
        tunnel.opened(connect(), list, 8080, local=taken.getsockname()[1]).__enter__()
    assert caught.value.code == "port-in-use"
