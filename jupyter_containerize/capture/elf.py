"""What an ELF file asks of the dynamic loader: header, program headers, dynamic segment only.

A few hundred bytes of each file are read, never the whole; a broken or foreign file is
`None`, not an error, because any file of a distribution may end here. Source: System V ABI,
chapters 4 and 5; glibc `elf/elf.h`.
"""

from __future__ import annotations

import os
import re
import struct
from dataclasses import dataclass

_PT_LOAD, _PT_DYNAMIC, _PT_INTERP = 1, 2, 3
_DT_NEEDED, _DT_STRTAB, _DT_STRSZ, _DT_SONAME, _DT_RPATH = 1, 5, 10, 14, 15
_DT_RUNPATH, _DT_FLAGS_1 = 29, 0x6FFFFFFB
_DF_1_NODEFLIB = 0x800
_DT_VERNEED, _DT_VERNEEDNUM = 0x6FFFFFFE, 0x6FFFFFFF
_GLIBC = re.compile(r"GLIBC_(\d+)\.(\d+)(?:\.\d+)?")

#: `e_phnum` when the real count is elsewhere: core dumps, no libraries.
_PN_XNUM = 0xFFFF
_WIDE = 64

_NEVER_ELF = (".py", ".sh", ".txt", ".json", ".h", ".js", ".pl", ".pyi", ".c", ".html", ".csh")
#: One read that holds the header and, in all linkers' output, the program headers.
_HEAD_BYTES = 2048
_HEADERS_BYTES_AT_MOST = 1 << 16
#: Dynamic segments hold some 30 entries of 16 bytes; larger ones are damaged.
_DYNAMIC_BYTES_AT_MOST = 1 << 16
#: Strings closer together than this are read at once.
_STRINGS_BYTES = 4096
_STRING_BYTES_AT_MOST = 1 << 16
_VERSION_BYTES = 64


@dataclass(frozen=True, slots=True)
class Elf:
    """The facts of one ELF file; texts are as in the file, nothing expanded.

    `machine` is `e_machine` (62 x86-64, 183 aarch64), `bits` 32 or 64. `rpath` and `runpath`
    are colon-separated, `interpreter` is PT_INTERP; each is "" when absent, and `dynamic`
    is false for a static program. `own_folders_only` is DF_1_NODEFLIB.
    """

    machine: int
    bits: int
    needed: tuple[str, ...] = ()
    soname: str = ""
    rpath: str = ""
    runpath: str = ""
    interpreter: str = ""
    dynamic: bool = False
    own_folders_only: bool = False


def plausible(path: str, *, executable: bool) -> bool:
    """Tell by name and mode alone whether `path` may be an ELF file worth opening."""
    name = path.rpartition("/")[2]
    if ".so" in name:
        return name.endswith(".so") or ".so." in name
    return executable and not name.endswith(_NEVER_ELF)


def read(path: str) -> Elf | None:
    """Return the facts of `path`; None if it is no readable, sound ELF file."""
    try:
        descriptor = os.open(path, os.O_RDONLY | os.O_CLOEXEC | os.O_NONBLOCK)
    except (OSError, ValueError):
        return None
    try:
        head = os.read(descriptor, _HEAD_BYTES)
        if head[:4] != b"\x7fELF":
            return None
        return _Reader(descriptor, head).facts()
    except (OSError, struct.error, ValueError, LookupError, OverflowError):
        return None
    finally:
        os.close(descriptor)


def glibc_needed(path: str) -> tuple[int, int]:
    """Return the newest version of glibc whose symbols `path` asks for, (0, 0) for none.

    Source: LSB Core, "Symbol Version Requirements" (`DT_VERNEED`).
    """
    try:
        descriptor = os.open(path, os.O_RDONLY | os.O_CLOEXEC | os.O_NONBLOCK)
    except (OSError, ValueError):
        return (0, 0)
    try:
        head = os.read(descriptor, _HEAD_BYTES)
        if head[:4] != b"\x7fELF":
            return (0, 0)
        names = _Reader(descriptor, head).versions_needed()
    except (OSError, struct.error, ValueError, LookupError, OverflowError):
        return (0, 0)
    finally:
        os.close(descriptor)
    found = [_GLIBC.fullmatch(name) for name in names]
    return max(((int(one[1]), int(one[2])) for one in found if one), default=(0, 0))


