"""The sandbox as an ordinary user, and as root."""

from __future__ import annotations

import json
import os
import shutil
import subprocess
import sys

import pytest

NOBODY = 65534
ABSENT = {"ENOENT", "EACCES", "EPERM", "ENOSYS", "ENOTDIR", "EBADF"}


def belonging_to(uid, folder):
    """Make a folder with what no image has, and a folder for the store."""
    outside, home = folder / "outside", folder / "home"
    for new in (folder, outside, home):
        new.mkdir()
    (outside / "secret.txt").write_text("only on this machine\n")
    (outside / "program").write_text("#!/bin/sh\n")
    (outside / "program").chmod(0o755)
    for path in (outside, home, *outside.iterdir()):
        os.chown(path, uid, uid)
    return outside, home


@pytest.mark.parametrize("user", ["root", "nobody"])
@pytest.mark.parametrize(("kind", "landlock"), [("bubblewrap", 1), ("proot", 1), ("proot", 0)])
def test_the_sandbox_as(user, kind, landlock, sandbox_kit, open_folder, require):
    require(shutil.which("busybox"), "busybox (Debian: busybox-static)")
    require(os.getuid() == 0, "root, to become somebody else")
    require(kind != "proot" or shutil.which("proot"), "proot (Debian: proot)")
    python = "/usr/bin/python3"
    require(os.path.exists(python), "a Python that every user may run")
    uid = 0 if user == "root" else NOBODY
    outside, home = belonging_to(uid, open_folder / f"{user}-{kind}-{landlock}")
    done = subprocess.run(
        [python, sandbox_kit / "sandbox_driver.py", home / "s", kind, str(landlock), outside],
        user=uid,
        group=uid,
        extra_groups=[],
        env={"PATH": os.environ["PATH"], "PYTHONPATH": str(sandbox_kit), "HOME": str(home)},
        capture_output=True,
        text=True,
        timeout=120,
        check=False,
    )
    assert done.returncode == 0, done.stderr
    found = json.loads(done.stdout.splitlines()[-1])
    print(json.dumps(found, indent=1), file=sys.stderr)
    assert "error" not in found, found["error"]
    shown = 1000 if kind == "bubblewrap" else uid
    assert found["hello"] == ["succeeded", f"hello\n{shown}\n2\n", kind]
    assert found["outputs"] == uid
    assert 0 not in found["read only"]
    assert found["again"] == "a,b\n1,2\n"
    assert {k: v for k, v in found["probe"]["absent"].items() if v not in ABSENT} == {}
    assert set(found["probe"]["sockets"].values()) <= {"EPERM", "ENETUNREACH"}
    assert "out of memory" in found["memory"]
    assert found["mount"][0] == "only on this machine"
    assert found["stopped"] == "stopped"
    assert found["files left"] == []
    if landlock:
        assert found["mount"][1] != 0
        assert (outside / "secret.txt").read_text() == "only on this machine\n"
