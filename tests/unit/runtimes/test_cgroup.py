"""A tree of plain files stands in for a delegated cgroup; the last test uses the real kernel."""

from __future__ import annotations

import os
import subprocess

import pytest

from jupyter_containerize.runtimes.cgroup import Group


@pytest.fixture
def tree(tmp_path):
    """root / user.slice / app.slice (delegated, with controllers) / scope (this process)."""
    folder = tmp_path
    (folder / "cgroup.controllers").write_text("memory pids\n")
    for name in ("user.slice", "app.slice", "scope"):
        (folder / "cgroup.subtree_control").write_text("")
        (folder / "cgroup.procs").write_text("")
        folder = folder / name
        folder.mkdir()
    (folder / "cgroup.procs").write_text("1\n")
    (folder / "cgroup.subtree_control").write_text("")
    membership = tmp_path / "self"
    membership.write_text("1:name=systemd:/x\n0::/user.slice/app.slice/scope\n")
    return tmp_path


def create(tree, **limits):
    return Group.create(
        "r1",
        **{"memory_bytes": None, "processes": None, **limits},
        roots=(str(tree),),
        membership=str(tree / "self"),
    )


def test_the_nearest_group_with_the_controllers_gets_a_child_with_limits(tree):
    app = tree / "user.slice" / "app.slice"
    (app / "cgroup.subtree_control").write_text("memory pids")
    (app / "scope" / "cgroup.subtree_control").chmod(0o444)
    (app / "scope" / "cgroup.procs").unlink()
    group = create(tree, memory_bytes=1000, processes=7)
    assert group is not None
    made = app / "containerize-r1"
    assert (made / "memory.max").read_text() == "1000"
    assert (made / "pids.max").read_text() == "7"
    group.add(123)
    assert (made / "cgroup.procs").read_text() == "123"


def test_controllers_are_switched_on_where_possible(tree):
    group = create(tree, memory_bytes=1000)
    assert group is not None
    scope = tree / "user.slice" / "app.slice" / "scope"
    assert (scope / "cgroup.subtree_control").read_text() == "+memory"


def test_the_kernels_word_on_why_it_ended(tree):
    group = create(tree, memory_bytes=1000, processes=3)
    made = tree / "user.slice" / "app.slice" / "scope" / "containerize-r1"
    assert group.ran_out_of() == ""
    (made / "pids.events").write_text("max 2\n")
    assert group.ran_out_of() == "processes"
    (made / "memory.events").write_text("low 0\nhigh 0\nmax 9\noom 1\noom_kill 1\n")
    (made / "memory.peak").write_text("1004\n")
    assert group.ran_out_of() == "memory"
    assert group.peak_bytes() == 1004


def test_without_version_2_or_delegation_there_is_none(tree):
    (tree / "self").write_text("4:memory:/x\n")
    assert create(tree, memory_bytes=1) is None
    (tree / "self").write_text("0::/../elsewhere\n")
    assert create(tree, memory_bytes=1) is None
    (tree / "self").unlink()
    assert create(tree, memory_bytes=1) is None


def test_a_real_group_ends_all_its_processes(require):
    root = next(
        (
            r
            for r in ("/sys/fs/cgroup", "/sys/fs/cgroup/unified")
            if os.path.exists(f"{r}/cgroup.procs")
        ),
        None,
    )
    require(
        root and os.access(f"{root}/cgroup.procs", os.W_OK), "a cgroup v2 tree one may write to"
    )
    name = f"test-{os.getpid()}"
    group = Group.create(name, memory_bytes=None, processes=None)
    require(group, "a delegated cgroup v2")
    sleeper = subprocess.Popen(["/bin/sh", "-c", "sleep 100 & sleep 100"])
    group.add(sleeper.pid)
    group.remove()
    assert sleeper.wait(10) == -9
