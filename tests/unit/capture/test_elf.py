"""The ELF reader, against pyelftools, and against damage."""

from __future__ import annotations

import functools
import io
import os
import sys
from pathlib import Path

import pytest
from elftools.common.exceptions import ELFError
from elftools.elf.dynamic import DynamicSection, DynamicSegment
from elftools.elf.elffile import ELFFile
from hypothesis import given, settings
from hypothesis import strategies as st

from jupyter_containerize.capture import elf

#: pyelftools needs 4 ms a file: enough of them to meet every linker, few enough to wait for.
FILES_AT_MOST = 250


@functools.cache
def elf_files() -> list[str]:
    folders = [sys.prefix, sys.base_prefix, "/usr/lib", "/usr/bin", "/usr/sbin"]
    found = {}
    for top in folders:
        for folder, _, names in os.walk(top):
            for name in names:
                path = os.path.join(folder, name)
                executable = os.access(path, os.X_OK)
                if os.path.isfile(path) and elf.plausible(path, executable=executable):
                    found[os.path.realpath(path)] = None
    paths = sorted(found)
    return paths[:: max(1, len(paths) // FILES_AT_MOST)]


def by_pyelftools(path: str) -> elf.Elf | None:
    with open(path, "rb") as file:
        try:
            whole = ELFFile(file)
        except ELFError:
            return None
        values: dict[str, list] = {}
        interpreter, dynamic = "", False
        for segment in whole.iter_segments():
            if segment["p_type"] == "PT_INTERP":
                interpreter = segment.get_interp_name()
            if isinstance(segment, (DynamicSegment, DynamicSection)):
                dynamic = True
                for tag in segment.iter_tags():
                    name = tag.entry.d_tag
                    text = getattr(tag, str(name).removeprefix("DT_").lower(), tag.entry.d_val)
                    values.setdefault(name, []).append(text)
        return elf.Elf(
            machine={"EM_X86_64": 62, "EM_AARCH64": 183, "EM_386": 3}[whole["e_machine"]],
            bits=whole.elfclass,
            needed=tuple(values.get("DT_NEEDED", ())),
            soname=values.get("DT_SONAME", [""])[0],
            rpath=values.get("DT_RPATH", [""])[0],
            runpath=values.get("DT_RUNPATH", [""])[0],
            interpreter=interpreter,
            dynamic=dynamic,
            own_folders_only=bool(values.get("DT_FLAGS_1", [0])[0] & 0x800),
        )


def test_reads_what_pyelftools_reads():
    differing, read = {}, 0
    for path in elf_files():
        ours, theirs = elf.read(path), by_pyelftools(path)
        read += ours is not None
        if ours != theirs:
            differing[path] = (ours, theirs)

    assert differing == {}
    assert read > 100


def test_reads_a_small_part_of_a_large_file(monkeypatch):
    paths = [path for path in elf_files() if os.path.getsize(path) > 1 << 20]
    asked = []
    read, pread = os.read, os.pread
    monkeypatch.setattr(os, "read", lambda fd, n: asked.append(n) or read(fd, n))
    monkeypatch.setattr(os, "pread", lambda fd, n, at: asked.append(n) or pread(fd, n, at))

    for path in paths:
        asked.clear()
        assert elf.read(path) is not None
        assert sum(asked) < 32 << 10, path
    assert paths


@pytest.fixture(scope="module")
def extension() -> bytes:
    """The bytes of a small shared library with NEEDED and SONAME or RUNPATH."""
    candidates = Path("/usr/lib").rglob("libz.so.1.*")
    return min(candidates, key=os.path.getsize).read_bytes()


def test_no_cut_makes_it_fail(extension, tmp_path):
    path = tmp_path / "cut.so"
    for length in [*range(0, 2048, 7), *range(2048, len(extension), 997)]:
        path.write_bytes(extension[:length])
        facts = elf.read(str(path))
        assert facts is None or isinstance(facts, elf.Elf)
    path.write_bytes(extension)
    assert elf.read(str(path)).soname == "libz.so.1"


@settings(max_examples=300, deadline=None)
@given(data=st.data())
def test_no_damage_makes_it_fail(extension, tmp_path_factory, data):
    damaged = bytearray(extension)
    for _ in range(data.draw(st.integers(1, 8))):
        place = data.draw(st.integers(0, 1024) | st.integers(0, len(damaged) - 1))
        damaged[place] = data.draw(st.sampled_from([0, 1, 0x7F, 0x80, 0xFF]))
    path = tmp_path_factory.getbasetemp() / "damaged.so"
    path.write_bytes(damaged)

    facts = elf.read(str(path))

    assert facts is None or isinstance(facts, elf.Elf)


@pytest.mark.parametrize(
    ("place", "value"),
    [
        (4, 9),  # class
        (5, 9),  # byte order
        (32, 0xFF),  # where the program headers lie
        (54, 1),  # their size
        (57, 0xFF),  # their number
    ],
)
def test_a_damaged_header_is_no_elf_file(extension, tmp_path, place, value):
    damaged = bytearray(extension)
    damaged[place] = value
    (tmp_path / "damaged.so").write_bytes(damaged)

    facts = elf.read(f"{tmp_path}/damaged.so")

    assert facts is None or not facts.needed


def test_a_dynamic_segment_without_its_strings_is_no_elf_file(extension, tmp_path):
    segments = ELFFile(io.BytesIO(extension)).iter_segments()
    start = next(one["p_offset"] for one in segments if one["p_type"] == "PT_DYNAMIC")
    tags = [extension[place : place + 8] for place in range(start, start + 16 * 40, 16)]
    place = start + 16 * tags.index((5).to_bytes(8, "little"))  # DT_STRTAB
    damaged = bytearray(extension)
    damaged[place : place + 8] = (0x6000).to_bytes(8, "little")
    (tmp_path / "damaged.so").write_bytes(damaged)

    assert elf.read(f"{tmp_path}/damaged.so") is None


def test_what_is_no_elf_file_is_none(tmp_path):
    (tmp_path / "text.so").write_text("INPUT(-lfoo)")
    (tmp_path / "empty.so").write_bytes(b"")
    os.mkfifo(tmp_path / "pipe.so")
    (tmp_path / "folder.so").mkdir()

    for name in ["text.so", "empty.so", "pipe.so", "folder.so", "nothing.so", "a\0b.so"]:
        assert elf.read(f"{tmp_path}/{name}") is None


@pytest.mark.parametrize(
    ("name", "executable", "expected"),
    [
        ("libz.so.1.2.13", False, True),
        ("_ssl.cpython-311-x86_64-linux-gnu.so", False, True),
        ("ls", True, True),
        ("LICENSE", False, False),
        ("setup.py", True, False),
        ("notes.something", False, False),
        ("the.sorted", False, False),
    ],
)
def test_opens_only_what_may_be_one(name, executable, expected):
    assert elf.plausible(f"/somewhere/{name}", executable=executable) is expected
