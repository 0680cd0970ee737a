"""Long lists of numbers in JSON, read without an object for each: by simdjson, where the image has it.

What comes out is what `json.loads` gives, but with arrays in place of such lists. It is only a
quicker way: whatever is odd about a body is left to the parsers that can say what.
"""

from __future__ import annotations

import importlib
from collections.abc import Callable
from typing import Any

#: Smaller bodies are read as quickly in the usual way.
LARGE_BYTES = 64 << 10
_LONG = 64  # numbers in a list
_BYTES_A_LIST = 256  # with shorter ones on average it would take longer
_OPENING = ord("{")  # and `[`, but for one bit
_SAME_BIT = _OPENING ^ ord("[")

Reader = Callable[[memoryview], Any]


def number_reader(numpy: Any) -> Reader | None:
    """Return a function from JSON text to its value (None: read it in the usual way), if it can be."""
    try:
        simdjson: Any = importlib.import_module("simdjson")
    except ImportError:
        return None
    parsers = [simdjson.Parser()]  # used again: its memory need not be cleared by the system

    def read(text: memoryview) -> Any:
        marks = numpy.frombuffer(text, numpy.uint8) | _SAME_BIT
        lists = int(numpy.count_nonzero(marks == _OPENING))
        if lists * _BYTES_A_LIST > len(text):
            return None
        walk = _Walk(numpy, simdjson)
        try:
            value = walk.plain(parsers[0].parse(text))
        except (ValueError, TypeError, RuntimeError):
            parsers[0] = simdjson.Parser()  # the other may still be held by a traceback
            return None
        # Nested lists would have become one flat array: each must have been seen.
        return value if walk.seen == lists else None

    return read


class _Walk:
    def __init__(self, numpy: Any, simdjson: Any) -> None:
        self.seen = 0  # lists and objects
        self._np = numpy
        self._object, self._array = simdjson.Object, simdjson.Array

    def plain(self, value: Any) -> Any:
        """Return a value of simdjson's as Python's own."""
        if isinstance(value, self._object):
            self.seen += 1
            names = list(value.keys())
            if len(set(names)) < len(names):
                raise ValueError("a name comes twice: of these simdjson gives the first")
            return {name: self.plain(value[name]) for name in names}
        if not isinstance(value, self._array):
            return value
        self.seen += 1
        if len(value) >= _LONG and isinstance(value[0], (int, float)):
            return self._numbers(value)
        return [self.plain(one) for one in value]

    def _numbers(self, value: Any) -> Any:
        """Return an array of whole numbers or of floats. Errors: `TypeError` if not all are numbers."""
        try:
            return self._np.frombuffer(value.as_buffer(of_type="i"), self._np.int64)
        except (TypeError, ValueError):  # fractions, or more than 63 bits
            return self._np.frombuffer(value.as_buffer(of_type="d"), self._np.float64)
