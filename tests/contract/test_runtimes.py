"""What every runtime does alike; another one joins by a line in `RUNTIMES`."""

from __future__ import annotations

import os
import re
import shutil
import signal
import socket
import time
from dataclasses import dataclass
from pathlib import Path

import pytest

from jupyter_containerize.errors import ContainerizeError
from jupyter_containerize.model.run import Isolation, Limits, Mount, Port, RunSpec, RunState
from jupyter_containerize.oci.store import Store
from jupyter_containerize.runtimes import bubblewrap, isolation, processes, run_folder
from jupyter_containerize.runtimes.docker import DockerRuntime
from jupyter_containerize.runtimes.protocol import Runtime
from jupyter_containerize.runtimes.sandbox import SandboxRuntime
from jupyter_containerize.workflow import living

RUNTIMES = {
    "sandbox/bubblewrap": (SandboxRuntime(), Isolation.BUBBLEWRAP, None),
    "sandbox/proot": (SandboxRuntime(), Isolation.PROOT, None),
    "docker": (DockerRuntime(), Isolation.DOCKER, "docker_engine"),
    "docker/containerd": (DockerRuntime(), Isolation.DOCKER, "containerd_engine"),
    "docker/podman": (DockerRuntime(), Isolation.DOCKER, "podman_engine"),
}


@dataclass
class Box:
    """One runtime with a store and an image of busybox."""

    runtime: Runtime
    isolation: Isolation
    store: Store
    image: str
    engine: object = None

    def start(self, script, *, image=None, **spec):
        entrypoint = ("/bin/sh", "-c", script) if isinstance(script, str) else script
        asked = {"image": image or self.image, "entrypoint": entrypoint, **spec}
        return self.runtime.start(RunSpec(isolation=self.isolation, **asked), store=self.store)

    def run(self, script, **spec):
        """Run to the end; return the record and the whole log."""
        run = self.start(script, **spec)
        run = self.runtime.wait(run.id, store=self.store, timeout_s=60)
        with open(run.log, encoding="utf-8", errors="replace") as file:
            return run, file.read()

    def until(self, run, text):
        """Wait until the run's log holds `text`."""
        deadline = time.monotonic() + 120
        while text not in (log := "".join(self.runtime.logs(run.id, store=self.store))):
            assert time.monotonic() < deadline, log
            time.sleep(0.02)

    def get(self, run):
        return self.runtime.get(run.id, store=self.store)

    def connect(self, port):
        """Return a connection to a published port."""
        if self.engine:
            return self.engine.connect(port)
        return socket.create_connection(("127.0.0.1", port), 5)

    def listen(self):
        """Return a listening socket of the machine that containers run on."""
        return self.engine.listen() if self.engine else socket.create_server(("127.0.0.1", 0))

    @property
    def files_belong_to(self):
        """Who owns what a run writes to a mounted folder: root's containers do not run as root."""
        return os.getuid() or (1000 if self.engine else 0)


@pytest.fixture(scope="module", params=RUNTIMES)
def box(request, require, tiny_images, tmp_path_factory):
    runtime, kind, engine = RUNTIMES[request.param]
    require(shutil.which("busybox"), "busybox (Debian: busybox-static)")
    store = Store.open(str(tmp_path_factory.mktemp("s") / "store"))
    with pytest.MonkeyPatch.context() as patch:
        if engine:
            engine = request.getfixturevalue(engine)
            patch.setenv("DOCKER_HOST", engine.socket)
        else:
            found = {one.method.isolation: one for one in isolation.attempts(store.root)}
            require(not found[kind].problem, f"{request.param}: {found[kind].problem}")
        image = tiny_images.image(store, {"/opt/only/in/top": b"top\n"})
        made = Box(runtime, kind, store, image.digest, engine)
        # So that everything is unpacked before a test looks at what a run changes.
        made.run("true")
        yield made


# -- start, log, end ---------------------------------------------------------------------


def test_a_run_is_recorded_from_start_to_end(box):
    run, log = box.run("echo out; echo err >&2")
    assert (run.state, run.exit_code, run.reason) == (RunState.SUCCEEDED, 0, "")
    # An engine reads two pipes at once: order is kept within each of them.
    assert sorted(log.splitlines()) == ["err", "out"]
    if not box.engine:
        assert log == "out\nerr\n"
    assert run.isolation is box.isolation
    assert run.started_at <= run.ended_at
    assert run in box.runtime.list(store=box.store)
    assert run.outputs.startswith(box.store.runs_folder)


