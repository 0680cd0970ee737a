from __future__ import annotations

import importlib.util
import sys

from elftools.elf.elffile import ELFFile

from jupyter_containerize.capture import elf


def by_pyelftools(path):
    with open(path, "rb") as file:
        section = ELFFile(file).get_section_by_name(".gnu.version_r")
        names = [aux.name for _, versions in section.iter_versions() for aux in versions]
    found = [name.removeprefix("GLIBC_").split(".") for name in names if name.startswith("GLIBC_2")]
    return max((int(one[0]), int(one[1])) for one in found)


def test_the_newest_symbol_decides():
    for path in (sys.executable, importlib.util.find_spec("_ssl").origin):
        assert elf.glibc_needed(path) == by_pyelftools(path)


def test_other_files_need_none(tmp_path):
    for data in (b"", b"\x7fELF", b"\x7fELF" + bytes(100), b"text"):
        (tmp_path / "x.so").write_bytes(data)
        assert elf.glibc_needed(str(tmp_path / "x.so")) == (0, 0)
    assert elf.glibc_needed(str(tmp_path / "missing")) == (0, 0)
