from __future__ import annotations

import base64
import os
import socket
import threading

import pytest

from jupyter_containerize.errors import ContainerizeError
from jupyter_containerize.model.plan import (
    BinaryContent,
    BytecodeContent,
    Entry,
    FileContent,
    FolderContent,
    InlineContent,
    LayerKind,
    LayerPlan,
    LinkContent,
    RewrittenContent,
)
from jupyter_containerize.oci import sources
from jupyter_containerize.oci.bytecode import Bytecode
from jupyter_containerize.oci.layer import LayerPacker, explicit_folders
from jupyter_containerize.oci.pipeline import BUFFER_BYTES, Cancelled, pipeline


def content_of(data, member):
    return data[member.offset_data : member.offset_data + member.size]


@pytest.mark.parametrize("line", ["#!/bin/sh", "#!/usr/bin/perl", "no script"])
def test_only_a_line_that_names_a_python_is_replaced(pack, read_tar, tmp_path, line):
    script = tmp_path / "script"
    script.write_text(f"{line}\nexec python3 x\n")
    status = script.stat()
    source = FileContent(str(script), status.st_size, status.st_mtime_ns)
    data = pack(Entry("/a/tool", RewrittenContent(source, "#!/usr/bin/python3"), 0o755))
    assert content_of(data, read_tar(data)["a/tool"]) == script.read_bytes()


def test_every_kind_of_content(pack, read_tar, tmp_path, file_entry):
    script = tmp_path / "script"
    script.write_bytes(b"#!/home/me/python\nprint(1)\n")
    status = script.stat()
    source = FileContent(str(script), status.st_size, status.st_mtime_ns)
    data = pack(
        Entry("/a/binary", BinaryContent(base64.b64encode(b"\0\xff").decode())),
        Entry("/a/empty", FolderContent(), 0o1777),
        file_entry(script, "/a/file", 0o755),
        Entry("/a/inline", InlineContent("ü\udcff")),
        Entry("/a/link", LinkContent("../elsewhere")),
        Entry("/a/module.pyc", BytecodeContent(source, "/a/module.py")),
        Entry("/a/tool", RewrittenContent(source, "#!/usr/bin/python3"), 0o755),
        bytecode=[Bytecode(b"code", compiled=False)],
    )
    found = read_tar(data)

    assert list(found) == [
        "a", "a/binary", "a/empty", "a/file", "a/inline", "a/link", "a/module.pyc", "a/tool",
    ]  # fmt: skip
    assert content_of(data, found["a/binary"]) == b"\0\xff"
    assert content_of(data, found["a/file"]) == script.read_bytes()
    assert content_of(data, found["a/inline"]) == "ü".encode() + b"\xff"
    assert content_of(data, found["a/module.pyc"]) == b"code"
    assert content_of(data, found["a/tool"]) == b"#!/usr/bin/python3\nprint(1)\n"
    assert found["a/link"].linkname == "../elsewhere"
    assert (found["a/empty"].isdir(), found["a/empty"].mode) == (True, 0o1777)
    assert (found["a"].isdir(), found["a"].mode, found["a/file"].mode) == (True, 0o755, 0o755)
    assert {(one.uid, one.gid, one.mtime) for one in found.values()} == {(0, 0, 0)}


def test_rights_for_any_user_of_group_0(pack, read_tar):
    found = read_tar(
        pack(
            Entry("/home/u", FolderContent(), 0o755, group_writable=True),
            Entry("/home/u/f", InlineContent("x"), 0o644, group_writable=True),
        )
    )

    rights = {name: (one.mode, one.uid, one.gid) for name, one in found.items()}
    assert rights == {
        "home": (0o755, 0, 0),
        "home/u": (0o775, 1000, 0),
        "home/u/f": (0o664, 1000, 0),
    }


def test_a_folder_that_another_layer_asks_for_keeps_its_rights(pack, read_tar):
    below = LayerPlan(LayerKind.BASE, "base", (Entry("/tmp", FolderContent(), 0o1777),))

    found = read_tar(pack(Entry("/tmp/x/y", InlineContent("")), folders=explicit_folders([below])))

    assert (found["tmp"].mode, found["tmp/x"].mode) == (0o1777, 0o755)


def test_left_out_bytecode_leaves_no_trace(pack, read_tar):
    entry = Entry("/a/__pycache__/m.pyc", BytecodeContent(FileContent("/x", 1), "/a/m.py"))
    assert read_tar(pack(entry, bytecode=[Bytecode(None, compiled=True)])) == {}


