"""Runs in a Docker engine: found again, brought home, and what engines refuse."""

from __future__ import annotations

import contextlib
import json
import os
import shutil
import signal
import subprocess
import time
from pathlib import Path

import pytest

from jupyter_containerize import workflow
from jupyter_containerize.errors import ContainerizeError
from jupyter_containerize.model.event import ignore
from jupyter_containerize.model.request import RunsRequest
from jupyter_containerize.model.run import Limits, Restart, RunSpec, RunState
from jupyter_containerize.oci.store import Store
from jupyter_containerize.runtimes import run_folder
from jupyter_containerize.runtimes.docker import DockerRuntime
from jupyter_containerize.runtimes.sandbox import SandboxRuntime

RUNTIME = DockerRuntime()
WAIT_S = 60


@pytest.fixture(scope="module")
def store(tmp_path_factory):
    return Store.open(str(tmp_path_factory.mktemp("s") / "store"))


@pytest.fixture(scope="module")
def image(store, tiny_images):
    return tiny_images.image(store)


@pytest.fixture
def start(docker_engine, store, image, monkeypatch):
    """`start(script, ...)`: a run of busybox in the engine."""
    monkeypatch.setenv("DOCKER_HOST", docker_engine.socket)

    def run(script, *, of=image, **spec):
        wanted = RunSpec(of.digest, entrypoint=("/bin/sh", "-c", script), **spec)
        return RUNTIME.start(wanted, store=store)

    return run


def watcher(run):
    """Return the process that watches over a run: it has its arguments an instant after it was started."""
    deadline = time.monotonic() + WAIT_S
    while time.monotonic() < deadline:
        for name in filter(str.isdigit, os.listdir("/proc")):
            with contextlib.suppress(OSError):
                line = Path(f"/proc/{name}/cmdline").read_bytes()
                if run.id.encode() in line and b"runtimes.docker.watcher" in line:
                    return int(name)
        time.sleep(0.01)
    raise AssertionError("nobody watches")


def end_watcher(run):
    pid = watcher(run)
    os.kill(pid, signal.SIGKILL)
    # Its files are closed last: until then it looks as if it watched.
    while run_folder.is_held(str(Path(run.outputs).parent)):
        time.sleep(0.01)


def log_of(run):
    return Path(run.log).read_text()


def test_a_run_without_its_watcher_is_found_and_watched_again(start, store):
    run = start("echo up; while [ ! -f /outputs/go ]; do sleep 0.1; done; echo end")
    end_watcher(run)
    assert RUNTIME.get(run.id, store=store).state is RunState.RUNNING
    assert watcher(run)
    assert [one.id for one in RUNTIME.list(store=store) if not one.state.final] == [run.id]
    run = RUNTIME.stop(run.id, store=store, grace_s=0)
    assert run.state is RunState.STOPPED
    assert log_of(run) == "up\n"


def test_what_ended_unwatched_is_brought_home_by_whoever_looks(start, store, docker_engine):
    run = start("echo said; echo 1 > /outputs/x; sleep 1000")
    end_watcher(run)
    while not docker_engine.docker("logs", f"containerize-{run.id}"):
        time.sleep(0.05)
    docker_engine.docker("kill", f"containerize-{run.id}")
    run = RUNTIME.wait(run.id, store=store, timeout_s=WAIT_S)
    assert (run.state, run.exit_code) == (RunState.FAILED, 137)
    assert log_of(run) == "said\n"
    assert Path(run.outputs, "x").read_text() == "1\n"
    assert run.id not in docker_engine.docker("ps", "-a")


def test_a_container_that_somebody_removed_is_a_lost_run(start, store, docker_engine):
    run = start("sleep 1000")
    docker_engine.docker("rm", "-fv", f"containerize-{run.id}")
    run = RUNTIME.wait(run.id, store=store, timeout_s=WAIT_S)
    assert run.state in (RunState.LOST, RunState.FAILED)
    RUNTIME.remove(run.id, store=store)


def test_runs_of_all_runtimes_are_listed_together(start, store, image):
    ours = RUNTIME.wait(start("true").id, store=store, timeout_s=WAIT_S)
    sandbox = SandboxRuntime()
    other = sandbox.start(RunSpec(image.digest, entrypoint=("/bin/true",)), store=store)
    sandbox.wait(other.id, store=store, timeout_s=WAIT_S)
    listed = workflow.perform("runs", RunsRequest(store=store.root), emit=ignore)["runs"]
    newest = [(one["id"], one["isolation"]) for one in listed[:2]]
    assert newest[1] == (ours.id, "docker")
    assert newest[0][0] == other.id
    assert newest[0][1] in ("bubblewrap", "proot")


def test_it_is_locked_down(start, store, docker_engine):
    run = start("sleep 1000", limits=Limits(memory_bytes=50_000_000, cpus=0.5, processes=40))
    (found,) = json.loads(docker_engine.docker("inspect", f"containerize-{run.id}"))
    RUNTIME.stop(run.id, store=store, grace_s=0)
    host = found["HostConfig"]
    assert found["Config"]["User"] == "1000:0"
    assert host["ReadonlyRootfs"]
    assert host["CapDrop"] == ["ALL"]
    assert host["SecurityOpt"] == ["no-new-privileges"]
    assert host["NetworkMode"] == "none"
    assert (host["Memory"], host["NanoCpus"], host["PidsLimit"]) == (50_000_000, 500_000_000, 40)
    assert not host["Privileged"]
    volumes = {mount["Name"] for mount in found["Mounts"]}
    assert volumes
    assert not volumes & set(docker_engine.docker("volume", "ls", "-q").split())


