from __future__ import annotations

import io
import tarfile

import pytest
from hypothesis import given
from hypothesis import strategies as st

from jupyter_containerize.oci import tar

NAMES = st.binary(min_size=1, max_size=400).filter(
    lambda name: b"\0" not in name and not name.endswith(b"/")
)


def read(data):
    return tarfile.open(fileobj=io.BytesIO(data + tar.END), errorlevel=2).next()


@given(name=NAMES, size=st.integers(0, 2**40))
def test_any_name_and_size_come_back(name, size):
    info = read(tar.header(name, kind=tar.FILE, mode=0o644, size_bytes=size))

    assert info.name.encode("utf-8", "surrogateescape") == name
    assert (info.size, info.mode, info.uid, info.gid, info.mtime) == (size, 0o644, 0, 0, 0)


@given(link=NAMES)
def test_any_link_comes_back(link):
    info = read(tar.header(b"l", kind=tar.LINK, mode=0o777, link=link))

    assert info.issym()
    assert info.linkname.encode("utf-8", "surrogateescape") == link


@pytest.mark.parametrize(
    ("name", "blocks"),
    [
        (b"a" * 100, 1),
        (b"a" * 101, 3),  # no slash to split at
        (b"d" * 155 + b"/" + b"n" * 100, 1),
        (b"d" * 156 + b"/" + b"n" * 100, 3),
        (b"d/" * 120 + b"n", 1),
        ("ü".encode(), 3),
        (b"a\nb", 1),
    ],
)
def test_pax_records_only_where_ustar_does_not_do(name, blocks):
    data = tar.header(name, kind=tar.FILE, mode=0o644)

    assert len(data) == blocks * tar.BLOCK
    assert read(data).name.encode() == name


def test_header_equals_that_of_tarfile():
    info = tarfile.TarInfo("usr/bin/tool")
    info.mode, info.size, info.uid = 0o755, 1234, 1000
    expected = info.tobuf(tarfile.USTAR_FORMAT)

    ours = tar.header(b"usr/bin/tool", kind=tar.FILE, mode=0o755, size_bytes=1234, uid=1000)

    # Python leaves the device fields of files empty; zeros are what POSIX asks for.
    assert ours[:148] == expected[:148]
    assert ours[156:329] == expected[156:329]


def test_folder_name_ending_in_slash_is_split_inside():
    name = b"d" * 90 + b"/" + b"e" * 99 + b"/"
    assert read(tar.header(name, kind=tar.FOLDER, mode=0o755)).name.encode() == name[:-1]
