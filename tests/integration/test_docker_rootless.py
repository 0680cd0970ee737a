"""Engines of a user who is not root, asked by that user: podman's, with and without a range of user IDs, and Docker's."""

from __future__ import annotations

import contextlib
import json
import os
import shlex
import shutil
import signal
import subprocess
import tempfile
import time
from pathlib import Path

import pytest

from jupyter_containerize.engine.client import Engine
from jupyter_containerize.errors import ContainerizeError
from jupyter_containerize.model.run import RunSpec
from jupyter_containerize.oci.store import Store
from jupyter_containerize.runtimes.docker import DockerRuntime

pytestmark = pytest.mark.timeout(900)
#: Nobody's: one user for each engine, so that one's end is not another's.
USERS = {"podman without IDs": 54321, "podman": 54322, "docker": 54323}
START_S = 120
#: Files keep this user as their owner: there is no other one.
STORAGE = '[storage]\ndriver = "vfs"\n[storage.options.vfs]\nignore_chown_errors = "true"\n'
PODMAN = "exec podman --cgroup-manager=cgroupfs system service --time=0 unix://$PWD/sock"
ROOTLESS = "/usr/share/docker.io/contrib/dockerd-rootless.sh"
DOCKER = (
    f"exec sh {ROOTLESS} -H unix://$PWD/sock --data-root $PWD/home/data --exec-root $PWD/run/docker"
)
#: What root does first, for these processes alone: the user has a name, a range of IDs, and a network device.
SETUP = """
ip link set lo up
mount --make-rprivate /
cp /etc/passwd /etc/group .
echo "somebody:x:$1:$1::$PWD/home:/bin/sh" >> passwd
echo "somebody:x:$1:" >> group
echo "somebody:300000:65536" | tee subuid > subgid
for name in passwd group subuid subgid; do touch /etc/$name; mount --bind $name /etc/$name; done
mount -t tmpfs none /dev/net
mknod -m 666 /dev/net/tun c 10 200
"""


def end_all(user):
    """End the user's processes: engines are children of what was started, in namespaces of their own."""
    ids = {user, *range(300000, 300000 + 65536)} if user != USERS["podman without IDs"] else {user}
    for path in Path("/proc").glob("[0-9]*"):
        with contextlib.suppress(OSError):
            if path.stat().st_uid in ids:
                os.kill(int(path.name), signal.SIGKILL)


@contextlib.contextmanager
def running(user, setup, command, **variables):
    """Start an engine as `user`; yield its address."""
    with tempfile.TemporaryDirectory(
        prefix="rootless-", dir="/var/tmp", ignore_cleanup_errors=True
    ) as name:
        folder = Path(name)
        for path in (folder, folder / "run", folder / "home"):
            path.mkdir(exist_ok=True)
            os.chown(path, user, user)
        (folder / "storage.conf").write_text(STORAGE)
        variables = {
            "PATH": "/usr/local/bin:/usr/bin:/usr/sbin:/bin", "USER": "somebody",
            "HOME": f"{folder}/home", "XDG_RUNTIME_DIR": f"{folder}/run", **variables,
        }  # fmt: skip
        become = f"exec setpriv --reuid=$1 --regid=$1 --clear-groups sh -c {shlex.quote(command)}"
        with open(folder / "log", "wb") as log:
            process = subprocess.Popen(
                ["unshare", "-m", "-n", "sh", "-ec", f"{setup}\n{become}", "sh", str(user)],
                env=variables, cwd=folder, stdout=log, stderr=log,
            )  # fmt: skip
        try:
            deadline = time.monotonic() + START_S
            while not (folder / "sock").exists():
                said = (folder / "log").read_text()
                assert process.poll() is None and time.monotonic() < deadline, said  # noqa: PT018
                time.sleep(0.1)
            yield f"unix://{folder}/sock"
        finally:
            end_all(user)
            process.wait(60)


def test_podman_without_user_ids_is_told(require, monkeypatch, tmp_path, tiny_images):
    require(os.getuid() == 0, "root, to become another user")
    require(shutil.which("podman"), "podman (Debian: podman)")
    # A folder that only the user's own configuration of storage names.
    storage = "export CONTAINERS_STORAGE_CONF=$PWD/storage.conf\n"
    with running(USERS["podman without IDs"], "", storage + PODMAN) as address:
        monkeypatch.setenv("DOCKER_HOST", address)
        engine = Engine.connect()
        assert (engine.facts.kind, engine.facts.rootless) == ("podman", True)
        store = Store.open(str(tmp_path / "store"))
        image = tiny_images.image(store)
        with pytest.raises(ContainerizeError) as caught:
            DockerRuntime().start(RunSpec(image.digest), store=store)
        assert caught.value.code == "engine-user-ids"
        assert "subuid" in caught.value.fix
        assert engine.image(image.config_digest) is not None, "it has got the image"