def test_the_image_says_what_to_run_and_parameters_follow(box, tiny_images):
    image = tiny_images.image(box.store, command=("/bin/sh", "-c", 'echo "$0 $@"', "guest"))
    _, log = box.run(None, image=image.digest, parameters={"epochs": "5", "name": "a b"})
    assert log == "guest -p epochs=5 -p name=a b\n"


def test_an_image_without_a_command_is_refused(box, tiny_images):
    image = tiny_images.image(box.store, command=())
    with pytest.raises(ContainerizeError) as caught:
        box.start(None, image=image.digest)
    assert caught.value.code == "no-command"


@pytest.mark.parametrize("code", [0, 1, 3, 137, 143])
def test_exit_codes_come_out(box, code):
    run, _ = box.run(f"exit {code}")
    assert run.exit_code == code
    assert run.state is (RunState.FAILED if code else RunState.SUCCEEDED)


@pytest.mark.parametrize("number", [signal.SIGKILL, signal.SIGTERM, signal.SIGSEGV])
def test_a_command_that_a_signal_ends_has_its_code(box, number):
    run, _ = box.run(f"sleep 0; kill -{int(number)} $$; sleep 5")
    assert (run.state, run.exit_code) == (RunState.FAILED, 128 + number)


def test_the_code_is_the_commands_not_that_of_what_it_left_behind(box):
    started = time.monotonic()
    run, _ = box.run("(sleep 30; exit 0) & (exit 5); kill -9 $$")
    assert run.exit_code == 137
    assert time.monotonic() - started < 15


def test_a_command_that_is_not_there_fails_and_says_so(box):
    run, log = box.run(("/bin/absent", "x"))
    assert run.state is RunState.FAILED
    assert run.exit_code != 0
    said = log + run.reason
    # podman's own init starts, and finds the program missing without naming it
    assert "absent" in said or "No such file" in said


def test_logs_follow_a_run_to_its_end(box):
    run = box.start("for i in 1 2 3; do echo line $i; sleep 0.1; done")
    lines = list(box.runtime.logs(run.id, store=box.store, follow=True))
    assert lines == ["line 1\n", "line 2\n", "line 3\n"]
    assert box.get(run).state is RunState.SUCCEEDED


def test_a_follower_sees_lines_while_the_run_goes_on(box):
    run = box.start("echo first; sleep 30")
    assert next(iter(box.runtime.logs(run.id, store=box.store, follow=True))) == "first\n"
    assert box.get(run).state is RunState.RUNNING
    box.runtime.stop(run.id, store=box.store, grace_s=0)


def test_what_a_living_run_wrote_is_a_file_that_grows(box, monkeypatch):
    """What the panel reads by pages; the run's own log comes home from an engine at its end."""
    monkeypatch.setattr(living, "_FRESH_S", 0.0)
    run = box.start("echo first; sleep 1; echo second; sleep 300")
    box.until(run, "first")
    seen, end = [""], time.monotonic() + 120
    while "second" not in seen[-1]:
        assert time.monotonic() < end, seen
        path = Path(living.log_so_far(run.id, store=box.store.root))
        seen.append(path.read_text())
    assert all("first\nsecond\n".startswith(one) for one in seen), "nothing twice, nothing lost"
    assert box.get(run).state is RunState.RUNNING
    run = box.runtime.stop(run.id, store=box.store, grace_s=0)
    # A shell whose child is killed before it may still say so.
    assert Path(living.log_so_far(run.id, store=box.store.root)).read_text().startswith(seen[-1])


def test_output_that_is_not_text_is_shown_all_the_same(box):
    _, log = box.run(r"printf 'a\377b\n'")
    assert log == "a\ufffdb\n"


# -- stop --------------------------------------------------------------------------------


def test_stop_lets_the_command_end_cleanly(box):
    run = box.start("trap 'echo bye; exit 0' TERM; echo up; while :; do sleep 0.05; done")
    box.until(run, "up")
    run = box.runtime.stop(run.id, store=box.store, grace_s=20)
    assert (run.state, run.exit_code) == (RunState.STOPPED, 0)
    assert "bye" in "".join(box.runtime.logs(run.id, store=box.store))


