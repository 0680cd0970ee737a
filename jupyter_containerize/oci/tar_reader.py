"""Reading tar layers, ours and foreign ones, without reading file data.

Understands ustar, pax and GNU headers. Source: POSIX.1-2017 pax; GNU tar manual, "Basic Tar
Format". Nothing is trusted: lengths, checksums and numbers are checked.
"""

from __future__ import annotations

import os
from collections.abc import Iterator
from dataclasses import dataclass
from enum import Enum

from ..errors import ContainerizeError

_BLOCK = 512
_MAX_METADATA_BYTES = 1 << 20
_EMPTY = bytes(_BLOCK)
_BASE_256 = 0x80


class MemberKind(Enum):
    """What an entry of a layer is; devices, FIFOs and the like are `OTHER`."""

    FILE = "file"
    HARD_LINK = "hard link"
    LINK = "link"
    FOLDER = "folder"
    OTHER = "other"


_KINDS = {
    b"0": MemberKind.FILE,
    b"\0": MemberKind.FILE,
    b"7": MemberKind.FILE,
    b"1": MemberKind.HARD_LINK,
    b"2": MemberKind.LINK,
    b"5": MemberKind.FOLDER,
    b"3": MemberKind.OTHER,
    b"4": MemberKind.OTHER,
    b"6": MemberKind.OTHER,
}


@dataclass(frozen=True, slots=True)
class Member:
    """One entry: `name` as written; its data are `size_bytes` at `offset` of the tar."""

    name: bytes
    kind: MemberKind
    mode: int
    mtime_s: int
    size_bytes: int
    offset: int
    link: bytes


def members(descriptor: int) -> Iterator[Member]:
    """Yield the entries of the uncompressed tar in `descriptor`, in order.

    Errors: `bad-layer` when it is damaged, cut short, or sparse.
    """
    end = os.fstat(descriptor).st_size
    offset = 0
    extended: dict[bytes, bytes] = {}
    while True:
        block = os.pread(descriptor, _BLOCK, offset)
        if block in (_EMPTY, b""):
            return
        if len(block) != _BLOCK:
            raise bad_layer("It is cut short.")
        _check(block)
        kind = block[156:157]
        size_bytes = _number(block[124:136])
        data_offset = offset + _BLOCK
        if kind in (b"x", b"g", b"L", b"K"):
            data = _metadata(descriptor, data_offset, size_bytes)
            if kind == b"x":
                extended.update(_records(data))
            elif kind != b"g":
                extended[b"path" if kind == b"L" else b"linkpath"] = data.rstrip(b"\0")
        else:
            member = _member(block, kind, extended, data_offset, size_bytes)
            size_bytes = member.size_bytes
            if data_offset + size_bytes > end:
                raise bad_layer("It is cut short.")
            extended = {}
            yield member
        offset = data_offset + size_bytes + -size_bytes % _BLOCK


def _member(
    block: bytes, kind: bytes, extended: dict[bytes, bytes], offset: int, size_bytes: int
) -> Member:
    if kind not in _KINDS or any(key.startswith(b"GNU.sparse") for key in extended):
        raise bad_layer(f"It has an entry of the unknown type {kind!r}.")
    name = extended.get(b"path") or _joined(block)
    if b"size" in extended:
        size_bytes = _decimal(extended[b"size"])
    parsed = _KINDS[kind]
    if parsed is MemberKind.FILE and name.endswith(b"/"):
        parsed = MemberKind.FOLDER  # as before ustar
    return Member(
        name=name,
        kind=parsed,
        mode=_number(block[100:108]),
        mtime_s=_mtime(block, extended),
        size_bytes=size_bytes if parsed is MemberKind.FILE else 0,
        offset=offset,
        link=extended.get(b"linkpath") or _text(block[157:257]),
    )


def _joined(block: bytes) -> bytes:
    name = _text(block[:100])
    # GNU's magic has a space here, and other fields where ustar has the prefix.
    prefix = _text(block[345:500]) if block[257:263] == b"ustar\0" else b""
    return prefix + b"/" + name if prefix else name


def _mtime(block: bytes, extended: dict[bytes, bytes]) -> int:
    if b"mtime" in extended:
        return _decimal(extended[b"mtime"].partition(b".")[0])
    return _number(block[136:148])


def _check(block: bytes) -> None:
    """Check the header's sum, counted with blanks in its own place."""
    if _number(block[148:156]) != sum(block) - sum(block[148:156]) + 8 * ord(" "):
        raise bad_layer("A header's checksum is wrong.")


def _metadata(descriptor: int, offset: int, size_bytes: int) -> bytes:
    if size_bytes > _MAX_METADATA_BYTES:
        raise bad_layer("An extended header is larger than 1 MiB.")
    data = os.pread(descriptor, size_bytes, offset)
    if len(data) != size_bytes:
        raise bad_layer("It is cut short.")
    return data


def _records(data: bytes) -> Iterator[tuple[bytes, bytes]]:
    r"""Yield keys and values of `length key=value\n` records."""
    while data:
        digits, space, _ = data.partition(b" ")
        length = _decimal(digits)
        record = data[len(digits) + 1 : length]
        key, equals, value = record.partition(b"=")
        if not space or not equals or length > len(data) or not value.endswith(b"\n"):
            raise bad_layer("An extended header is malformed.")
        yield key, value[:-1]
        data = data[length:]


def _text(field: bytes) -> bytes:
    return field.partition(b"\0")[0]


def _number(field: bytes) -> int:
    if field[0] & _BASE_256:
        return int.from_bytes(bytes([field[0] & 0x7F]) + field[1:], "big")
    text = field.replace(b"\0", b" ").strip()
    try:
        return int(text, 8) if text else 0
    except ValueError as error:
        raise bad_layer("A header holds something that is not a number.") from error


def _decimal(text: bytes) -> int:
    try:
        return int(text)
    except ValueError as error:
        raise bad_layer("An extended header holds something that is not a number.") from error


def bad_layer(why: str) -> ContainerizeError:
    """Return the error for a layer that cannot be read or must not be unpacked."""
    return ContainerizeError(
        "bad-layer",
        what="A layer of this image cannot be unpacked.",
        why=why,
        fix="Build or fetch the image again; tell its maker if that does not help.",
    )
