"""Tar headers, packed by hand: this is the hot path of a build.

Source: POSIX.1-2017 pax, "ustar Interchange Format" and "pax Header Block". A header is
plain ustar where the values fit and are ASCII, and has a pax record for each that does not,
as Go's archive/tar and Python's tarfile write them. Times are always 0.
"""

from __future__ import annotations

import struct
from collections.abc import Sequence

BLOCK = 512
FILE, LINK, FOLDER = b"0", b"2", b"5"
_PAX = b"x"
_PAX_NAME = b"././@PaxHeader"
_HEADER = struct.Struct("100s 8s 8s 8s 12s 12s 8s c 100s 8s 32s 32s 8s 8s 155s 12x")
_MAGIC = b"ustar\x0000"
_NAME_BYTES, _PREFIX_BYTES, _LINK_BYTES = 100, 155, 100
_MAX_OCTAL_SIZE = 8**11 - 1
_NO_DEVICE = b"0000000\0"


def header(
    name: bytes,
    *,
    kind: bytes,
    mode: int,
    uid: int = 0,
    gid: int = 0,
    size_bytes: int = 0,
    link: bytes = b"",
) -> bytes:
    """Return the header blocks of one entry; `name` is relative, folders' end with `/`."""
    records: list[tuple[bytes, bytes]] = []
    short_name, prefix = _split(name)
    if short_name is None:
        records.append((b"path", name))
        short_name, prefix = name[:_NAME_BYTES], b""
    if len(link) > _LINK_BYTES or not link.isascii():
        records.append((b"linkpath", link))
        link = link[:_LINK_BYTES]
    ustar_size = size_bytes
    if size_bytes > _MAX_OCTAL_SIZE:
        records.append((b"size", b"%d" % size_bytes))
        ustar_size = 0
    block = _block(
        short_name,
        kind=kind,
        mode=mode,
        size=ustar_size,
        prefix=prefix,
        uid=uid,
        gid=gid,
        link=link,
    )
    return _pax(records) + block if records else block


def _split(name: bytes) -> tuple[bytes | None, bytes]:
    """Return `name` as ustar's name and prefix; no name when it needs a pax record."""
    if not name.isascii():
        return None, b""
    if len(name) <= _NAME_BYTES:
        return name, b""
    cut = name.find(b"/", len(name) - _NAME_BYTES - 1, len(name) - 1)
    if 0 < cut <= _PREFIX_BYTES:
        return name[cut + 1 :], name[:cut]
    return None, b""


def _block(
    name: bytes,
    *,
    kind: bytes,
    mode: int,
    size: int,
    prefix: bytes = b"",
    uid: int = 0,
    gid: int = 0,
    link: bytes = b"",
) -> bytes:
    block = bytearray(
        _HEADER.pack(
            name,
            b"%07o\0" % mode,
            b"%07o\0" % uid,
            b"%07o\0" % gid,
            b"%011o\0" % size,
            b"00000000000\0",
            b"        ",
            kind,
            link,
            _MAGIC,
            b"",
            b"",
            _NO_DEVICE,
            _NO_DEVICE,
            prefix,
        )
    )
    block[148:156] = b"%06o\0 " % sum(block)
    return bytes(block)


def _pax(records: Sequence[tuple[bytes, bytes]]) -> bytes:
    data = b"".join(_record(key, value) for key, value in records)
    block = _block(_PAX_NAME, kind=_PAX, mode=0o644, size=len(data))
    return block + data + padding(len(data))


def _record(key: bytes, value: bytes) -> bytes:
    r"""Return `length key=value\n`, where the length counts its own digits."""
    rest = len(key) + len(value) + 3
    length = rest + len(str(rest))
    length = rest + len(str(length))
    return b"%d %s=%s\n" % (length, key, value)


def padding(size_bytes: int) -> bytes:
    """Return the zeros that fill the last block of `size_bytes`."""
    return bytes(-size_bytes % BLOCK)


#: Two empty blocks end an archive.
END = bytes(2 * BLOCK)