def test_stop_kills_after_the_grace_period(box):
    run = box.start(
        "trap 'echo asked' TERM; echo up; while :; do cut -d ' ' -f 1 /proc/uptime; sleep 0.05; done"
    )
    box.until(run, "up")
    started = time.monotonic()
    run = box.runtime.stop(run.id, store=box.store, grace_s=0.5)
    assert (run.state, run.exit_code) == (RunState.STOPPED, 137)
    assert time.monotonic() - started > 0.4
    # By its own clock: what a busy engine takes to clean up does not count.
    _, _, lived = "".join(box.runtime.logs(run.id, store=box.store)).partition("asked\n")
    assert float(lived.split()[-1]) - float(lived.split()[0]) < 9, "an engine's own grace is 10 s"


def test_stop_during_the_start_leaves_nothing_running(box):
    run = box.start("exec sleep 1234")
    run = box.runtime.stop(run.id, store=box.store, grace_s=0)
    assert run.state is RunState.STOPPED
    box.runtime.remove(run.id, store=box.store)
    assert not _processes_naming(run.id)


def test_stopping_an_ended_run_changes_nothing(box):
    run, _ = box.run("exit 4")
    assert box.runtime.stop(run.id, store=box.store) == run


def test_a_running_run_is_not_removed_and_an_ended_one_is(box):
    run = box.start("echo up; sleep 30")
    with pytest.raises(ContainerizeError) as caught:
        box.runtime.remove(run.id, store=box.store)
    assert caught.value.code == "run-is-running"
    box.runtime.stop(run.id, store=box.store, grace_s=0)
    box.runtime.remove(run.id, store=box.store)
    with pytest.raises(ContainerizeError) as caught:
        box.get(run)
    assert caught.value.code == "no-such-run"


def test_orphans_are_reaped(box):
    _, log = box.run(
        "for i in 1 2 3; do (sleep 0.01 & ); done; sleep 0.4; "
        "cat /proc/[0-9]*/stat 2>/dev/null | grep -c '(sleep) Z' || true"
    )
    assert log.strip() == "0"


# -- what is writable, and what is not ---------------------------------------------------


@pytest.mark.parametrize("place", ["/home/user/work", "/home/user", "/tmp", "/dev/shm", "/outputs"])
def test_these_places_are_writable(box, place):
    run, log = box.run(
        f"echo 1 > {place}/new && mkdir {place}/d && echo 2 > {place}/d/x && cat {place}/d/x"
    )
    assert (run.exit_code, log) == (0, "2\n")


@pytest.mark.parametrize("place", ["/", "/bin", "/etc", "/opt/only/in", "/home", "/opt/new"])
def test_nothing_else_is_writable(box, place):
    run, log = box.run(f"echo 1 > {place}/new")
    assert run.exit_code != 0, log


@pytest.mark.parametrize(
    "attempt",
    [
        "echo x > /opt/only/in/top",
        "rm /opt/only/in/top",
        "mv /opt/only/in/top /tmp/",
        "echo x >> /etc/passwd",
        "ln /opt/only/in/top /opt/only/in/other",
        "true > /bin/busybox",
    ],
)
def test_the_images_files_cannot_be_changed(box, attempt):
    before = _contents(box.store)
    _, log = box.run(f"{attempt}; cat /opt/only/in/top")
    assert "top\n" in log
    assert _contents(box.store) == before


def test_not_even_modes_and_times_change_in_the_store(box):
    before = _contents(box.store)
    box.run("chmod -R 777 /opt /bin /etc /home; touch /opt/only/in/top; chmod 0 /home/user/.config")
    box.run("chmod 0 /bin/busybox; echo unreachable")
    assert box.run("echo fine")[1] == "fine\n"
    assert _contents(box.store) == before


def test_the_images_files_are_seen_in_writable_folders_and_may_be_changed_there(box):
    before = _contents(box.store)
    script = (
        "cat data.csv ../.config; echo 3,4 >> data.csv; rm ../.config; tail -1 data.csv; ls -A .."
    )
    run, log = box.run(script)
    assert (run.exit_code, log) == (0, "a,b\n1,2\nfrom the image\n3,4\nwork\n")
    assert _contents(box.store) == before
    assert box.run(script)[1] == log