@pytest.fixture(scope="module", params=["podman", "docker"])
def engine(request, require):
    """`(kind, user, address)` of an engine that a user with a range of IDs has started."""
    require(os.getuid() == 0, "root, to become another user")
    require(shutil.which("newuidmap"), "newuidmap (Debian: uidmap)")
    require(shutil.which("slirp4netns"), "slirp4netns (Debian: slirp4netns)")
    if request.param == "docker":
        require(shutil.which("rootlesskit"), "rootlesskit (Debian: rootlesskit)")
        require(os.path.exists(ROOTLESS), "dockerd-rootless.sh (Debian: docker.io)")
    user = USERS[request.param]
    with running(user, SETUP, {"podman": PODMAN, "docker": DOCKER}[request.param]) as address:
        yield request.param, user, address


AS_USER = """
import json, os, sys
sys.path.append(os.environ["KIT"])
import tiny_images
from jupyter_containerize.engine.client import Engine
from jupyter_containerize.errors import ContainerizeError
from jupyter_containerize.model.event import FindingRaised
from jupyter_containerize.model.run import Limits, Mount, RunSpec
from jupyter_containerize.oci.store import Store
from jupyter_containerize.runtimes.docker import DockerRuntime

store, runtime = Store.open(os.path.abspath("store")), DockerRuntime()
image = tiny_images.image(store)
for name, mode in (("shared", 0o775), ("private", 0o700)):
    os.mkdir(name)
    os.chmod(name, mode)

def run(script, **more):
    told = []
    spec = RunSpec(image.digest, entrypoint=("/bin/sh", "-c", script), **more)
    made = runtime.wait(runtime.start(spec, store=store, emit=told.append).id, store=store, timeout_s=120)
    codes = [one.finding.code for one in told if isinstance(one, FindingRaised)]
    return {"state": made.state.value, "log": open(made.log).read(), "findings": codes,
            "outputs": {name: os.stat(os.path.join(made.outputs, name)).st_uid for name in os.listdir(made.outputs)}}

said = {"engine": str(Engine.connect().facts)}
said["places"] = run("id -u; echo 1 > /outputs/x; echo 2 > /tmp/y; df -k /dev/shm | tail -1; "
                     "touch /bin/no 2>/dev/null || echo read-only; grep CapEff /proc/self/status")
for name in ("shared", "private"):
    said[name] = run("echo 1 > /data/from-inside", mounts=(Mount(os.path.abspath(name), "/data"),))
    said[name]["written"] = os.path.exists(name + "/from-inside")
try:
    said["limit"] = run("cat /sys/fs/cgroup/memory/memory.limit_in_bytes || cat /sys/fs/cgroup/memory.max",
                        limits=Limits(memory_bytes=50_003_968))
except ContainerizeError as error:
    said["limit"] = error.code
print(json.dumps(said))
"""


@pytest.fixture(scope="module")
def said(engine, docker_kit, open_folder):
    """What the user's own process saw."""
    kind, user, address = engine
    place = open_folder / f"rootless-{kind}"
    place.mkdir()
    os.chown(place, user, user)
    done = subprocess.run(
        ["/usr/bin/python3", "-c", AS_USER],
        env={"PATH": "/usr/bin:/bin", "HOME": str(place), "DOCKER_HOST": address,
             "KIT": str(docker_kit)},
        user=user, group=user, extra_groups=[], capture_output=True, text=True, cwd=place,
    )  # fmt: skip
    assert done.returncode == 0, done.stderr
    return json.loads(done.stdout.splitlines()[-1])


def test_it_runs_as_everywhere_and_outputs_are_the_users(engine, said):
    kind, user, _ = engine
    assert "rootless" in said["engine"]
    run = said["places"]
    assert run["state"] == "succeeded", run
    lines = run["log"].splitlines()
    assert lines[0] == (str(user) if kind == "podman" else "1000"), "never root"
    assert int(lines[1].split()[1]) >= 1 << 20, "kilobytes of shared memory"
    assert lines[2] == "read-only"
    assert lines[3].split() == ["CapEff:", "0" * 16]
    assert run["outputs"] == {"x": user}


def test_where_a_mount_may_be_written_to_is_known_before(engine, said):
    kind, _, _ = engine
    assert said["shared"]["written"]
    assert said["shared"]["findings"] == []
    # podman lets the container's user be the caller; Docker's is somebody else outside.
    assert said["private"]["written"] == (kind == "podman")
    assert said["private"]["findings"] == ([] if kind == "podman" else ["mount-not-writable"])


def test_a_limit_is_kept_or_refused(said):
    limit = said["limit"]
    assert limit == "limits-not-kept" or "50003968" in limit["log"], limit