class _Reader:
    """One open ELF file. Anything unsound raises ValueError or struct.error."""

    def __init__(self, descriptor: int, head: bytes) -> None:
        self._descriptor = descriptor
        self._head = head
        if head[4] not in (1, 2) or head[5] not in (1, 2):
            raise ValueError("unknown class or byte order")
        self._order = "<" if head[5] == 1 else ">"
        self._bits = 32 * head[4]
        self._segments: list[tuple[int, int, int]] = []  # address, offset, size

    def facts(self) -> Elf:
        machine, dynamic, interpreter = self._headers()
        program = self._text(interpreter[0], interpreter[1]) if interpreter else ""
        if dynamic is None:
            return Elf(machine, self._bits, interpreter=program)
        values = self._dynamic(*dynamic)
        strings = self._strings(values)
        flags = values.get(_DT_FLAGS_1, [0])[0]

        def text(tag: int) -> str:
            return strings[values[tag][0]] if tag in values else ""

        return Elf(
            machine,
            self._bits,
            needed=tuple(strings[offset] for offset in values.get(_DT_NEEDED, ())),
            soname=text(_DT_SONAME),
            rpath=text(_DT_RPATH),
            runpath=text(_DT_RUNPATH),
            interpreter=program,
            dynamic=True,
            own_folders_only=bool(flags & _DF_1_NODEFLIB),
        )

    def versions_needed(self) -> list[str]:
        """Return the names of all symbol versions that the file asks for."""
        _, dynamic, _ = self._headers()
        values = self._dynamic(*dynamic) if dynamic is not None else {}
        if _DT_VERNEED not in values:
            return []
        strings = self._offset_of(values[_DT_STRTAB][0])
        need = struct.Struct(self._order + "HHIII")
        name = struct.Struct(self._order + "IHHII")
        found, at = [], self._offset_of(values[_DT_VERNEED][0])
        for _ in range(values[_DT_VERNEEDNUM][0]):
            _, count, _, first, following = need.unpack(self._bytes(at, need.size))
            inner = at + first
            for _ in range(count):
                _, _, _, offset, step = name.unpack(self._bytes(inner, name.size))
                text = self._chunk(strings + offset, _VERSION_BYTES)
                found.append(os.fsdecode(text.split(b"\0", maxsplit=1)[0]))
                inner += step
            at += following
        return found

    def _headers(self) -> tuple[int, tuple[int, int] | None, tuple[int, int] | None]:
        if self._bits == _WIDE:
            header, program, pick = "HHIQQQIHHH", "IIQQQQQQ", (0, 2, 3, 5)
        else:
            header, program, pick = "HHIIIIIHHH", "IIIIIIII", (0, 1, 2, 4)
        fields = struct.unpack_from(self._order + header, self._head, 16)
        machine, table, size, count = fields[1], fields[4], fields[8], fields[9]
        shape = struct.Struct(self._order + program)
        if size < shape.size or count == _PN_XNUM or size * count > _HEADERS_BYTES_AT_MOST:
            raise ValueError("program headers of an unknown shape")
        rows = self._bytes(table, size * count)
        dynamic = interpreter = None
        for index in range(count):
            row = shape.unpack_from(rows, index * size)
            kind, offset, address, length = (row[place] for place in pick)
            if kind == _PT_LOAD:
                self._segments.append((address, offset, length))
            elif kind == _PT_DYNAMIC:
                dynamic = (offset, length)
            elif kind == _PT_INTERP:
                interpreter = (offset, length)
        return machine, dynamic, interpreter

    def _dynamic(self, offset: int, length: int) -> dict[int, list[int]]:
        shape = struct.Struct(self._order + ("qQ" if self._bits == _WIDE else "iI"))
        if length > _DYNAMIC_BYTES_AT_MOST:
            raise ValueError("dynamic segment too large")
        data = self._bytes(offset, length // shape.size * shape.size)
        values: dict[int, list[int]] = {}
        for tag, value in shape.iter_unpack(data):
            if tag == 0:
                break
            values.setdefault(tag, []).append(value)
        return values

    def _strings(self, values: dict[int, list[int]]) -> dict[int, str]:
        """Return the strings that the tags of interest point at, by offset."""
        tags = (_DT_NEEDED, _DT_SONAME, _DT_RPATH, _DT_RUNPATH)
        wanted = sorted({offset for tag in tags for offset in values.get(tag, ())})
        if not wanted:
            return {}
        table = self._offset_of(values[_DT_STRTAB][0])
        room = values.get(_DT_STRSZ, [wanted[-1] + _STRING_BYTES_AT_MOST])[0]
        if wanted[-1] >= room:
            raise ValueError("string outside its table")
        found: dict[int, str] = {}
        start, data = 0, b""
        for offset in wanted:
            end = data.find(b"\0", offset - start) if offset < start + len(data) else -1
            if end < 0:
                start, data = offset, self._chunk(table + offset, _STRINGS_BYTES)
                end = data.find(b"\0")
            if end < 0:
                data = self._chunk(table + offset, _STRING_BYTES_AT_MOST)
                end = data.index(b"\0")
            found[offset] = os.fsdecode(data[offset - start : end])
        return found

    def _offset_of(self, address: int) -> int:
        for start, offset, length in self._segments:
            if start <= address < start + length:
                return address - start + offset
        raise ValueError("address outside all segments")

    def _text(self, offset: int, length: int) -> str:
        return os.fsdecode(
            self._bytes(offset, min(length, _STRINGS_BYTES)).split(b"\0", maxsplit=1)[0]
        )

    def _bytes(self, offset: int, length: int) -> bytes:
        data = self._chunk(offset, length)
        if len(data) < length:
            raise ValueError("file too short")
        return data

    def _chunk(self, offset: int, length: int) -> bytes:
        if offset + length <= len(self._head):
            return self._head[offset : offset + length]
        return os.pread(self._descriptor, length, offset)
