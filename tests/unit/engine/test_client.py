"""What is told when there is no engine, none for us, or one that is too old or too slow."""

from __future__ import annotations

import json
import os
import socket
import ssl
import subprocess
import sys
import threading
from http.server import BaseHTTPRequestHandler, HTTPServer

import pytest

from jupyter_containerize.engine.address import Address
from jupyter_containerize.engine.client import Engine
from jupyter_containerize.engine.facts import Facts
from jupyter_containerize.engine.problems import refused
from jupyter_containerize.errors import ContainerizeError


def problem(address):
    with pytest.raises(ContainerizeError) as caught:
        Engine.connect(address)
    return caught.value


OLD = {"Version": "17.03", "ApiVersion": "1.26", "Components": [{"Name": "Engine"}]}


class Answers(BaseHTTPRequestHandler):
    """An engine that only knows its version."""

    def do_GET(self):
        data = json.dumps(OLD).encode()
        self.send_response(200)
        self.send_header("Content-Type", "application/json")
        self.send_header("Content-Length", str(len(data)))
        self.end_headers()
        self.wfile.write(data)

    def log_message(self, *_):
        pass


@pytest.fixture
def server():
    made = HTTPServer(("127.0.0.1", 0), Answers)
    threading.Thread(target=made.serve_forever, daemon=True).start()
    yield made
    made.shutdown()
    made.server_close()


def test_nobody_there(tmp_path):
    error = problem(Address(f"unix://{tmp_path}/sock", "DOCKER_HOST"))
    assert error.code == "no-engine"
    assert "DOCKER_HOST" in error.what
    with socket.create_server(("127.0.0.1", 0)) as taken:
        port = taken.getsockname()[1]
    assert problem(Address(f"tcp://127.0.0.1:{port}", "DOCKER_HOST")).code == "no-engine"


def test_a_socket_that_nobody_listens_to(tmp_path):
    with socket.socket(socket.AF_UNIX) as left:
        left.bind(str(tmp_path / "sock"))
    assert problem(Address(f"unix://{tmp_path}/sock", "its socket")).code == "no-engine"


def test_a_socket_that_is_not_for_us(require, open_folder):
    require(os.getuid() == 0, "root, to become another user")
    path = open_folder / "private.sock"
    with socket.socket(socket.AF_UNIX) as engine:
        engine.bind(str(path))
        engine.listen()
        path.chmod(0o600)
        script = (
            "import os; os.setuid(4321)\n"
            "from jupyter_containerize.engine.client import Engine\n"
            "from jupyter_containerize.engine.address import Address\n"
            f"try: Engine.connect(Address('unix://{path}', 'its socket'))\n"
            "except Exception as error: print(error.code, '|', error.fix)\n"
        )
        # Everything is imported before the user changes, who may not read the sources.
        first = "import docker, jupyter_containerize.engine.client, jupyter_containerize.engine.problems\n"
        done = subprocess.run(
            [sys.executable, "-c", first + script], capture_output=True, text=True
        )
    assert done.stdout.startswith("engine-permission | Join the group"), done


def test_an_engine_that_is_too_old(server):
    error = problem(Address(f"tcp://127.0.0.1:{server.server_port}", "DOCKER_HOST"))
    assert error.code == "engine-too-old"
    assert "17.03" in error.why


def test_tls_that_cannot_be_trusted(server, tmp_path):
    subprocess.run(
        ["openssl", "req", "-x509", "-newkey", "rsa:2048", "-nodes", "-subj", "/CN=localhost",
         "-addext", "subjectAltName=DNS:localhost", "-days", "1",
         "-keyout", tmp_path / "key.pem", "-out", tmp_path / "cert.pem"],
        check=True, capture_output=True,
    )  # fmt: skip
    context = ssl.SSLContext(ssl.PROTOCOL_TLS_SERVER)
    context.load_cert_chain(tmp_path / "cert.pem", tmp_path / "key.pem")
    server.socket = context.wrap_socket(server.socket, server_side=True)
    url = f"tcp://localhost:{server.server_port}"
    assert problem(Address(url, "DOCKER_HOST", tls=True)).code == "engine-tls"
    # With the right certificate the conversation gets as far as the engine's age.
    trusted = Address(url, "DOCKER_HOST", tls=True, ca=str(tmp_path / "cert.pem"))
    assert problem(trusted).code == "engine-too-old"


def test_without_the_sdk_the_fix_is_the_extra(monkeypatch):
    monkeypatch.setitem(sys.modules, "docker", None)
    error = problem(None)
    assert error.code in ("docker-sdk-missing", "no-engine")
    error = problem(Address("tcp://127.0.0.1:1", "DOCKER_HOST"))
    assert error.code == "docker-sdk-missing"
    assert "jupyter-containerize[docker]" in error.fix


@pytest.mark.parametrize(
    ("said", "code"),
    [
        ("Bind for 0.0.0.0:80 failed: port is already allocated", "port-in-use"),
        ("listen tcp4 127.0.0.1:80: bind: address already in use", "port-in-use"),
        ('Conflict. The container name "/x" is already in use by container "y"', "name-in-use"),
        ("write /var/lib/docker/tmp/x: no space left on device", "engine-no-space"),
        ('could not select device driver "" with capabilities: [[gpu]]', "no-gpu"),
        ("invalid mount config for type bind: bind source path does not exist: /x",
         "mount-missing"),
        ("something else", "engine-refused"),
    ],
)  # fmt: skip
def test_what_engines_say_has_a_code_of_its_own(said, code):
    error = refused("starting the container", said)
    assert error.code == code
    assert said in error.why
    assert error.fix


def test_facts_of_podman_and_of_the_containerd_store():
    version = {"Version": "4.3", "ApiVersion": "1.41", "Components": [{"Name": "Podman Engine"}]}
    assert str(Facts.of(version, {})) == "podman 4.3"
    info = {"DriverStatus": [["driver-type", "io.containerd.snapshotter.v1"]],
            "SecurityOptions": ["name=rootless"], "Architecture": "aarch64"}  # fmt: skip
    facts = Facts.of({"Version": "26.1", "ApiVersion": "1.45"}, info)
    assert str(facts) == "Docker 26.1, rootless, containerd image store"
    assert str(facts.platform) == "linux/arm64"
