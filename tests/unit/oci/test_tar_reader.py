from __future__ import annotations

import contextlib
import io
import os
import tarfile

import pytest
from hypothesis import HealthCheck, given, settings
from hypothesis import strategies as st

from jupyter_containerize.errors import ContainerizeError
from jupyter_containerize.oci.tar_reader import MemberKind, members

FORMATS = (tarfile.USTAR_FORMAT, tarfile.GNU_FORMAT, tarfile.PAX_FORMAT)
PART = st.text(
    st.characters(blacklist_characters="\0/", blacklist_categories=("Cs",)), min_size=1, max_size=60
).filter(lambda part: part not in (".", ".."))


def read(path, data):
    path.write_bytes(data)
    descriptor = os.open(path, os.O_RDONLY)
    try:
        return list(members(descriptor))
    finally:
        os.close(descriptor)


@settings(max_examples=60, suppress_health_check=[HealthCheck.function_scoped_fixture])
@given(
    names=st.lists(st.lists(PART, min_size=1, max_size=6).map("/".join), max_size=4),
    form=st.sampled_from(FORMATS[1:]),
    data=st.binary(max_size=1500),
    mtime=st.integers(0, 2**34),
)
def test_reads_what_tarfile_writes(tmp_path, names, form, data, mtime):
    buffer = io.BytesIO()
    with tarfile.open(fileobj=buffer, mode="w", format=form) as tar:
        for name in names:
            info = tarfile.TarInfo(name)
            info.size, info.mtime = len(data), mtime
            tar.addfile(info, io.BytesIO(data))

    found = read(tmp_path / "t.tar", buffer.getvalue())

    assert [one.name.decode() for one in found] == names
    assert all(buffer.getvalue()[one.offset : one.offset + one.size_bytes] == data for one in found)
    assert all(one.mtime_s == mtime for one in found)


@pytest.mark.parametrize("form", FORMATS)
def test_kinds_and_links(tmp_path, make_tar, form):
    data = make_tar(
        ("d", None), ("d/f", b"xyz"), ("l", ("link", "d/f")), ("h", ("hard", "d/f")), ("p", ("type", b"6")),
        format=form,
    )  # fmt: skip

    kinds = [(one.name.rstrip(b"/"), one.kind, one.link) for one in read(tmp_path / "t", data)]

    assert kinds == [
        (b"d", MemberKind.FOLDER, b""),
        (b"d/f", MemberKind.FILE, b""),
        (b"l", MemberKind.LINK, b"d/f"),
        (b"h", MemberKind.HARD_LINK, b"d/f"),
        (b"p", MemberKind.OTHER, b""),
    ]


def test_long_links_of_gnu(tmp_path, make_tar):
    data = make_tar(("l", ("link", "x" * 300)), format=tarfile.GNU_FORMAT)
    assert read(tmp_path / "t", data)[0].link == b"x" * 300


@pytest.mark.parametrize(
    ("damage", "why"),
    [
        (lambda data: data[:700], "cut short"),
        (lambda data: data[:300], "cut short"),
        (lambda data: b"\1" + data[1:], "checksum"),
        (lambda data: data[:148] + b"99999999" + data[156:], "not a number"),
        (lambda _: os.urandom(2048), "header"),
    ],
)
def test_damage_is_an_error_of_ours(tmp_path, make_tar, damage, why):
    data = make_tar(("f", b"y" * 900), format=tarfile.USTAR_FORMAT)

    with pytest.raises(ContainerizeError, match=why) as caught:
        read(tmp_path / "t", damage(data))

    assert caught.value.code == "bad-layer"


@settings(max_examples=150, suppress_health_check=[HealthCheck.function_scoped_fixture])
@given(position=st.integers(0, 3000), value=st.integers(0, 255))
def test_any_changed_byte_gives_members_or_our_error(tmp_path, make_tar, position, value):
    data = bytearray(make_tar(("ü" * 80, b"data"), ("f", b"x"), format=tarfile.PAX_FORMAT))
    data[position] = value
    with contextlib.suppress(ContainerizeError):
        read(tmp_path / "t", bytes(data))
