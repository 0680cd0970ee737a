"""An engine behind TLS, found as the `docker` command finds it: by variables and by contexts."""

from __future__ import annotations

import contextlib
import os
import shutil
import socket
import subprocess
import time

import pytest

from jupyter_containerize.engine import buildkit
from jupyter_containerize.engine.client import Engine
from jupyter_containerize.errors import ContainerizeError

DOCKER = shutil.which("docker", path="/usr/bin")
START_S = 120


def openssl(folder, *words):
    subprocess.run(["openssl", *words], cwd=folder, check=True, capture_output=True)


def authority(folder):
    """Make an authority with `server` and `client` keys below `folder`, as Docker wants them named."""
    folder.mkdir()
    key = ("-newkey", "ec", "-pkeyopt", "ec_paramgen_curve:prime256v1", "-nodes")
    openssl(folder, "req", "-x509", *key, "-days", "2", "-subj", "/CN=test authority",
            "-keyout", "ca-key.pem", "-out", "ca.pem")  # fmt: skip
    for name, usage in (("server", "serverAuth"), ("client", "clientAuth")):
        place = folder / name
        place.mkdir()
        (place / "extra").write_text(
            f"subjectAltName=DNS:localhost,IP:127.0.0.1\nextendedKeyUsage={usage}\n"
        )
        openssl(folder, "req", *key, "-subj", f"/CN={name}", "-keyout", f"{name}/key.pem",
                "-out", f"{name}/csr")  # fmt: skip
        openssl(folder, "x509", "-req", "-in", f"{name}/csr", "-CA", "ca.pem", "-CAkey", "ca-key.pem",
                "-CAcreateserial", "-days", "2", "-extfile", f"{name}/extra", "-out", f"{name}/cert.pem")  # fmt: skip
        shutil.copy(folder / "ca.pem", place)
    return folder


@pytest.fixture(scope="module")
def place(require, tmp_path_factory):
    """A folder with keys, and the address of an engine on loopback that wants them."""
    require(os.getuid() == 0, "root, to start a Docker engine")
    require(shutil.which("dockerd"), "dockerd (Debian: docker.io)")
    folder = tmp_path_factory.mktemp("tls")
    keys = authority(folder / "keys") / "server"
    authority(folder / "others")
    for _ in range(5):  # somebody else may take the port first
        process, port = started(folder, keys)
        if answers(process, port):
            break
    else:
        pytest.fail((folder / "log").read_text()[-2000:])
    try:
        yield folder, f"tcp://127.0.0.1:{port}"
    finally:
        process.terminate()
        process.wait(60)


def started(folder, keys):
    """Start an engine on a port that is free now; return both."""
    with socket.create_server(("127.0.0.1", 0)) as probe:
        port = probe.getsockname()[1]
    with open(folder / "log", "wb") as log:
        process = subprocess.Popen(
            ["dockerd", "--data-root", f"{folder}/data", "--exec-root", f"{folder}/exec",
             "--pidfile", f"{folder}/pid", "-H", f"tcp://127.0.0.1:{port}", "--tlsverify",
             f"--tlscacert={keys}/ca.pem", f"--tlscert={keys}/cert.pem", f"--tlskey={keys}/key.pem",
             "--bridge=none", "--iptables=false", "--ip6tables=false"],
            stdout=log, stderr=log,
        )  # fmt: skip
    return process, port


def answers(process, port):
    """Wait until it takes connections; False when it has ended instead."""
    deadline = time.monotonic() + START_S
    while process.poll() is None:
        with contextlib.suppress(OSError):
            socket.create_connection(("127.0.0.1", port), 5).close()
            return True
        assert time.monotonic() < deadline, "the engine takes no connections"
        time.sleep(0.1)
    return False


@pytest.fixture
def settings(monkeypatch, tmp_path):
    """No settings of Docker but those of the test."""
    for name in ("DOCKER_HOST", "DOCKER_CONTEXT", "DOCKER_TLS_VERIFY", "DOCKER_CERT_PATH"):
        monkeypatch.delenv(name, raising=False)
    monkeypatch.setenv("HOME", str(tmp_path))
    monkeypatch.setenv("DOCKER_CONFIG", str(tmp_path / ".docker"))
    return monkeypatch


def test_variables_lead_to_an_engine_behind_tls(place, settings):
    folder, url = place
    settings.setenv("DOCKER_HOST", url)
    settings.setenv("DOCKER_TLS_VERIFY", "1")
    settings.setenv("DOCKER_CERT_PATH", str(folder / "keys" / "client"))
    engine = Engine.connect()
    assert (engine.facts.kind, engine.address.tls) == ("docker", True)


@pytest.mark.parametrize("keys", ["others/client", "keys/none"])
def test_keys_that_the_engine_does_not_trust_are_an_error_about_them(place, settings, keys):
    folder, url = place
    (folder / "keys" / "none").mkdir(exist_ok=True)
    shutil.copy(folder / "keys" / "ca.pem", folder / "keys" / "none")
    settings.setenv("DOCKER_HOST", url)
    settings.setenv("DOCKER_TLS_VERIFY", "1")
    settings.setenv("DOCKER_CERT_PATH", str(folder / keys))
    with pytest.raises(ContainerizeError) as caught:
        Engine.connect()
    assert caught.value.code == "engine-tls"
    assert "DOCKER_CERT_PATH" in caught.value.fix


@pytest.mark.parametrize("chosen", ["DOCKER_CONTEXT", "docker context use"])
def test_a_context_leads_there_and_builds_there(place, settings, tmp_path, chosen):
    folder, url = place
    keys = folder / "keys" / "client"
    endpoint = f"host={url},ca={keys}/ca.pem,cert={keys}/cert.pem,key={keys}/key.pem"
    subprocess.run([DOCKER, "context", "create", "far", "--docker", endpoint], check=True)
    if chosen == "DOCKER_CONTEXT":
        settings.setenv("DOCKER_CONTEXT", "far")
    else:
        subprocess.run([DOCKER, "context", "use", "far"], check=True)
    engine = Engine.connect()
    assert engine.address.source == "the context 'far'"
    (tmp_path / "context").mkdir()
    (tmp_path / "context" / "Dockerfile").write_text("FROM scratch\nCOPY Dockerfile /\n")
    list(
        buildkit.build(
            buildkit.Command(DOCKER), str(tmp_path / "context"), tag="there:1", engine=engine
        )
    )
    assert engine.image("there:1") is not None


def test_a_context_that_is_not_there_is_named(settings):
    settings.setenv("DOCKER_CONTEXT", "nowhere")
    with pytest.raises(ContainerizeError) as caught:
        Engine.connect()
    assert caught.value.code == "no-such-context"
    assert "nowhere" in caught.value.what