def test_files_of_all_sizes_around_the_buffer(pack, read_tar, tmp_path, file_entry):
    entries = []
    for size in (0, 1, 511, 512, 513, BUFFER_BYTES - 512, BUFFER_BYTES, 2 * BUFFER_BYTES + 7):
        path = tmp_path / str(size)
        path.write_bytes(os.urandom(size))
        entries.append(file_entry(path, f"/{size:09}"))
    data = pack(*entries)

    found = read_tar(data)

    assert len(found) == len(entries)
    for entry in entries:
        with open(entry.content.path, "rb") as file:
            assert content_of(data, found[entry.target[1:]]) == file.read()


def failing(pack, *entries):
    with pytest.raises(ContainerizeError) as caught:
        pack(*entries)
    return caught.value


def test_a_file_changed_since_the_plan(pack, tmp_path, file_entry):
    path = tmp_path / "f"
    path.write_bytes(b"one")
    longer, touched = file_entry(path, "/f"), file_entry(path, "/f")
    path.write_bytes(b"three")
    assert failing(pack, longer).code == "file-changed"
    path.write_bytes(b"two")
    os.utime(path, ns=(0, touched.content.mtime_ns + 1))
    assert failing(pack, touched).code == "file-changed"


def test_a_file_that_changes_while_it_is_read(pack, tmp_path, file_entry, monkeypatch):
    path = tmp_path / "f"
    path.write_bytes(b"x" * 1000)
    entry = file_entry(path, "/f")
    real_readv = os.readv

    def readv(descriptor, buffers):
        count = real_readv(descriptor, buffers)
        with path.open("ab") as file:
            file.write(b"more")
        return count

    monkeypatch.setattr(os, "readv", readv)
    assert failing(pack, entry).code == "file-changed"


def test_a_file_that_shrinks_while_it_is_read(pack, tmp_path, file_entry, monkeypatch):
    path = tmp_path / "f"
    path.write_bytes(b"x" * 1000)
    entry = file_entry(path, "/f")
    real_check = sources.check_unchanged

    def check(content, descriptor):
        real_check(content, descriptor)
        os.truncate(path, 10)

    monkeypatch.setattr(sources, "check_unchanged", check)
    assert failing(pack, entry).code == "file-changed"


def test_what_is_not_a_readable_file(pack, tmp_path, file_entry):
    gone = tmp_path / "gone"
    gone.write_bytes(b"x")
    entry = file_entry(gone, "/f")
    gone.unlink()
    assert failing(pack, entry).code == "file-vanished"

    gone.symlink_to("/etc/passwd")
    assert failing(pack, entry).code == "file-changed"
    gone.unlink()

    os.mkfifo(gone)
    assert failing(pack, entry).code == "not-a-file"
    gone.unlink()

    with socket.socket(socket.AF_UNIX) as listener:
        listener.bind(str(gone))
        assert failing(pack, entry).code == "not-a-file"
    gone.unlink()

    gone.mkdir()
    assert failing(pack, entry).code == "not-a-file"


def test_an_unreadable_file(pack, tmp_path, file_entry, monkeypatch):
    path = tmp_path / "f"
    path.write_bytes(b"x")
    entry = file_entry(path, "/f")
    path.chmod(0)
    if os.geteuid() == 0:  # root reads everything, so the kernel's answer is imitated

        def refuse(*_):
            raise PermissionError(13, "Permission denied")

        monkeypatch.setattr(os, "open", refuse)
    error = failing(pack, entry)
    assert error.code == "file-unreadable"
    assert "Permission denied" in error.why


def test_names_in_messages_are_one_line():
    error = sources.file_changed("/a\nb\udcff")
    assert error.what.startswith("The file '/a\\nb\\udcff' has changed")


def test_a_failing_consumer_ends_the_packer(tmp_path, file_entry):
    path = tmp_path / "f"
    path.write_bytes(bytes(8 * BUFFER_BYTES))

    def consume(_):
        raise ContainerizeError("no-space", what="full")

    with (
        pytest.raises(ContainerizeError, match="no-space"),
        pipeline(consume, cancel=threading.Event()) as outlet,
    ):
        LayerPacker(outlet, 0, {}, iter(())).pack([file_entry(path, "/f")])


def test_cancelling_ends_the_packer(tmp_path, file_entry):
    path = tmp_path / "f"
    path.write_bytes(bytes(8 * BUFFER_BYTES))
    cancel = threading.Event()
    cancel.set()
    with pytest.raises(Cancelled), pipeline(lambda _: None, cancel=cancel) as outlet:
        LayerPacker(outlet, 0, {}, iter(())).pack([file_entry(path, "/f")])
