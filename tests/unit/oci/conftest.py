"""Fixtures for bytes: a store, and layers packed from entries."""

from __future__ import annotations

import io
import os
import tarfile
import threading

import pytest

from jupyter_containerize.model.plan import Entry, FileContent
from jupyter_containerize.oci.layer import LayerPacker
from jupyter_containerize.oci.pipeline import pipeline
from jupyter_containerize.oci.store import Store


@pytest.fixture
def store(tmp_path):
    return Store.open(str(tmp_path / "store"))


@pytest.fixture
def pack():
    """`pack(*entries)`: the bytes of their layer."""

    def run(*entries, folders=None, bytecode=()):
        parts = []
        with pipeline(lambda data: parts.append(bytes(data)), cancel=threading.Event()) as outlet:
            LayerPacker(outlet, 1000, folders or {}, iter(bytecode)).pack(entries)
        return b"".join(parts)

    return run


@pytest.fixture
def read_tar():
    """`read_tar(data)`: the members by name, as Python's tarfile sees them."""

    def run(data):
        with tarfile.open(fileobj=io.BytesIO(data)) as tar:
            return {member.name: member for member in tar}

    return run


@pytest.fixture
def file_entry():
    """`file_entry(path, target)`: a real file as an entry of a plan."""

    def make(path, target, mode=0o644):
        status = os.lstat(path)
        return Entry(target, FileContent(str(path), status.st_size, status.st_mtime_ns), mode)

    return make


@pytest.fixture
def make_tar():
    """`make_tar((name, content), ...)`: a foreign tar, by Python's tarfile.

    Content is bytes, None (a folder), ("link", to), ("hard", to) or ("type", b"6").
    """

    def make(*members, **options):
        buffer = io.BytesIO()
        with tarfile.open(fileobj=buffer, mode="w", **options) as tar:
            for name, content in members:
                info = tarfile.TarInfo(name)
                info.mode, data = 0o644, None
                if isinstance(content, tuple) and content[0] == "type":
                    info.type = content[1]
                elif isinstance(content, tuple):
                    info.type = tarfile.SYMTYPE if content[0] == "link" else tarfile.LNKTYPE
                    info.linkname = content[1]
                elif content is None:
                    info.type, info.mode = tarfile.DIRTYPE, 0o755
                else:
                    info.size, data = len(content), io.BytesIO(content)
                tar.addfile(info, data)
        return buffer.getvalue()

    return make