def test_on_failure_it_is_started_again(start, store):
    run = start(
        "if [ -f /outputs/again ]; then exit 0; fi; touch /outputs/again; exit 3",
        restart=Restart.ON_FAILURE,
    )
    run = RUNTIME.wait(run.id, store=store, timeout_s=WAIT_S)
    assert (run.state, run.exit_code) == (RunState.SUCCEEDED, 0)


def test_what_fails_time_after_time_is_not_started_for_ever(start, store):
    run = start("echo once more; exit 3", restart=Restart.ON_FAILURE)
    run = RUNTIME.wait(run.id, store=store, timeout_s=WAIT_S)
    assert (run.state, run.exit_code) == (RunState.FAILED, 3)
    # The engine begins to count anew if a start took longer than ten seconds.
    assert log_of(run).count("once more\n") >= 6, "the first time and five more"


def test_images_from_elsewhere_have_the_same_places(start, store, tiny_images):
    files = tiny_images.busybox_files()
    del files["/tmp"], files["/outputs"]
    layer = tiny_images.layer(store, files)
    other = store.add_image(
        layers=[layer],
        config=tiny_images.ImageConfig(user="root", working_dir="/", entrypoint=("/bin/sh",)),
        platform=tiny_images.Platform("linux", "amd64"),
        created="1970-01-01T00:00:00Z",
    )
    run = start("id -u; echo 1 > /tmp/x && echo 2 > /outputs/x && echo 3 > /bin/x", of=other)
    run = RUNTIME.wait(run.id, store=store, timeout_s=WAIT_S)
    assert "1000\n" in log_of(run)  # its two streams come in any order
    assert "can't create /bin/x" in log_of(run)
    assert Path(run.outputs, "x").read_text() == "2\n"


def test_outputs_cannot_lead_outside(start, store):
    run = start(
        "cd /outputs; ln -s /etc/passwd link; ln -s ../../up up; mkfifo pipe 2>/dev/null; "
        "mkdir -m 0 shut; echo 1 > fine; ln -s fine good"
    )
    run = RUNTIME.wait(run.id, store=store, timeout_s=WAIT_S)
    there = sorted(os.listdir(run.outputs))
    assert {"fine", "good"} <= set(there)
    assert "link" not in there
    assert "up" not in there
    assert "not fetched" in run.reason


def test_gpus_that_are_not_there_are_told_and_nothing_is_left(start, store, docker_engine):
    before = os.listdir(store.runs_folder)
    containers = set(docker_engine.docker("ps", "-aq").split())
    with pytest.raises(ContainerizeError) as caught:
        start("true", gpus="all")
    assert caught.value.code == "no-gpu"
    assert os.listdir(store.runs_folder) == before
    assert set(docker_engine.docker("ps", "-aq").split()) <= containers


def test_a_name_in_use_is_told_and_left_alone(start, image, docker_engine, monkeypatch):
    start("true")
    monkeypatch.setattr("secrets.token_hex", lambda count: "0" * 2 * count)
    docker_engine.docker("create", "--name", "containerize-00000000", image.config_digest, "true")
    with pytest.raises(ContainerizeError) as caught:
        start("true")
    assert caught.value.code == "name-in-use"
    docker_engine.docker("rm", "containerize-00000000")


AS_USER = """
import json, os, sys
sys.path.append({kit!r})
from jupyter_containerize.model.run import Mount, RunSpec
from jupyter_containerize.oci.store import Store
from jupyter_containerize.runtimes.docker import DockerRuntime
from jupyter_containerize.runtimes.sandbox import SandboxRuntime
store = Store.open({store!r})
runtime = DockerRuntime()
spec = RunSpec({image!r}, entrypoint=("/bin/sh", "-c", "id -u; echo 1 > /outputs/x; echo 2 > /data/y"),
    mounts=(Mount({data!r}, "/data"),))
run = runtime.start(spec, store=store)
run = runtime.wait(run.id, store=store, timeout_s=60)
owners = [os.stat(os.path.join(run.outputs, "x")).st_uid, os.stat({data!r} + "/y").st_uid]
print(json.dumps([run.state.value, open(run.log).read(), owners]))
"""


def test_a_user_who_is_not_root_owns_what_the_run_wrote(
    docker_engine, store, image, docker_kit, open_folder, monkeypatch
):
    place = open_folder / "as-user"
    shutil.copytree(store.root, place / "store", ignore=shutil.ignore_patterns("runs", "locks"))
    (place / "data").mkdir()
    for folder in (docker_engine.folder, place):
        os.chmod(folder, 0o755)
    os.chmod(docker_engine.socket.removeprefix("unix://"), 0o666)
    for folder, _, files in os.walk(place):
        for path in (folder, *(os.path.join(folder, name) for name in files)):
            os.chown(path, 4321, 4321)
    script = AS_USER.format(
        kit=str(docker_kit),
        store=str(place / "store"),
        image=image.digest,
        data=str(place / "data"),
    )
    done = subprocess.run(
        ["/usr/bin/python3", "-c", script],
        env={"PATH": "/usr/bin:/bin", "HOME": "/tmp", "DOCKER_HOST": docker_engine.socket},
        user=4321, group=4321, extra_groups=[], capture_output=True, text=True, cwd="/",
    )  # fmt: skip
    assert done.returncode == 0, done.stderr
    assert json.loads(done.stdout.splitlines()[-1]) == ["succeeded", "4321\n", [4321, 4321]]
