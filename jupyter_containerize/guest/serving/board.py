"""Memory that the master and its workers share: what each connection is doing, and counts.

An anonymous mapping, made before the first fork. Each worker writes only its own row of counts
and the slots of its own connections, so nothing needs a lock; the master reads them all, also
those of a worker that has died.
"""

from __future__ import annotations

import mmap
from typing import Any

#: What a connection's slot says. BUSY from before its bytes are read until its answer begins;
#: ANSWERING from then until it is sent, OVERLAPPING if the next request was read meanwhile.
FREE, IDLE, BUSY, ANSWERING, OVERLAPPING = range(5)

ENDPOINTS = ("infer", "predict", "health", "metadata", "metrics", "pages", "other")
CODES = (200, 400, 404, 405, 408, 413, 414, 415, 417, 422, 429, 431, 500, 501, 503, 504, 505)
ERRORS = ("input", "limit", "timeout", "model", "worker")
SECONDS = (0.0005, 0.001, 0.0025, 0.005, 0.01, 0.025, 0.05, 0.1, 0.25, 0.5, 1.0, 2.5, 10.0)
ROWS = (1, 2, 4, 8, 16, 32, 64, 128, 256, 1024)

_ITEM_BYTES = 8


class _Layout:
    """Where in a row of counts each thing lies."""

    def __init__(self) -> None:
        self.size = 0
        self.requests = self._take(len(ENDPOINTS) * len(CODES))
        self.errors = self._take(len(ERRORS))
        self.latency = [self._take(len(SECONDS) + 2) for _ in range(2)]  # infer, predict
        self.model = self._take(len(SECONDS) + 2)
        self.rows = self._take(len(ROWS) + 2)
        self.queue = self._take(1)  # requests that wait now
        self.flight = self._take(1)  # requests that were read and not yet answered
        self.workers = self._take(1)  # in the master's row: how many are ready
        self.restarts = self._take(1)
        self.call_started = self._take(1)  # monotonic time of the model's current call, or 0

    def _take(self, count: int) -> int:
        start, self.size = self.size, self.size + count
        return start


LAYOUT = _Layout()
_CODE_AT = {code: place for place, code in enumerate(CODES)}


class Board:
    """The shared memory: a byte and two numbers a connection, and a row of numbers a worker.

    `slots[n]` says what connection n is doing; `spans[2 * n]` and `spans[2 * n + 1]` where its
    last answer begins and ends in all that ever went to its client.
    """

    def __init__(self, *, connections: int, rows: int) -> None:
        counts_bytes = rows * LAYOUT.size * _ITEM_BYTES
        spans_end = counts_bytes + 2 * connections * _ITEM_BYTES
        view = memoryview(mmap.mmap(-1, spans_end + connections))
        self.slots = view[spans_end:]
        self.spans: Any = view[counts_bytes:spans_end].cast("Q")
        self._counts: Any = view[:counts_bytes].cast("d")
        self._rows = rows

    def row(self, number: int) -> Counts:
        """Return one process's own counts; row 0 is the master's."""
        start = number * LAYOUT.size
        return Counts(self._counts[start : start + LAYOUT.size])

    def total(self, place: int) -> float:
        """Return the sum of one number over all rows."""
        return float(sum(self._counts[place :: LAYOUT.size]))


class Counts:
    """One process's row of the board."""

    def __init__(self, cells: Any) -> None:
        self.cells = cells  # a memoryview of floats

    def request(self, endpoint: int, status: int, seconds: float) -> None:
        """Count an answered request; endpoint: a place in `ENDPOINTS`."""
        code = _CODE_AT.get(status, _CODE_AT[500])
        self.cells[LAYOUT.requests + endpoint * len(CODES) + code] += 1
        if endpoint < len(LAYOUT.latency):
            self._observe(LAYOUT.latency[endpoint], SECONDS, seconds)

    def error(self, kind: str) -> None:
        """Count an error; kind: one of `ERRORS`."""
        self.cells[LAYOUT.errors + ERRORS.index(kind)] += 1

    def call(self, rows: int, seconds: float) -> None:
        """Count one call of the model."""
        self._observe(LAYOUT.rows, ROWS, rows)
        self._observe(LAYOUT.model, SECONDS, seconds)

    def _observe(self, start: int, bounds: tuple[float, ...], value: float) -> None:
        """Add to a histogram: a count for each bound (not cumulative), one above, the sum."""
        cells = self.cells
        place = 0
        for bound in bounds:
            if value <= bound:
                break
            place += 1
        cells[start + place] += 1
        cells[start + len(bounds) + 1] += value
