"""Bytes, seconds and times for people."""

from __future__ import annotations

import time

_STEP = 1000
_MINUTE_S = 60
_HOUR_S = 3600
_DAY_S = 86400
_TENTHS_BELOW = 10


def size(size_bytes: int) -> str:
    """Return `12 B`, `3.4 kB`, `1.46 GB` (powers of 1000, three digits)."""
    value = float(size_bytes)
    if value < _STEP:
        return f"{size_bytes} B"
    for unit in ("kB", "MB", "GB", "TB"):
        value /= _STEP
        if value < _STEP or unit == "TB":
            break
    digits = 2 if value < _TENTHS_BELOW else 1 if value < _TENTHS_BELOW**2 else 0
    return f"{value:.{digits}f} {unit}"


def seconds(value: float) -> str:
    """Return `0.3 s`, `42 s`, `3 min 5 s`, `2 h 4 min`."""
    if value < _TENTHS_BELOW:
        return f"{value:.1f} s"
    if value < _MINUTE_S:
        return f"{value:.0f} s"
    whole = int(value)
    if value < _HOUR_S:
        return f"{whole // _MINUTE_S} min {whole % _MINUTE_S} s"
    return f"{whole // _HOUR_S} h {whole % _HOUR_S // _MINUTE_S} min"


def age(then: float | None, now: float | None = None) -> str:
    """Return `just now`, `5 minutes ago`, `2 days ago` for a time in seconds since the epoch."""
    if not then:
        return ""
    past = max(0.0, (time.time() if now is None else now) - then)
    for unit, length in (("day", _DAY_S), ("hour", _HOUR_S), ("minute", _MINUTE_S)):
        number = int(past // length)
        if number:
            return f"{number} {unit}{'s' if number > 1 else ''} ago"
    return "just now"


def number(count: int, noun: str, plural: str = "") -> str:
    """Return `1 cell`, `3 cells`, `2 libraries`."""
    return f"{count} {noun if count == 1 else plural or noun + 's'}"
