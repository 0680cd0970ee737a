"""The engine stopped during a run, during a load and during a build; a full disk."""

from __future__ import annotations

import importlib.util
import io
import os
import shutil
import signal
import tarfile
import threading
import time
from pathlib import Path

import pytest

from jupyter_containerize.engine import buildkit
from jupyter_containerize.engine.client import Engine
from jupyter_containerize.errors import ContainerizeError
from jupyter_containerize.model.run import RunSpec, RunState
from jupyter_containerize.oci.store import Store
from jupyter_containerize.runtimes.docker import DockerRuntime
from jupyter_containerize.runtimes.docker.loading import Loading

RUNTIME = DockerRuntime()


@pytest.fixture(scope="module")
def engines(require):
    require(os.getuid() == 0, "root, to start a Docker engine")
    source = Path(__file__).resolve().parents[1] / "docker_engine.py"
    spec = importlib.util.spec_from_file_location("containerize_docker_engine", source)
    module = importlib.util.module_from_spec(spec)
    spec.loader.exec_module(module)
    return module


@pytest.fixture
def engine(engines, monkeypatch):
    """An engine to be stopped."""
    with engines.running() as made:
        monkeypatch.setenv("DOCKER_HOST", made.socket)
        yield made


@pytest.fixture
def store(tmp_path):
    return Store.open(str(tmp_path / "store"))


def test_the_engine_is_stopped_during_a_run(engine, store, tiny_images):
    image = tiny_images.image(store)
    spec = RunSpec(
        image.digest, entrypoint=("/bin/sh", "-c", "echo up; echo 1 > /outputs/x; sleep 1000")
    )
    run = RUNTIME.start(spec, store=store)
    lines = RUNTIME.logs(run.id, store=store, follow=True)
    assert next(lines) == "up\n"
    engine.stop()
    # Whoever follows is told at once; nobody waits for an engine that is gone.
    with pytest.raises(ContainerizeError) as caught:
        for _ in lines:
            pass
    assert caught.value.code in ("no-engine", "engine-lost")
    engine.start()
    run = RUNTIME.wait(run.id, store=store, timeout_s=60)
    assert run.state is RunState.FAILED
    assert run.exit_code != 0
    assert Path(run.log).read_text() == "up\n"
    assert Path(run.outputs, "x").read_text() == "1\n"


def test_a_run_whose_engine_is_away_is_listed_as_last_seen(engine, store, tiny_images):
    image = tiny_images.image(store)
    run = RUNTIME.start(RunSpec(image.digest, entrypoint=("/bin/sleep", "1000")), store=store)
    _end_watchers(run)
    engine.stop()
    (listed,) = RUNTIME.list(store=store)
    assert "as last seen" in listed.reason
    assert not listed.state.final
    assert [problem.code for problem in RUNTIME.problems(store=store)] == ["no-engine"]
    with pytest.raises(ContainerizeError) as caught:
        RUNTIME.get(run.id, store=store)
    assert caught.value.code == "no-engine"


def test_the_engine_is_killed_while_it_takes_an_image(engine, store, tiny_images):
    image = tiny_images.image(store, {"/opt/big": os.urandom(60_000_000)})
    connected = Engine.connect()
    threading.Timer(0.05, engine.kill).start()
    with pytest.raises(ContainerizeError) as caught:
        Loading(image, connected, store).run()
    assert caught.value.code in ("engine-lost", "no-engine")
    time.sleep(0.5)
    engine.start()
    assert Loading(image, Engine.connect(), store).run().sent_layers == 2


def test_a_full_disk_of_the_engine_is_named(engines, store, tiny_images, monkeypatch):
    image = tiny_images.image(store, {"/opt/big": os.urandom(60_000_000)})
    monkeypatch.setitem(engines._COMMANDS, "docker", _on_a_small_disk(engines._docker))
    with engines.running() as made:
        monkeypatch.setenv("DOCKER_HOST", made.socket)
        connected = Engine.connect()
        with pytest.raises(ContainerizeError) as caught:
            Loading(image, connected, store).run()
        assert caught.value.code == "engine-no-space"
        assert connected.image(image.config_digest) is None


@pytest.mark.parametrize("way", ["sdk", "buildkit"])
def test_the_engine_is_killed_during_a_build(engine, tmp_path, way):
    engine.docker("import", "-", "busy", input=_busybox())
    text = "FROM busy\nRUN echo begun; while :; do echo x; sleep 1; done\n"
    connected = Engine.connect()
    if way == "sdk":
        archive = tmp_path / "context.tar"
        archive.write_bytes(_context(text))
        messages = connected.build(str(archive), tag="x:1")
    else:
        (tmp_path / "Dockerfile").write_text(text)
        chosen = buildkit.Command(shutil.which("docker", path="/usr/bin"))
        messages = buildkit.build(chosen, str(tmp_path), tag="x:1", engine=connected)
    # Its second step says so, and goes on for ever.
    assert any(message.text == "begun" for message in messages)
    engine.kill()
    with pytest.raises(ContainerizeError) as caught:
        list(messages)
    assert caught.value.code in ("engine-lost", "no-engine")


def _on_a_small_disk(command):
    def small(folder):
        words, _ = command(folder)
        return words, f"mkdir -p {folder}/data && mount -t tmpfs -o size=40m none {folder}/data && "

    return small


def _busybox():
    return _tar({"bin/busybox": Path("/bin/busybox").read_bytes(), "bin/sh": "busybox",
                 "bin/echo": "busybox", "bin/sleep": "busybox"})  # fmt: skip


def _context(text):
    return _tar({"Dockerfile": text.encode()})


def _tar(files):
    buffer = io.BytesIO()
    with tarfile.open(fileobj=buffer, mode="w") as tar:
        for name, content in files.items():
            entry = tarfile.TarInfo(name)
            entry.mode = 0o755
            if isinstance(content, str):
                entry.type, entry.linkname = tarfile.SYMTYPE, content
                tar.addfile(entry)
            else:
                entry.size = len(content)
                tar.addfile(entry, io.BytesIO(content))
    return buffer.getvalue()


def _end_watchers(run):
    for name in filter(str.isdigit, os.listdir("/proc")):
        try:
            line = Path(f"/proc/{name}/cmdline").read_bytes()
        except OSError:
            continue
        if run.id.encode() in line and b"runtimes.docker.watcher" in line:
            os.kill(int(name), signal.SIGKILL)
            while (
                Path(f"/proc/{name}/cmdline").exists()
                and Path(f"/proc/{name}/cmdline").read_bytes()
            ):
                time.sleep(0.01)