def test_outputs_come_out_and_belong_to_the_caller(box):
    run, _ = box.run("mkdir /outputs/plots; echo 1 > '/outputs/plots/a b.txt'")
    written = os.path.join(run.outputs, "plots", "a b.txt")
    assert os.stat(written).st_uid == os.getuid()
    with open(written) as file:
        assert file.read() == "1\n"


def test_shared_memory_holds_a_gigabyte(box):
    run, log = box.run("df -P -k /dev/shm | tail -1; echo 1 > /dev/shm/x && cat /dev/shm/x")
    assert (run.exit_code, log.split()[-1]) == (0, "1")
    assert int(log.split()[1]) >= 1 << 20


def test_nothing_is_left_of_what_was_not_an_output(box):
    run, _ = box.run(
        "mkdir -m 0 /tmp/locked; mkdir -m 500 /home/user/x; echo 1 > /home/user/work/y"
    )
    folder = os.path.dirname(run.outputs)
    while run_folder.is_held(folder):
        time.sleep(0.01)
    assert sorted(os.listdir(folder)) == sorted(
        ["control", "lock", "log", "outputs", "run.json", "supervisor.log"]
    )


# -- mounts, environment, user -----------------------------------------------------------


def test_mounts_show_files_and_folders_of_this_machine(box, tmp_path):
    folder = tmp_path / "with space and: colon"
    folder.mkdir()
    folder.chmod(0o777)
    (folder / "in.txt").write_text("in\n")
    single = tmp_path / "one.txt"
    single.write_text("one\n")
    run, log = box.run(
        "cat '/data/a b/in.txt' /etc/one.txt; echo out > '/data/a b/out.txt'",
        mounts=(Mount(str(folder), "/data/a b"), Mount(str(single), "/etc/one.txt")),
    )
    assert (run.exit_code, log) == (0, "in\none\n")
    assert (folder / "out.txt").read_text() == "out\n"
    assert (folder / "out.txt").stat().st_uid == box.files_belong_to


def test_a_read_only_mount_stays_as_it_is(box, tmp_path):
    tmp_path.chmod(0o777)
    (tmp_path / "in.txt").write_text("in\n")
    run, log = box.run(
        "cat /data/in.txt; echo x > /data/in.txt; echo x > /data/new; rm /data/in.txt",
        mounts=(Mount(str(tmp_path), "/data", read_only=True),),
    )
    assert "in\n" in log
    assert run.exit_code != 0
    assert os.listdir(tmp_path) == ["in.txt"]
    assert (tmp_path / "in.txt").read_text() == "in\n"


def test_a_mount_inside_a_writable_folder(box, tmp_path):
    tmp_path.chmod(0o755)
    (tmp_path / "x").write_text("x\n")
    _, log = box.run(
        "cat extra/deep/x data.csv", mounts=(Mount(str(tmp_path), "/home/user/work/extra/deep"),)
    )
    assert log == "x\na,b\n1,2\n"


def test_mounts_that_cannot_be_are_all_named(box, tmp_path):
    with pytest.raises(ContainerizeError) as caught:
        box.start(
            "true",
            mounts=(
                Mount(str(tmp_path / "absent"), "/data"),
                Mount("relative", "/data"),
                Mount(str(tmp_path), "/proc"),
            ),
        )
    assert caught.value.code == "mount-missing"
    assert [problem.code for problem in caught.value.also] == ["bad-mount", "bad-mount"]


def test_the_environment_is_the_images_and_the_specs_only(box, tiny_images, monkeypatch):
    monkeypatch.setenv("FROM_THE_HOST", "1")
    image = tiny_images.image(box.store, environment={"A": "image", "B": "image"})
    _, log = box.run("env", image=image.digest, environment={"B": "spec", "C": "a b\nc"})
    assert {"A=image", "B=spec", "C=a b", "c", "HOME=/home/user"} <= set(log.splitlines())
    names = {line.partition("=")[0] for line in log.splitlines()}
    engines = {"HOSTNAME", "TERM", "container"} if box.engine else set()
    assert names - engines <= {"A", "B", "C", "c", "HOME", "PATH", "PWD", "SHLVL", "OLDPWD", "_"}


