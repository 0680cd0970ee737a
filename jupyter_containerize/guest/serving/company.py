"""Whether to wait for company: a few more requests that would make the batch larger.

Clients that send one request after another come back at once when they were answered. So the last
batch tells whom to expect, and how long the model takes tells how long a wait may pay: for at most
half of a call. One client alone is never kept waiting, and where nobody comes, waiting is soon
given up, and tried again ever more rarely.
"""

from __future__ import annotations

_PART_OF_CALL = 0.5
_WEIGHT = 0.2  # of the newest call in the mean
_RAREST = 8  # waiting is tried again after at most 2 to this many batches


class Company:
    """Decides before each batch; times are monotonic seconds."""

    def __init__(self, *, longest_s: float, most: int) -> None:
        self.until = 0.0  # the end of the current wait; 0: none
        self._longest_s = longest_s
        self._most = most
        self._call_s = 0.0
        self._expected = 1
        self._first = 0  # how many were there when the wait began
        self._misses = 0
        self._without = 0  # batches to go without a wait

    def ran(self, jobs: int, seconds: float) -> None:
        """Take note of a batch that ran."""
        self._expected = min(jobs, self._most)
        self._call_s += (seconds - self._call_s) * (_WEIGHT if self._call_s else 1.0)

    def worth_waiting(self, waiting: int, now: float) -> bool:
        """Whether the `waiting` requests had better wait a little longer."""
        if waiting >= self._expected:
            if self.until:
                self._misses = 0
            self.until = 0.0
            return False
        if self.until:
            if now < self.until:
                return True
            self.until = 0.0
            if 2 * (waiting - self._first) < self._expected - self._first:
                self._misses = min(self._misses + 1, _RAREST)
                self._without = 2**self._misses
            return False
        if self._without:
            self._without -= 1
            return False
        wait_s = min(self._longest_s, _PART_OF_CALL * self._call_s)
        if wait_s <= 0:
            return False
        self._first = waiting
        self.until = now + wait_s
        return True
