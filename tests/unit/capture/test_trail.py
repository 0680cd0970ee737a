"""The links on the way to a file."""

from __future__ import annotations

import os

from jupyter_containerize.capture import trail
from jupyter_containerize.model.files import FileKind


def test_every_link_on_the_way_is_an_entry_with_a_link_free_parent(tmp_path):
    (tmp_path / "usr/lib/arch").mkdir(parents=True)
    (tmp_path / "usr/lib/arch/libz.so.1.2").write_text("z")
    (tmp_path / "usr/lib/arch/libz.so.1").symlink_to("libz.so.1.2")
    (tmp_path / "lib").symlink_to("usr/lib")

    *links, last = trail.entries(f"{tmp_path}/lib/arch/libz.so.1")

    ours = [(os.path.relpath(entry.path, tmp_path), entry.link) for entry in links]
    assert ours == [("lib", "usr/lib"), ("usr/lib/arch/libz.so.1", "libz.so.1.2")]
    assert last.path == f"{tmp_path}/usr/lib/arch/libz.so.1.2"
    assert last.size_bytes == 1


def test_ways_that_lead_nowhere_are_empty(tmp_path):
    (tmp_path / "a").symlink_to("b")
    (tmp_path / "b").symlink_to("a")
    (tmp_path / "dangling").symlink_to("nothing")
    os.mkfifo(tmp_path / "pipe")

    for name in ["a", "dangling", "pipe", "missing", "a/b/c", "x\0y"]:
        assert trail.entries(f"{tmp_path}/{name}") == ()
        assert trail.real(f"{tmp_path}/{name}") == ""


def test_below_lists_files_and_where_links_lead(tmp_path):
    (tmp_path / "tree/sub").mkdir(parents=True)
    (tmp_path / "tree/sub/file").write_text("x")
    (tmp_path / "outside").write_text("y")
    (tmp_path / "tree/link").symlink_to("../outside")
    (tmp_path / "tree/loop").symlink_to("loop")
    os.mkfifo(tmp_path / "tree/pipe")

    found = {
        os.path.relpath(entry.path, tmp_path): entry for entry in trail.below(f"{tmp_path}/tree")
    }

    assert set(found) == {"tree/sub/file", "tree/link", "outside"}
    assert found["tree/link"].kind is FileKind.SYMLINK
    assert list(trail.below(f"{tmp_path}/nothing")) == []