def test_values_of_variables_are_not_written_to_disk(box):
    run, log = box.run("echo $TOKEN | head -c 4", environment={"TOKEN": "very-secret-value"})
    assert log == "very"
    folder = os.path.dirname(run.outputs)
    for name in os.listdir(folder):
        path = os.path.join(folder, name)
        if os.path.isfile(path):
            with open(path, "rb") as file:
                assert b"secret-value" not in file.read(), name


def test_the_working_directory_is_the_images(box, tiny_images):
    assert box.run("pwd")[1] == "/home/user/work\n"
    image = tiny_images.image(box.store, working_dir="/not/there/yet")
    assert box.run("pwd", image=image.digest)[1] == "/not/there/yet\n"


def test_no_privileges_and_no_way_to_get_any(box):
    _, log = box.run("cat /proc/self/status")
    status = dict(line.split(":\t", 1) for line in log.splitlines() if ":\t" in line)
    assert int(status["CapEff"], 16) == int(status["CapPrm"], 16) == 0
    assert status["NoNewPrivs"] == "1"
    run, log = box.run("mount -t tmpfs none /tmp || umount /outputs")
    assert run.exit_code != 0, log


# -- the network -------------------------------------------------------------------------


@pytest.fixture(scope="module")
def python_image(box, tiny_images):
    """An image with Python and sockets."""
    return tiny_images.image(box.store, tiny_images.python_files("socket")).digest


CONNECT = "import socket, sys; socket.create_connection(('127.0.0.1', int(sys.argv[1])), 3)"
SERVE = """
import os, socket, sys
try:
    server = socket.create_server((sys.argv[2], int(sys.argv[1])))
except OSError:
    server = socket.socket(socket.AF_UNIX)
    server.bind('/run/containerize/' + sys.argv[1])
    server.listen()
print('ready', flush=True)
while True:
    client = server.accept()[0]
    client.sendall(client.recv(1000)[::-1] + b'x' * 1_000_000)
    client.close()
"""


def test_there_is_no_network_unless_asked_for(box, python_image):
    if box.engine:
        ask = "cat /proc/net/dev | grep -c :; cat /proc/net/route | grep -c 00000000"
        assert box.run(ask)[1] == "1\n0\n"
        assert box.run(ask, network=True)[1].startswith("2\n")
        return
    with socket.create_server(("127.0.0.1", 0)) as server:
        port = str(server.getsockname()[1])
        ask = ("/bin/python", "-I", "-S", "-c", CONNECT, port)
        run, log = box.run(ask, image=python_image)
        assert run.exit_code != 0
        assert "PermissionError" in log or "refused" in log
        run, log = box.run(ask, image=python_image, network=True)
        assert run.exit_code == 0, log


@pytest.mark.parametrize("network", [False, True])
def test_a_published_port_answers_on_loopback(box, python_image, network):
    run = box.start(
        # An engine forwards to the container's own address, not to its loopback.
        ("/bin/python", "-I", "-S", "-c", SERVE, "8765", "0.0.0.0" if box.engine else "127.0.0.1"),
        image=python_image,
        ports=(Port(0, 8765),),
        network=network,
    )
    box.until(run, "ready")
    host, _, port = run.endpoint.removeprefix("http://").partition(":")
    for word in (b"abc", b"again"):
        assert host == "127.0.0.1"
        with box.connect(int(port)) as client:
            client.sendall(word)
            client.shutdown(socket.SHUT_WR)
            with client.makefile("rb") as answer:
                assert answer.read() == word[::-1] + b"x" * 1_000_000
    run = box.runtime.stop(run.id, store=box.store, grace_s=1)
    assert run.state is RunState.STOPPED


def test_a_port_in_use_is_an_error_at_once(box):
    with box.listen() as server:
        taken = server.getsockname()[1]
        before = box.runtime.list(store=box.store)
        with pytest.raises(ContainerizeError) as caught:
            box.start("true", ports=(Port(taken, 80),))
    assert caught.value.code == "port-in-use"
    assert box.runtime.list(store=box.store) == before


# -- limits ------------------------------------------------------------------------------


def test_a_run_that_takes_too_long_is_ended(box):
    run, log = box.run(
        "trap 'echo bye; exit 7' TERM; while :; do sleep 0.05; done", limits=Limits(timeout_s=0.5)
    )
    assert run.state is RunState.FAILED
    assert "timed out after 0.5 s" in run.reason
    assert "bye" in log


