"""The loader's cache, against ldconfig."""

from __future__ import annotations

import itertools
import re
import struct
import subprocess

import pytest
from hypothesis import given
from hypothesis import strategies as st

from jupyter_containerize.errors import ContainerizeError
from jupyter_containerize.model.files import FileEntry, FileKind
from jupyter_containerize.model.snapshot import NativeLibrary
from jupyter_containerize.planning import loader_cache


def printed(path: str | None) -> list[tuple[str, str]]:
    """Return what ldconfig prints of the cache at `path`, or of the machine's own."""
    command = ["/sbin/ldconfig", "-p", *(["-C", path] if path else [])]
    done = subprocess.run(command, capture_output=True, text=True, check=True)
    return re.findall(r"\t(\S+) \(libc6,x86-64[^)]*\) => (\S+)", done.stdout)


def test_ldconfig_prints_it_as_its_own(tmp_path):
    first: dict[str, str] = {}
    for name, path in printed(None):
        first.setdefault(name, path)
    (tmp_path / "cache").write_bytes(loader_cache.write(first.items(), architecture="amd64"))

    assert printed(f"{tmp_path}/cache") == list(first.items())
    assert len(first) > 20


def test_numbers_sort_by_value_and_newest_first(tmp_path):
    names = ["libz.so.1", "libz.so", "libz.so.10", "libz.so.9", "libz2.so", "liba.so", "libz-1.so"]
    (tmp_path / "cache").write_bytes(
        loader_cache.write([(name, f"/l/{name}") for name in names], architecture="amd64")
    )

    assert [name for name, _ in printed(f"{tmp_path}/cache")] == [
        "libz2.so", "libz.so.10", "libz.so.9", "libz.so.1", "libz.so", "libz-1.so", "liba.so",
    ]  # fmt: skip


def by_dl_cache_libcmp(first: bytes, second: bytes) -> int:
    """glibc's `_dl_cache_libcmp`, statement by statement."""
    one, two = [*first, 0], [*second, 0]
    i = j = 0
    while one[i]:
        if chr(one[i]).isdigit():
            if not chr(two[j]).isdigit():
                return 1
            value1 = value2 = 0
            while chr(one[i]).isdigit():
                value1, i = value1 * 10 + one[i] - 48, i + 1
            while chr(two[j]).isdigit():
                value2, j = value2 * 10 + two[j] - 48, j + 1
            if value1 != value2:
                return value1 - value2
        elif chr(two[j]).isdigit():
            return -1
        elif one[i] != two[j]:
            return one[i] - two[j]
        else:
            i, j = i + 1, j + 1
    return one[i] - two[j]


@given(st.lists(st.text(alphabet="ab.-_012", min_size=1, max_size=8), unique=True))
def test_the_loaders_binary_search_finds_every_name(names):
    data = loader_cache.write([(name, f"/{name}") for name in names], architecture="arm64")
    count = struct.unpack_from("<I", data, 20)[0]
    rows = [struct.unpack_from("<iIIIQ", data, 48 + 24 * index) for index in range(count)]
    keys = [data[row[1] : data.index(b"\0", row[1])] for row in rows]

    assert {row[0] for row in rows} <= {0x0A03}
    for first, second in itertools.pairwise(keys):
        assert by_dl_cache_libcmp(first, second) >= 0
    assert sorted(keys) == sorted(name.encode() for name in names)


def test_the_order_of_the_libraries_does_not_matter():
    pairs = [
        ("libb.so.1", "/l/libb.so.1"),
        ("liba.so.2", "/l/liba.so.2"),
        ("liba.so.2", "/l/liba.so.2"),
    ]

    forwards = loader_cache.write(pairs, architecture="amd64")

    assert forwards == loader_cache.write(reversed(pairs), architecture="amd64")


def test_an_unknown_architecture_is_an_error():
    with pytest.raises(ContainerizeError) as caught:
        loader_cache.write([], architecture="mips")

    assert caught.value.code == "no-loader-cache"


def test_entries_are_the_sonames_and_the_links_beside_them():
    def link(path: str, to: str) -> FileEntry:
        return FileEntry(path, FileKind.SYMLINK, link=to)

    found = loader_cache.entries(
        [
            NativeLibrary(
                "libblas.so.3",
                "/lib/arch/libblas.so.3",
                (
                    link("/etc/alternatives/libblas.so.3-arch", "/usr/lib/arch/blas/libblas.so.3"),
                    link("/lib", "usr/lib"),
                    link("/usr/lib/arch/libblas.so.3", "/etc/alternatives/libblas.so.3-arch"),
                    link("/usr/lib/arch/libblas.so", "libblas.so.3"),
                    FileEntry("/usr/lib/arch/blas/libblas.so.3"),
                ),
                search_path=True,
            ),
            NativeLibrary("libpython.so", "/home/u/lib/libpython.so", (), search_path=False),
        ]
    )

    assert found == (
        ("libblas.so", "/lib/arch/libblas.so"),
        ("libblas.so.3", "/lib/arch/libblas.so.3"),
    )
