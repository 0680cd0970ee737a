"""The sandbox in a container with Docker's default seccomp profile and no root, as on Binder."""

from __future__ import annotations

import json
import shutil

import pytest

ABSENT = {"ENOENT", "EACCES", "EPERM", "ENOSYS", "ENOTDIR", "EBADF"}


@pytest.fixture(scope="module")
def met(docker_engine, require, sandbox_kit):
    """What the driver met in such a container, with the sandbox left to choose."""
    for program in ("busybox", "proot"):
        require(shutil.which(program), f"{program} (Debian: busybox-static, proot)")
    script = (
        "mkdir -p /tmp/a/outside; cd /tmp/a/outside; echo only on this machine > secret.txt; "
        "cp /usr/bin/true program; exec /usr/bin/python3 /kit/sandbox_driver.py "
        "/tmp/store auto 1 /tmp/a/outside"
    )
    text = docker_engine.docker(
        *("run", "--rm", "--network=none", "--user=1000:1000", "-v", "/usr:/usr:ro"),
        *("-v", f"{sandbox_kit}:/kit:ro", "-e", "PYTHONPATH=/kit", "-e", "HOME=/tmp"),
        *(docker_engine.host_image(), "/bin/sh", "-c", script),
    )
    return json.loads(text.splitlines()[-1])


def test_it_falls_back_to_proot_and_records_that(met):
    assert "error" not in met, met["error"]
    assert met["hello"] == ["succeeded", "hello\n1000\n2\n", "proot"]
    assert met["outputs"] == 1000
    assert met["again"] == "a,b\n1,2\n"


def test_doctor_says_why_bubblewrap_does_not_work(met):
    bubblewrap, proot = met["checks"]
    assert "works=False" in bubblewrap
    assert "security profile refuses user namespaces" in bubblewrap
    assert "apt-get install proot" in bubblewrap
    assert "works=True" in proot


def test_nothing_outside_the_image_is_found(met):
    found = met["probe"]["absent"].items()
    assert {attempt: outcome for attempt, outcome in found if outcome not in ABSENT} == {}
    assert set(met["probe"]["sockets"].values()) == {"EPERM"}
    assert met["probe"]["i386"] in ("killed", "not x86")


def test_writes_limits_and_stop_work(met):
    assert 0 not in met["read only"]
    assert "out of memory" in met["memory"]
    assert met["stopped"] == "stopped"
    assert met["files left"] == []
