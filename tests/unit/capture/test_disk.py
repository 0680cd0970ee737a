import os
import socket

import pytest

from jupyter_containerize.capture import disk
from jupyter_containerize.errors import ContainerizeError
from jupyter_containerize.model.files import FileKind

AWKWARD = ["a b", "naïve-文", "new\nline", "x" * 255, "tab\t'quote\"", "\udcff-not-utf8"]


@pytest.mark.parametrize("name", AWKWARD)
def test_names_of_every_kind_are_read(tmp_path, name):
    path = os.fsencode(str(tmp_path)) + b"/" + os.fsencode(name)
    with open(path, "wb") as file:
        file.write(b"data")
    entry = disk.hashed(os.fsdecode(path))
    assert entry.size_bytes == 4
    assert entry.sha256 == "3a6eb0790f39ac87c94f3856b2dd2c5d110e6811602261a9a923d3bb23adc8b7"
    assert disk.entry(os.fsdecode(path)).path == os.fsdecode(path)


def test_an_entry_is_what_lstat_sees(tmp_path):
    (tmp_path / "run").write_text("x")
    (tmp_path / "run").chmod(0o755)
    (tmp_path / "link").symlink_to("run")
    assert disk.entry(str(tmp_path / "run")).executable
    link = disk.entry(str(tmp_path / "link"))
    assert (link.kind, link.link) == (FileKind.SYMLINK, "run")
    assert disk.entry(str(tmp_path)).kind is FileKind.DIRECTORY
    assert disk.entry(str(tmp_path / "nothing")) is None
    assert disk.entry("a\0b") is None


def test_pipes_and_sockets_are_no_entries(tmp_path):
    os.mkfifo(tmp_path / "pipe")
    with socket.socket(socket.AF_UNIX) as listening:
        listening.bind(str(tmp_path / "socket"))
        assert disk.entry(str(tmp_path / "pipe")) is None
        assert disk.entry(str(tmp_path / "socket")) is None


def test_every_link_on_the_way_is_kept(tmp_path):
    (tmp_path / "big/data").mkdir(parents=True)
    (tmp_path / "big/data/x.csv").write_text("1")
    (tmp_path / "project").mkdir()
    (tmp_path / "project/data").symlink_to("../big/data")
    (tmp_path / "project/data/y.csv").symlink_to("x.csv")
    links, real = disk.resolve(str(tmp_path / "project/data/y.csv"))
    assert real == str(tmp_path / "big/data/x.csv")
    assert [link.path for link in links] == [
        str(tmp_path / "project/data"),
        str(tmp_path / "big/data/y.csv"),
    ]


def test_a_circle_of_links_is_an_error_not_a_hang(tmp_path):
    (tmp_path / "a").symlink_to("b")
    (tmp_path / "b").symlink_to("a")
    with pytest.raises(ContainerizeError) as caught:
        disk.resolve(str(tmp_path / "a"))
    assert caught.value.code == "symlink-loop"


def test_a_file_that_keeps_changing_is_an_error(tmp_path, monkeypatch):
    path = tmp_path / "log"
    path.write_text("start")
    real = os.fstat
    grown = iter(range(1, 100))

    def growing(descriptor):
        with open(path, "a") as file:
            file.write("x" * next(grown))
        return real(descriptor)

    monkeypatch.setattr(disk.os, "fstat", growing)
    with pytest.raises(ContainerizeError) as caught:
        disk.hashed(str(path))
    assert caught.value.code == "file-changed-while-read"


def test_what_cannot_be_read_names_the_file(tmp_path):
    with pytest.raises(ContainerizeError) as caught:
        disk.hashed(str(tmp_path / "gone"))
    assert caught.value.code == "unreadable-file"
    assert str(tmp_path / "gone") in caught.value.what


def test_what_permissions_forbid_is_told_in_plain_words(tmp_path, require):
    require(os.geteuid() == 0, "root, to become somebody who may not read")
    path = tmp_path / "private"
    path.write_text("x")
    path.chmod(0)
    os.seteuid(65534)
    try:
        with pytest.raises(ContainerizeError) as caught:
            disk.hashed(str(path))
    finally:
        os.seteuid(0)
    assert caught.value.code == "unreadable-file"
    assert "Permission denied" in caught.value.why


def test_walk_is_in_order_and_enters_no_link(tmp_path):
    for name in ("b/2", "b/1", "a/1", ".git/config"):
        (tmp_path / name).parent.mkdir(exist_ok=True)
        (tmp_path / name).write_text("")
    (tmp_path / "loop").symlink_to(".")
    seen = [
        os.path.relpath(item.path, tmp_path)
        for item in disk.walk(str(tmp_path), keep=lambda _path, name, _folder: name != ".git")
    ]
    assert seen == ["a", "a/1", "b", "b/1", "b/2", "loop"]
