"""What a run meets when something around it fails."""

from __future__ import annotations

import contextlib
import os
import shutil
import signal
import subprocess
import sys
import time

import pytest

from jupyter_containerize.errors import ContainerizeError
from jupyter_containerize.model.run import Mount, RunSpec, RunState
from jupyter_containerize.oci.store import Store
from jupyter_containerize.runtimes import bubblewrap, confinement, proot
from jupyter_containerize.runtimes.sandbox import SandboxRuntime

RUNTIME = SandboxRuntime()


@pytest.fixture
def store(tmp_path, require):
    require(shutil.which("busybox"), "busybox (Debian: busybox-static)")
    require(bubblewrap.program(), "bubblewrap")
    return Store.open(str(tmp_path / "s"))


def start(store, image, script, **spec):
    return RUNTIME.start(
        RunSpec(image=image.digest, entrypoint=("/bin/sh", "-c", script), **spec), store=store
    )


@pytest.fixture
def small_disk(tmp_path, require):
    """A file system of 40 MB."""
    require(os.getuid() == 0, "root, to mount a small file system")
    place = tmp_path / "small"
    place.mkdir()
    subprocess.run(["mount", "-t", "tmpfs", "-o", "size=40m", "none", place], check=True)
    yield place
    subprocess.run(["umount", "-l", place], check=True)


def test_a_full_disk_ends_the_log_but_not_the_run(small_disk, tiny_images, require):
    require(bubblewrap.program(), "bubblewrap")
    store = Store.open(str(small_disk / "s"))
    image = tiny_images.image(store)
    run = start(store, image, "dd if=/dev/zero bs=1M count=100 2>/dev/null; exit 3")
    run = RUNTIME.wait(run.id, store=store, timeout_s=30)
    assert (run.state, run.exit_code) == (RunState.FAILED, 3)
    assert "the disk is full" in run.reason
    with open(run.log, "rb") as log:
        log.seek(-100, os.SEEK_END)
        assert log.read().endswith(b"the rest of the output is lost]\n")
    RUNTIME.remove(run.id, store=store)
    again = RUNTIME.wait(start(store, image, "echo fine").id, store=store, timeout_s=30)
    assert again.state is RunState.SUCCEEDED


def test_a_disk_that_the_container_fills_still_takes_the_record(small_disk, tiny_images):
    store = Store.open(str(small_disk / "s"))
    image = tiny_images.image(store)
    run = start(store, image, "dd if=/dev/zero of=/home/user/big bs=1M; sleep 0.1; exit 4")
    run = RUNTIME.wait(run.id, store=store, timeout_s=30)
    assert (run.state, run.exit_code) == (RunState.FAILED, 4)


def test_no_room_for_a_run_is_an_error_and_leaves_nothing(small_disk, tiny_images):
    store = Store.open(str(small_disk / "s"))
    image = tiny_images.image(store)
    RUNTIME.wait(start(store, image, "true").id, store=store, timeout_s=30)
    for run in RUNTIME.list(store=store):
        RUNTIME.remove(run.id, store=store)
    full = os.open(small_disk / "big", os.O_WRONLY | os.O_CREAT)
    with contextlib.suppress(OSError):
        while os.write(full, bytes(4096)):
            pass
    os.close(full)
    with pytest.raises(ContainerizeError) as caught:
        start(store, image, "true")
    assert caught.value.code in ("store-not-writable", "no-space")
    assert os.listdir(store.runs_folder) == []


def test_a_program_that_vanishes_is_told(store, tiny_images, monkeypatch):
    image = tiny_images.image(store)
    real = bubblewrap.program()
    answers = [real, "/nonexistent/bwrap"]
    monkeypatch.setattr(bubblewrap, "program", lambda: answers.pop(0) if answers else real)
    run = start(store, image, "true")
    run = RUNTIME.wait(run.id, store=store, timeout_s=30)
    assert run.state is RunState.FAILED
    assert run.reason == "the container could not be started"
    assert "No such file" in "".join(RUNTIME.logs(run.id, store=store))


def test_an_image_that_is_not_there(store):
    with pytest.raises(ContainerizeError) as caught:
        RUNTIME.start(RunSpec(image="sha256:" + "0" * 64), store=store)
    assert caught.value.code == "image-not-found"


def test_a_failed_start_leaves_no_run(store, tiny_images):
    image = tiny_images.image(store, user="nobody-knows")
    with pytest.raises(ContainerizeError) as caught:
        start(store, image, "true")
    assert caught.value.code == "unknown-user"
    assert RUNTIME.list(store=store) == ()
    assert os.listdir(store.runs_folder) == []


