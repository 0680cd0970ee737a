from __future__ import annotations

import os

import pytest

from jupyter_containerize.guest.changed_files import bring_out, listing


@pytest.fixture
def places(tmp_path):
    folder, outputs = tmp_path / "nb", tmp_path / "outputs"
    (folder / "data").mkdir(parents=True)
    outputs.mkdir()
    (folder / "old.txt").write_text("old")
    (folder / "changed.txt").write_text("before")
    (folder / "data" / "big.bin").write_bytes(b"0" * 1000)
    return folder, outputs


def brought(folder, outputs, before):
    count, problems = bring_out(str(folder), before, str(outputs))
    assert problems == []
    files = outputs / "files"
    found = {
        str(path.relative_to(files))
        for path in files.rglob("*")
        if not path.is_dir() or path.is_symlink()
    }
    assert count == len(found)
    return found


def test_only_new_and_changed_files_come_out(places):
    folder, outputs = places
    before = listing(str(folder), besides=str(outputs))
    (folder / "changed.txt").write_text("after it")
    (folder / "deep" / "er").mkdir(parents=True)
    (folder / "deep" / "er" / "new ünï.txt").write_text("new")
    (folder / "link").symlink_to("old.txt")
    (folder / "data" / "loop").symlink_to("..")
    (folder / "__pycache__").mkdir()
    (folder / "__pycache__" / "m.pyc").write_text("")
    os.mkfifo(folder / "pipe")
    found = brought(folder, outputs, before)
    assert found == {"changed.txt", "deep/er/new ünï.txt", "link", "data/loop"}
    assert (outputs / "files" / "changed.txt").read_text() == "after it"
    assert os.readlink(outputs / "files" / "link") == "old.txt"
    assert os.readlink(outputs / "files" / "data" / "loop") == ".."


def test_a_file_of_the_same_size_that_was_replaced(places):
    folder, outputs = places
    before = listing(str(folder), besides=str(outputs))
    facts = (folder / "old.txt").stat()
    (folder / "new").write_text("NEW")
    os.utime(folder / "new", ns=(facts.st_atime_ns, facts.st_mtime_ns))
    (folder / "new").rename(folder / "old.txt")
    assert brought(folder, outputs, before) == {"old.txt"}


def test_outputs_inside_the_folder_are_not_brought_out_again(places):
    folder, _ = places
    outputs = folder / "outputs"
    before = listing(str(folder), besides=str(outputs))
    outputs.mkdir()
    (outputs / "executed.ipynb").write_text("{}")
    (folder / "x").write_text("x")
    assert brought(folder, outputs, before) == {"x"}


def test_what_cannot_be_brought_out_is_told(places):
    folder, outputs = places
    before = listing(str(folder), besides=str(outputs))
    (folder / "a").write_text("a")
    (outputs / "files").write_text("in the way")
    count, problems = bring_out(str(folder), before, str(outputs))
    assert count == 0
    assert problems in (["a: File exists"], ["a: Not a directory"])


def test_no_folder_is_no_files(tmp_path):
    assert listing(str(tmp_path / "none"), besides="") == {}
