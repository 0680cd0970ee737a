"""The size of pictures in outputs, from their first bytes."""

from __future__ import annotations

import base64
import binascii
import re
import struct

PIXELS_APART = 2
_PNG = b"\x89PNG\r\n\x1a\n"
_SVG_TAG = re.compile(r"<svg\b[^>]*>", re.DOTALL)
_SVG_SIZE = re.compile(r"\b(width|height|viewBox)\s*=\s*[\"']([^\"']*)[\"']")
_MARKERS_WITHOUT_SIZE = (0xC4, 0xC8, 0xCC)


def size_of(kind: str, data: str) -> tuple[float, float] | None:
    """Return (width, height) of an `image/...` output; None when it cannot be told."""
    if kind == "image/svg+xml":
        return _svg(data)
    try:
        head = base64.b64decode("".join(data.split()))
    except (binascii.Error, ValueError):
        return None
    if head.startswith(_PNG) and len(head) >= 24:  # noqa: PLR2004 - where IHDR's sizes end
        width, height = struct.unpack(">II", head[16:24])
        return width, height
    if head[:3] == b"GIF" and len(head) >= 10:  # noqa: PLR2004 - where the screen's sizes end
        width, height = struct.unpack("<HH", head[6:10])
        return width, height
    return _jpeg(head) if head.startswith(b"\xff\xd8") else None


def same_size(recorded: tuple[float, float] | None, executed: tuple[float, float] | None) -> bool:
    """Return whether sizes agree within 2 pixels: tight layouts follow the labels' widths."""
    if recorded is None or executed is None:
        return recorded == executed
    return all(abs(a - b) <= PIXELS_APART for a, b in zip(recorded, executed, strict=True))


def _svg(data: str) -> tuple[float, float] | None:
    tag = _SVG_TAG.search(data)
    if tag is None:
        return None
    facts = dict(_SVG_SIZE.findall(tag[0]))
    box = re.findall(r"-?[\d.]+", facts.get("viewBox", ""))
    sides = [re.match(r"[\d.]+", facts.get(side, "")) for side in ("width", "height")]
    if sides[0] and sides[1]:
        return float(sides[0][0]), float(sides[1][0])
    return (float(box[2]), float(box[3])) if len(box) == 4 else None  # noqa: PLR2004 - x y w h


def _jpeg(data: bytes) -> tuple[float, float] | None:
    place = 2
    while place + 9 < len(data) and data[place] == 0xFF:  # noqa: PLR2004 - a marker's first byte
        marker, length = data[place + 1], int.from_bytes(data[place + 2 : place + 4], "big")
        if 0xC0 <= marker <= 0xCF and marker not in _MARKERS_WITHOUT_SIZE:  # noqa: PLR2004 - SOFn
            height, width = struct.unpack(">HH", data[place + 5 : place + 9])
            return width, height
        place += 2 + length
    return None
