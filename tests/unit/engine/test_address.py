from __future__ import annotations

import hashlib
import json
import os

import pytest

from jupyter_containerize.engine.address import addresses
from jupyter_containerize.errors import ContainerizeError


@pytest.fixture
def config(tmp_path, monkeypatch):
    """A Docker config folder of our own."""
    monkeypatch.setenv("DOCKER_CONFIG", str(tmp_path))
    return tmp_path


def context(folder, name, host, **fields):
    place = folder / "contexts" / "meta" / hashlib.sha256(name.encode()).hexdigest()
    os.makedirs(place)
    with open(f"{place}/meta.json", "w") as file:
        json.dump(
            {"Name": name, "Metadata": {}, "Endpoints": {"docker": {"Host": host, **fields}}}, file
        )


def keys(folder, *names):
    folder.mkdir(parents=True, exist_ok=True)
    for name in names:
        (folder / f"{name}.pem").write_text("x")


def test_docker_host_comes_first(config):
    (config / "config.json").write_text('{"currentContext": "far"}')
    found = addresses({"DOCKER_HOST": "unix:///x/sock", "DOCKER_CONTEXT": "far"})
    assert [(one.url, one.source, one.socket) for one in found] == [
        ("unix:///x/sock", "DOCKER_HOST", "/x/sock")
    ]


@pytest.mark.parametrize("verify", ["1", ""])
def test_tls_takes_its_keys_from_the_folder(config, tmp_path, verify):
    keys(tmp_path / "k", "ca", "cert", "key")
    environ = {"DOCKER_HOST": "tcp://far:2376", "DOCKER_TLS_VERIFY": verify,
               "DOCKER_CERT_PATH": str(tmp_path / "k")}  # fmt: skip
    (found,) = addresses(environ)
    assert (found.tls, found.verify) == (True, bool(verify))
    assert [found.ca, found.certificate, found.key] == [
        str(tmp_path / "k" / f"{name}.pem") for name in ("ca", "cert", "key")
    ]


def test_plain_tcp_is_left_plain(config):
    (found,) = addresses({"DOCKER_HOST": "tcp://near:2375"})
    assert not found.tls


def test_the_current_context_is_used(config):
    context(config, "far", "tcp://far:2376", SkipTLSVerify=False)
    (config / "config.json").write_text('{"currentContext": "far"}')
    (found,) = addresses({"DOCKER_CONFIG": str(config)})
    assert (found.url, found.source, found.tls) == ("tcp://far:2376", "the context 'far'", False)


def test_an_absent_context_is_named(config):
    with pytest.raises(ContainerizeError, match="'gone'") as caught:
        addresses({"DOCKER_CONTEXT": "gone"})
    assert caught.value.code == "no-such-context"


def test_rootless_and_podman_sockets_are_found(config, tmp_path, monkeypatch):
    monkeypatch.setattr("os.path.exists", lambda path: str(path).startswith(str(tmp_path)))
    monkeypatch.setattr("os.access", lambda *_: True)
    found = addresses({"XDG_RUNTIME_DIR": str(tmp_path), "DOCKER_CONFIG": str(config)})
    assert [one.socket for one in found] == [
        f"{tmp_path}/docker.sock", f"{tmp_path}/podman/podman.sock",
    ]  # fmt: skip