def test_a_run_that_takes_too_much_memory_is_ended(box):
    run, _ = box.run(
        "dd if=/dev/zero of=/dev/null bs=300M count=10000",
        limits=Limits(memory_bytes=100_000_000),
    )
    assert (run.state, run.exit_code) == (RunState.FAILED, 137)
    if box.engine and box.engine.kind == "podman":
        assert run.reason == "killed, probably out of memory (100 MB allowed); raise --memory"
        return
    assert re.fullmatch(r"out of memory: used \d+ MB of 100 MB; raise --memory", run.reason)
    assert run.limits_by in ("cgroup", "supervisor")


def test_too_many_processes_end_a_run(box):
    run, _ = box.run(
        "i=0; while [ $i -lt 60 ]; do sleep 20 & i=$((i+1)); done; wait",
        limits=Limits(processes=20),
    )
    assert run.state is RunState.FAILED
    assert run.limits_by in ("cgroup", "supervisor")


def test_limits_that_are_kept_do_no_harm(box):
    run, _ = box.run(
        "sleep 0.5; echo fine",
        limits=Limits(memory_bytes=500_000_000, processes=50, timeout_s=30),
    )
    assert (run.state, run.reason) == (RunState.SUCCEEDED, "")


# -- many, long, killed ------------------------------------------------------------------


def test_many_runs_at_once(box):
    count = 6 if box.engine else 20
    runs = [box.start(f"echo {n} > /outputs/n; sleep 0.2; cat /outputs/n") for n in range(count)]
    for n, run in enumerate(runs):
        assert box.runtime.wait(run.id, store=box.store, timeout_s=60).exit_code == 0
        assert "".join(box.runtime.logs(run.id, store=box.store)) == f"{n}\n"


def test_a_long_log_is_whole(box):
    megabytes = 20 if box.engine else 100  # an engine's log takes its time
    run, _ = box.run(f"dd if=/dev/zero bs=1M count={megabytes} 2>/dev/null; echo; echo end")
    assert os.path.getsize(run.log) == megabytes * 2**20 + 5
    box.runtime.remove(run.id, store=box.store)


def test_a_killed_supervisor_leaves_a_lost_run_and_no_processes(box):
    if box.engine:
        pytest.skip("an engine keeps its containers: see test_docker_runs.py")
    run = box.start("trap '' TERM HUP; sleep 1000 & echo up; wait")
    box.until(run, "up")
    supervisor = _processes_naming(run.id, program="jupyter_containerize.runtimes.supervisor")
    inside = _descendants(supervisor)
    assert inside
    os.kill(supervisor[0], signal.SIGKILL)
    run = box.runtime.wait(run.id, store=box.store, timeout_s=20)
    assert (run.state, run.exit_code) == (RunState.LOST, None)
    assert run.reason
    deadline = time.monotonic() + 10
    while any(_alive(pid) for pid in inside):
        assert time.monotonic() < deadline
        time.sleep(0.02)
    box.runtime.remove(run.id, store=box.store)


def _alive(pid):
    try:
        with open(f"/proc/{pid}/stat") as file:
            return file.read().rpartition(")")[2].split()[0] not in "ZX"
    except FileNotFoundError:
        return False


def _processes_naming(text, program=""):
    found = []
    for name in filter(str.isdigit, os.listdir("/proc")):
        try:
            with open(f"/proc/{name}/cmdline", "rb") as file:
                line = file.read().replace(b"\0", b" ").decode(errors="replace")
        except OSError:
            continue
        if text in line and program in line and _alive(int(name)):
            found.append(int(name))
    return sorted(found)


def _descendants(pids):
    return [below for pid in pids for below in processes.tree(pid)]


def _contents(store):
    """Return every file of the unpacked layers with its content, mode and times."""
    found = {}
    for folder, folders, files in os.walk(store.unpacked_folder):
        for name in (*folders, *files):
            path = os.path.join(folder, name)
            state = os.lstat(path)
            data = b""
            if os.path.isfile(path) and not os.path.islink(path):
                with open(path, "rb") as file:
                    data = file.read()
            found[path] = (state.st_mode, state.st_mtime_ns, data)
    return found


def test_the_program_is_the_one_from_pypi(box):
    if box.isolation is Isolation.BUBBLEWRAP:
        assert bubblewrap.program()
