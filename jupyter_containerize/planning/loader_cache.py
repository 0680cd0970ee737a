"""`/etc/ld.so.cache` as `ldconfig` would write it, from facts alone.

The new format without extensions, which every glibc since 2.2 reads. Source: glibc
`sysdeps/generic/dl-cache.h` (format), `elf/cache.c` and `elf/dl-cache.c` (order).
"""

from __future__ import annotations

import re
import struct
from collections.abc import Iterable

from ..errors import ContainerizeError
from ..model.files import FileKind
from ..model.snapshot import NativeLibrary

_MAGIC = b"glibc-ld.so.cache1.1"
_LITTLE_ENDIAN, _BIG_ENDIAN = 2, 3
#: OCI's architecture → flags of an entry: 3 (ELF, glibc 2) and the bits of the ABI.
_FLAGS = {
    "amd64": 0x0303,
    "arm64": 0x0A03,
    "arm": 0x0903,
    "ppc64le": 0x0503,
    "s390x": 0x0403,
    "riscv64": 0x1003,
}


def entries(libraries: Iterable[NativeLibrary]) -> tuple[tuple[str, str], ...]:
    """Return (name, path) for all names by which the loader must find these libraries.

    Those are the sonames of libraries in the default search, and the links beside them
    (`libfoo.so`, for programs that open it by that name). Each name once: the first wins.
    """
    found: dict[str, str] = {}
    for library in libraries:
        if not library.search_path:
            continue
        found.setdefault(library.soname, library.path)
        folder = library.path.rpartition("/")[0]
        for entry in library.files:
            there, _, name = entry.path.rpartition("/")
            # The entry's folder is the real one (/usr/lib/...), the library's may be /lib/...
            beside = there.endswith(folder) and name.startswith("lib") and ".so" in name
            if entry.kind is FileKind.SYMLINK and beside:
                found.setdefault(name, f"{folder}/{name}")
    return tuple(sorted(found.items()))


def write(entries: Iterable[tuple[str, str]], *, architecture: str) -> bytes:
    """Return the cache's bytes for (name, path) pairs; `architecture` is OCI's (`amd64`).

    The order of the pairs does not matter. Errors: `no-loader-cache`.
    """
    if architecture not in _FLAGS:
        raise ContainerizeError(
            "no-loader-cache",
            what=f"The format of ld.so.cache on {architecture} is not known to this version.",
            fix=f"Build on one of: {', '.join(sorted(_FLAGS))}.",
        )
    order = ">" if architecture == "s390x" else "<"
    rows = sorted(set(entries), key=lambda row: (_rank(row[0]), row), reverse=True)
    strings = bytearray()
    table = bytearray()
    header = struct.Struct(order + "20sIIB3xI12x")
    row_shape = struct.Struct(order + "iIIIQ")
    start = header.size + row_shape.size * len(rows)
    for row in rows:
        name, path = (text.encode("utf-8", "surrogateescape") + b"\0" for text in row)
        place = start + len(strings)
        table += row_shape.pack(_FLAGS[architecture], place, place + len(name), 0, 0)
        strings += name + path
    endian = _BIG_ENDIAN if order == ">" else _LITTLE_ENDIAN
    return header.pack(_MAGIC, len(rows), len(strings), endian, 0) + bytes(table + strings)


def _rank(name: str) -> list[tuple[int, int]]:
    """Return a key that sorts as `_dl_cache_libcmp`: numbers by value, after any other character."""
    return [
        (1, _as_int(token)) if token.isdigit() else (0, ord(token))
        for token in re.findall(r"[0-9]+|[^0-9]", name, re.DOTALL)
    ]


def _as_int(digits: str) -> int:
    """Return the value that a C `int` ends up with: the loader's comparison overflows as well."""
    value = int(digits) & 0xFFFFFFFF
    return value - (1 << 32) if value & 0x80000000 else value
