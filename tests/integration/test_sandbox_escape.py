"""A file left out of the image must not be found through the machine, however it is asked for."""

from __future__ import annotations

import json
import os
import shutil
from pathlib import Path

import pytest

from jupyter_containerize.model.run import Isolation, RunSpec
from jupyter_containerize.oci.store import Store
from jupyter_containerize.runtimes import confinement, isolation
from jupyter_containerize.runtimes.sandbox import SandboxRuntime

#: Runs in the container: argv is the JSON of what to look for, the output one JSON object a line.
PROBE = Path(__file__).with_name("escape_probe.py").read_text()
ABSENT = {"ENOENT", "EACCES", "EPERM", "ENOSYS", "ENOTDIR", "EBADF"}


@pytest.fixture(scope="module")
def store(tmp_path_factory):
    return Store.open(str(tmp_path_factory.mktemp("s") / "store"))


@pytest.fixture(scope="module")
def image(store, tiny_images, require):
    require(shutil.which("busybox"), "busybox (Debian: busybox-static)")
    files = tiny_images.python_files(
        "ctypes", "json", "mmap", "os", "socket", "struct", "errno", "signal"
    )
    return tiny_images.image(store, files).digest


@pytest.fixture
def secret(tmp_path):
    """Return a file and a program of this machine that no image has."""
    (tmp_path / "secret.txt").write_text("only on this machine")
    program = tmp_path / "program"
    program.write_text("#!/bin/sh\necho only on this machine\n")
    program.chmod(0o755)
    return str(tmp_path)


WAYS = {
    "bubblewrap": (Isolation.BUBBLEWRAP, True),
    "proot": (Isolation.PROOT, True),
    "proot without landlock": (Isolation.PROOT, False),
}


@pytest.fixture(params=WAYS)
def findings(request, store, image, secret, require, monkeypatch):
    """What the probe met, by attempt."""
    kind, landlock = WAYS[request.param]
    found = {one.method.isolation: one for one in isolation.attempts(store.root)}
    require(not found[kind].problem, f"{kind.value}: {found[kind].problem}")
    if not landlock:
        monkeypatch.setattr(confinement, "has_landlock", lambda: False)
    elif kind is Isolation.PROOT:
        require(confinement.has_landlock(), "Landlock (Linux 6.2)")
    runtime = SandboxRuntime()
    run = runtime.start(
        RunSpec(
            image=image,
            isolation=kind,
            entrypoint=("/bin/python", "-I", "-S", "-c", PROBE, secret, str(os.getpid())),
        ),
        store=store,
    )
    run = runtime.wait(run.id, store=store, timeout_s=60)
    log = "".join(runtime.logs(run.id, store=store))
    assert run.exit_code == 0, log
    return json.loads(log.splitlines()[-1])


def test_what_is_outside_stays_outside(findings):
    for attempt, outcome in findings["absent"].items():
        assert outcome in ABSENT, f"{attempt}: {outcome}"
    assert len(findings["absent"]) > 20


def test_what_is_inside_is_found(findings):
    assert set(findings["present"].values()) == {"ok"}, findings["present"]


def test_no_internet_sockets(findings):
    assert set(findings["sockets"].values()) <= {"EPERM", "ENETUNREACH"}, findings["sockets"]
    assert findings["local sockets"] == "ok"


def test_other_system_call_tables_are_closed(findings, request):
    if "bubblewrap" not in request.node.name:
        assert findings["i386"] in ("killed", "not x86")
        assert findings["x32"] == "ENOSYS"