def test_the_run_outlives_whoever_started_and_followed_it(store, tiny_images):
    image = tiny_images.image(store)
    script = (
        "import sys\n"
        "from jupyter_containerize.model.run import RunSpec\n"
        "from jupyter_containerize.oci.store import Store\n"
        "from jupyter_containerize.runtimes.sandbox import SandboxRuntime\n"
        "store = Store.open(sys.argv[1])\n"
        "run = SandboxRuntime().start(RunSpec(image=sys.argv[2], entrypoint=('/bin/sh', '-c',\n"
        "    'echo up; sleep 1; echo done')), store=store)\n"
        "for line in SandboxRuntime().logs(run.id, store=store, follow=True):\n"
        "    print(run.id, line, flush=True)\n"
    )
    follower = subprocess.Popen(
        [sys.executable, "-c", script, store.root, image.digest],
        stdout=subprocess.PIPE,
        stderr=subprocess.DEVNULL,
        text=True,
        start_new_session=True,
    )
    run_id = follower.stdout.readline().split()[0]
    os.killpg(follower.pid, signal.SIGINT)
    assert follower.wait(10) != 0
    assert RUNTIME.get(run_id, store=store).state is RunState.RUNNING
    run = RUNTIME.wait(run_id, store=store, timeout_s=20)
    assert run.state is RunState.SUCCEEDED
    assert list(RUNTIME.logs(run_id, store=store)) == ["up\n", "done\n"]


def test_the_end_of_the_starters_group_is_not_the_runs(store, tiny_images):
    run = start(store, tiny_images.image(store), "echo up; sleep 30")
    supervisor = [
        int(name)
        for name in filter(str.isdigit, os.listdir("/proc"))
        if run.id in _command_line(name) and "supervisor" in _command_line(name)
    ]
    assert supervisor
    assert os.getsid(supervisor[0]) != os.getsid(0)
    assert os.getpgid(supervisor[0]) != os.getpgid(0)
    RUNTIME.stop(run.id, store=store, grace_s=0)


def test_a_signal_to_the_supervisor_is_a_stop(store, tiny_images):
    run = start(
        store, tiny_images.image(store), "trap 'exit 9' TERM; echo up; while :; do sleep 0.05; done"
    )
    while "up\n" not in RUNTIME.logs(run.id, store=store):
        time.sleep(0.02)
    pids = [
        int(name)
        for name in filter(str.isdigit, os.listdir("/proc"))
        if run.id in _command_line(name) and "supervisor" in _command_line(name)
    ]
    os.kill(pids[0], signal.SIGTERM)
    run = RUNTIME.wait(run.id, store=store, timeout_s=20)
    assert (run.state, run.exit_code) == (RunState.STOPPED, 9)


def test_without_proot_the_error_names_the_package(store, tiny_images, monkeypatch):
    image = tiny_images.image(store)
    monkeypatch.setenv("CONTAINERIZE_ISOLATION", "proot")
    monkeypatch.setattr(proot.shutil, "which", lambda _: None)
    with pytest.raises(ContainerizeError) as caught:
        start(store, image, "true")
    assert caught.value.code == "no-isolation"
    assert "apt-get install proot" in caught.value.fix
    assert "--output docker-archive:FILE" in caught.value.fix


def test_gc_spares_a_running_image(store, tiny_images):
    image = tiny_images.image(store)
    run = start(store, image, "sleep 1; cat /etc/passwd /home/user/work/data.csv")
    store.gc()
    run = RUNTIME.wait(run.id, store=store, timeout_s=20)
    assert run.exit_code == 0, "".join(RUNTIME.logs(run.id, store=store))


def _command_line(pid):
    try:
        with open(f"/proc/{pid}/cmdline") as file:
            return file.read()
    except OSError:
        return ""


@pytest.mark.parametrize("landlock", [True, False])
def test_a_mount_that_cannot_be_kept_read_only_is_a_finding(
    store, tiny_images, monkeypatch, tmp_path, landlock
):
    monkeypatch.setenv("CONTAINERIZE_ISOLATION", "proot")
    monkeypatch.setattr(confinement, "has_landlock", lambda: landlock)
    found = []
    run = RUNTIME.start(
        RunSpec(
            image=tiny_images.image(store).digest,
            entrypoint=("/bin/true",),
            mounts=(Mount(str(tmp_path), "/data", read_only=True),),
        ),
        store=store,
        emit=lambda event: found.append(getattr(event, "finding", None)),
    )
    RUNTIME.wait(run.id, store=store, timeout_s=20)
    codes = [finding.code for finding in found if finding]
    assert codes == ([] if landlock else ["mount-not-read-only"])
