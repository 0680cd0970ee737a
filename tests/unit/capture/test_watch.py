"""inotify itself, without a kernel."""

from __future__ import annotations

import os
import sys

import pytest

from jupyter_containerize.capture.probe.journal import Journal
from jupyter_containerize.capture.probe.watch import Watch

pytestmark = pytest.mark.skipif(sys.platform != "linux", reason="inotify is Linux's")


@pytest.fixture
def watch():
    journal = Journal()
    journal.running = True
    watch = Watch(journal)
    watch.start()
    yield watch
    watch.restore()


def seen(watch, top):
    watch.drain()
    rows = sorted(watch.rows())
    return {os.path.relpath(path, top): mode for _, path, _, mode, *_ in reversed(rows)}


def test_how_files_are_opened(watch, tmp_path):
    for name in ("read", "rewritten", "appended", "unread", "updated"):
        (tmp_path / name).write_text("old")
    watch.add(str(tmp_path))
    (tmp_path / "read").read_text()
    (tmp_path / "rewritten").write_text("new")
    with open(tmp_path / "updated", "r+") as file:
        file.read()
        file.write("more")
    with open(tmp_path / "made", "w") as file:
        file.write("x")
    (tmp_path / "made").read_text()
    (tmp_path / "part").write_text("x")
    (tmp_path / "part").rename(tmp_path / "whole")
    assert seen(watch, tmp_path) == {
        "read": "r", "rewritten": "w", "updated": "rw", "made": "w", "part": "w", "whole": "w",
    }  # fmt: skip


def test_the_size_is_that_of_the_first_read(watch, tmp_path):
    (tmp_path / "x").write_text("12345")
    watch.add(str(tmp_path))
    (tmp_path / "x").read_text()
    watch.drain()
    (tmp_path / "x").write_text("1")
    watch.drain()
    (row,) = watch.rows()
    assert row[-1].st_size == 5


def test_folders_below_old_and_new(watch, tmp_path):
    (tmp_path / "a" / "b").mkdir(parents=True)
    (tmp_path / "a" / "b" / "old").touch()
    watch.add(str(tmp_path), deep=True)
    (tmp_path / "a" / "b" / "old").read_text()
    (tmp_path / "new" / "below").mkdir(parents=True)
    (tmp_path / "new" / "below" / "x").write_text("x")
    watch.drain()
    (tmp_path / "new" / "below" / "y").write_text("y")
    assert seen(watch, tmp_path) == {"a/b/old": "r", "new/below/x": "w", "new/below/y": "w"}


def test_what_is_no_data_is_not_watched(watch, tmp_path):
    for folder in (".git", ".hidden", "node_modules", "venv", "site-packages", "kept"):
        (tmp_path / folder / "below").mkdir(parents=True)
        (tmp_path / folder / "below" / "x").touch()
    (tmp_path / "venv" / "pyvenv.cfg").touch()
    watch.add(str(tmp_path), deep=True)
    for path in tmp_path.glob("*/below/x"):
        path.read_text()
    assert seen(watch, tmp_path) == {"kept/below/x": "r"}


def test_symlinks_are_named_as_the_cell_names_them(watch, tmp_path):
    work, far = tmp_path / "work", tmp_path / "far"
    work.mkdir()
    (far / "deep").mkdir(parents=True)
    (far / "file").write_text("x")
    (far / "deep" / "inner").write_text("x")
    (work / "file-link").symlink_to(far / "file")
    (work / "folder-link").symlink_to(far / "deep")
    (work / "loop").symlink_to(work)
    (work / "dangling").symlink_to("nowhere")
    watch.add(str(work), deep=True)
    (work / "file-link").read_text()
    (work / "folder-link" / "inner").read_text()
    (work / "later").symlink_to(far / "file")
    found = seen(watch, tmp_path)
    assert found["work/file-link"] == found["far/file"] == "r"
    assert found["work/folder-link/inner"] == "r"


def test_a_cache_is_watched_as_soon_as_it_is_made(watch, tmp_path):
    (tmp_path / "other").write_text("x")
    watch.want(str(tmp_path / ".cache" / "hub"))
    (tmp_path / "other").read_text()
    (tmp_path / ".cache" / "unwanted").mkdir(parents=True)
    watch.drain()
    (tmp_path / ".cache" / "unwanted" / "x").write_text("x")
    (tmp_path / ".cache" / "hub").mkdir()
    watch.drain()
    (tmp_path / ".cache" / "hub" / "model").write_text("x")
    (tmp_path / ".cache" / "hub" / "model").read_text()
    assert seen(watch, tmp_path) == {".cache/hub/model": "w"}


def test_too_many_folders_are_a_problem_not_a_hang(watch, tmp_path):
    for number in range(20):
        (tmp_path / str(number)).mkdir()
    watch.add(str(tmp_path), deep=True, limit=5)
    assert any("too many" in problem for problem in watch.journal.problems)


def test_other_programs_are_not_heard_while_no_cell_runs(watch, tmp_path):
    (tmp_path / "x").touch()
    watch.add(str(tmp_path))
    watch.journal.running = False
    (tmp_path / "x").read_text()
    assert seen(watch, tmp_path) == {}


def test_names_that_are_no_text(watch, tmp_path):
    watch.add(str(tmp_path))
    name = os.path.join(os.fsencode(tmp_path), b"\xff\n x")
    with open(name, "w") as file:
        file.write("x")
    assert list(seen(watch, tmp_path)) == ["\udcff\n x"]


def test_a_folder_that_is_not_there(watch, tmp_path):
    watch.add(str(tmp_path / "missing"), deep=True)
    assert watch.journal.problems == []
