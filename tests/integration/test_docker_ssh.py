"""An engine of another machine, over ssh: Debian's server on loopback, with a key."""

from __future__ import annotations

import contextlib
import os
import pwd
import shutil
import socket
import subprocess
import time
from pathlib import Path

import pytest

from jupyter_containerize.engine import buildkit
from jupyter_containerize.engine.client import Engine
from jupyter_containerize.errors import ContainerizeError
from jupyter_containerize.model.run import RunSpec, RunState
from jupyter_containerize.oci.store import Store
from jupyter_containerize.runtimes.docker import DockerRuntime

pytestmark = pytest.mark.timeout(900)
SSHD = "/usr/sbin/sshd"
START_S = 60
RUNTIME = DockerRuntime()


@pytest.fixture(scope="module")
def server(require, docker_engine, tmp_path_factory):
    """`user@host:port` of a server whose `docker` command finds the engine; PATH has an `ssh` that knows it."""
    require(os.getuid() == 0, "root, to start a server and an engine")
    require(os.path.exists(SSHD), "sshd (Debian: openssh-server)")
    folder = tmp_path_factory.mktemp("ssh")
    for name in ("host", "key"):
        subprocess.run(
            ["ssh-keygen", "-q", "-t", "ed25519", "-N", "", "-f", folder / name], check=True
        )
    shutil.copy(folder / "key.pub", folder / "authorized")
    os.makedirs("/run/sshd", exist_ok=True)
    for _ in range(5):  # somebody else may take the port first
        process, port = started(folder, docker_engine.socket)
        if answers(process, port):
            break
    else:
        pytest.fail((folder / "log").read_text()[-2000:])
    (folder / "known").write_text(f"[127.0.0.1]:{port} {(folder / 'host.pub').read_text()}")
    (folder / "config").write_text(
        f"Host *\n  IdentityFile {folder}/key\n  IdentitiesOnly yes\n  UserKnownHostsFile {folder}/known\n"
    )
    (folder / "bin").mkdir()
    # Settings are found in the user's home, whatever HOME says.
    program = folder / "bin" / "ssh"
    program.write_text(f'#!/bin/sh\nexec /usr/bin/ssh -F {folder}/config "$@"\n')
    program.chmod(0o755)
    with pytest.MonkeyPatch.context() as patch:
        patch.setenv("PATH", f"{folder / 'bin'}{os.pathsep}{os.environ['PATH']}")
        yield folder, f"ssh://{pwd.getpwuid(0).pw_name}@127.0.0.1:{port}"
    process.terminate()
    process.wait(60)


def started(folder, engine):
    """Start a server on a port that is free now; return both."""
    with socket.create_server(("127.0.0.1", 0)) as probe:
        port = probe.getsockname()[1]
    settings = {
        "Port": port, "ListenAddress": "127.0.0.1", "HostKey": folder / "host",
        "AuthorizedKeysFile": folder / "authorized", "PidFile": "none", "UsePAM": "no",
        "StrictModes": "no", "PermitRootLogin": "prohibit-password",
        "SetEnv": f"DOCKER_HOST={engine}",
    }  # fmt: skip
    (folder / "sshd").write_text("".join(f"{key} {value}\n" for key, value in settings.items()))
    with open(folder / "log", "wb") as log:
        process = subprocess.Popen(
            [SSHD, "-D", "-e", "-f", folder / "sshd"], stdout=log, stderr=log
        )
    return process, port


def answers(process, port):
    """Wait until it takes connections; False when it has ended instead."""
    deadline = time.monotonic() + START_S
    while process.poll() is None:
        with contextlib.suppress(OSError):
            socket.create_connection(("127.0.0.1", port), 5).close()
            return True
        assert time.monotonic() < deadline, "the server takes no connections"
        time.sleep(0.1)
    return False


def test_images_go_there_and_what_runs_wrote_comes_back(server, monkeypatch, tmp_path, tiny_images):
    monkeypatch.setenv("DOCKER_HOST", server[1])
    store = Store.open(str(tmp_path / "store"))
    image = tiny_images.image(store, {"/opt/over": os.urandom(3_000_000)})
    script = "echo over there; wc -c < /opt/over > /outputs/size; read line < /outputs/fifo"
    spec = RunSpec(image.digest, entrypoint=("/bin/sh", "-c", f"mkfifo /outputs/fifo; {script}"))
    run = RUNTIME.start(spec, store=store)
    lines = RUNTIME.logs(run.id, store=store, follow=True)
    assert next(lines) == "over there\n"
    run = RUNTIME.stop(run.id, store=store, grace_s=0)
    assert run.state is RunState.STOPPED
    assert Path(run.outputs, "size").read_text() == "3000000\n"


def test_builds_go_there_too(server, monkeypatch, tmp_path):
    monkeypatch.setenv("DOCKER_HOST", server[1])
    engine = Engine.connect()
    (tmp_path / "Dockerfile").write_text("FROM scratch\nCOPY Dockerfile /\n")
    chosen = buildkit.Command(shutil.which("docker", path="/usr/bin"))
    list(buildkit.build(chosen, str(tmp_path), tag="by-ssh:1", engine=engine))
    assert engine.image("by-ssh:1") is not None


def test_a_socket_over_there_can_be_named(server, docker_engine, monkeypatch):
    path = docker_engine.socket.removeprefix("unix://")
    monkeypatch.setenv("DOCKER_HOST", f"{server[1]}{path}")
    assert Engine.connect().facts.kind == "docker"
    monkeypatch.setenv("DOCKER_HOST", f"{server[1]}/no/such.sock")
    assert "no such file" in failing().why


@pytest.mark.parametrize(
    ("file", "text", "said"),
    [
        ("authorized", "", "Permission denied"),
        ("known", "", "Host key verification failed"),
    ],
)
def test_who_is_not_let_in_is_told_what_ssh_says(server, monkeypatch, file, text, said):
    folder, url = server
    before = (folder / file).read_text()
    (folder / file).write_text(text)
    monkeypatch.setenv("DOCKER_HOST", url)
    try:
        problem = failing()
    finally:
        (folder / file).write_text(before)
    assert said in problem.why
    assert "docker version" in problem.fix


def failing():
    with pytest.raises(ContainerizeError) as caught:
        Engine.connect()
    assert caught.value.code == "engine-ssh", str(caught.value)
    return caught.value
