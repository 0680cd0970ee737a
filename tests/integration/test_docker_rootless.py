"""podman of a user who is not root, found by DOCKER_HOST."""

from __future__ import annotations

import contextlib
import os
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

#: Nobody's, and without a range in /etc/subuid.
USER = 54321
START_S = 120
#: Files keep this user as their owner: there is no other one.
STORAGE = '[storage]\ndriver = "vfs"\n[storage.options.vfs]\nignore_chown_errors = "true"\n'


def end_all():
    """End the user's processes: the service is a child of what was started, in a namespace of its own."""
    for path in Path("/proc").glob("[0-9]*"):
        with contextlib.suppress(OSError):
            if path.stat().st_uid == USER:
                os.kill(int(path.name), signal.SIGKILL)


@pytest.fixture(scope="module")
def socket(require):
    require(os.getuid() == 0, "root, to become another user")
    require(shutil.which("podman"), "podman (Debian: podman)")
    with tempfile.TemporaryDirectory(
        prefix="rootless-", dir="/var/tmp", ignore_cleanup_errors=True
    ) as name:
        folder = Path(name)
        for path in (folder, folder / "run", folder / "home"):
            path.mkdir(exist_ok=True)
            os.chown(path, USER, USER)
        (folder / "storage.conf").write_text(STORAGE)
        variables = {
            "PATH": "/usr/local/bin:/usr/bin:/usr/sbin:/bin", "USER": "somebody",
            "HOME": f"{folder}/home", "XDG_RUNTIME_DIR": f"{folder}/run",
            "CONTAINERS_STORAGE_CONF": f"{folder}/storage.conf",
        }  # fmt: skip
        with open(folder / "log", "wb") as log:
            process = subprocess.Popen(
                ["setpriv", f"--reuid={USER}", f"--regid={USER}", "--clear-groups",
                 "podman", "--cgroup-manager=cgroupfs", "system", "service", "--time=0",
                 f"unix://{folder}/sock"],
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
            end_all()
            process.wait(60)


def test_its_socket_is_used_and_what_it_lacks_is_told(socket, monkeypatch, tmp_path, tiny_images):
    monkeypatch.setenv("DOCKER_HOST", socket)
    engine = Engine.connect()
    assert (engine.facts.kind, engine.facts.rootless) == ("podman", True)
    store = Store.open(str(tmp_path / "store"))
    image = tiny_images.image(store)
    with pytest.raises(ContainerizeError) as caught:
        DockerRuntime().start(RunSpec(image.digest), store=store)
    assert caught.value.code == "engine-user-ids"
    assert "subuid" in caught.value.fix
    assert engine.image(image.config_digest) is not None, "it has got the image"
