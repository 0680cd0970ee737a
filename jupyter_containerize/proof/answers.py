"""Compares what a served object answered with what the kernel's own gave; pure."""

from __future__ import annotations

import math
import struct
from collections.abc import Mapping, Sequence
from typing import Any

_SHORT = 300


def difference(
    expected: Any,
    actual: Any,
    *,
    outputs: Sequence[Mapping[str, Any]],
    tolerance: Mapping[str, float],
) -> str:
    """Return how the answer `actual` to POST /predict differs from `expected`, "" if it does not.

    Numbers may differ within the tolerance (`rtol`, `atol`), those of FP32 outputs in what FP32
    cannot tell apart; everything else must be equal.
    """
    single = {str(one["name"]) for one in outputs if one["dtype"] in ("FP32", "FP16")}
    return _differ(
        expected, actual, "", _Rules(tolerance.get("rtol", 0.0), tolerance.get("atol", 0.0), single)
    )


class _Rules:
    def __init__(self, rtol: float, atol: float, single: set[str]) -> None:
        self.rtol = rtol
        self.atol = atol
        self.single = single


def _differ(expected: Any, actual: Any, place: str, rules: _Rules) -> str:
    if isinstance(expected, Mapping) and isinstance(actual, Mapping):
        if expected.keys() != actual.keys():
            return f"{place or 'answer'}: expected {sorted(expected)}, got {sorted(actual)}"
        found = (
            _differ(expected[k], actual[k], f"{place}.{k}".lstrip("."), rules) for k in expected
        )
        return next((one for one in found if one), "")
    if _is_list(expected) and _is_list(actual):
        if len(expected) != len(actual):
            return f"{place}: expected {len(expected)} values, got {len(actual)}"
        pairs = enumerate(zip(expected, actual, strict=True))
        found = (_differ(one, other, f"{place}[{at}]", rules) for at, (one, other) in pairs)
        return next((one for one in found if one), "")
    if _is_number(expected) and _is_number(actual):
        return "" if _close(expected, actual, place, rules) else _told(place, expected, actual)
    return (
        ""
        if expected == actual and type(expected) is type(actual)
        else _told(place, expected, actual)
    )


def _close(expected: float, actual: float, place: str, rules: _Rules) -> bool:
    if expected == actual or (math.isnan(expected) and math.isnan(actual)):
        return True
    if isinstance(expected, int) and isinstance(actual, int):
        return False
    names = {part.partition("[")[0] for part in place.split(".")}
    if names & rules.single and _single(expected) == _single(actual):
        return True
    return abs(expected - actual) <= rules.atol + rules.rtol * abs(expected)


def _single(number: float) -> bytes:
    try:
        return struct.pack("f", number)
    except OverflowError:
        return b""


def _told(place: str, expected: Any, actual: Any) -> str:
    return f"{place or 'answer'}: expected {expected!r:.{_SHORT}}, got {actual!r:.{_SHORT}}"


def _is_list(value: Any) -> bool:
    return isinstance(value, (list, tuple))


def _is_number(value: Any) -> bool:
    return isinstance(value, (int, float)) and not isinstance(value, bool)
