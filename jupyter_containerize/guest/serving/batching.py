"""Requests that wait for the model, put together as far as the model takes batches.

While the model runs, requests gather by themselves, the more the slower it is; when it is free,
what has come by then is the batch, perhaps after a short wait (`Company`). Nothing polls.
"""

from __future__ import annotations

import queue
import time
from collections import deque
from collections.abc import Callable
from typing import Any, Protocol

from .board import LAYOUT, Counts
from .company import Company
from .loop import Loop
from .problems import Problem

#: A model whose calls take longer than this gets the main thread for itself.
_SLOW_SECONDS = 0.05
#: After so many quicker ones in a row the loop may run the model itself; twice as many after
#: each time that this went wrong.
_QUICK_CALLS = 16

Tensors = dict[str, Any]
Results = list[Tensors]


class Calls(Protocol):
    """What runs the model."""

    def run(self, calls: list[Tensors]) -> list[Tensors]:
        """Run each call by itself."""

    def run_merged(self, calls: list[Tensors], rows: list[int]) -> list[Tensors]:
        """Run calls as one, and part what comes of it."""


class Job:
    """One request's calls of the model; `finish(results, error)` is called once, in the loop."""

    __slots__ = ("calls", "deadline", "finish", "is_gone", "key", "rows")

    def __init__(
        self,
        calls: list[Tensors],
        *,
        rows: int,
        key: Any,
        deadline: float,
        finish: Callable[[list[Tensors] | None, BaseException | None], None],
        is_gone: Callable[[], bool],
    ) -> None:
        self.calls = calls
        self.rows = rows
        self.key = key  # jobs of equal keys may be merged; None: never
        self.deadline = deadline
        self.finish = finish
        self.is_gone = is_gone


class Batcher:
    """The queue, and the model behind it.

    A quick model is run by the loop itself, between two rounds: nothing is handed from thread to
    thread. As long as a model is not known to be quick, the loop has a thread of its own, so that
    health, metrics and refusals are answered while the model runs. The model always stays in the
    main thread, which loaded it.
    """

    def __init__(
        self,
        calls: Calls,
        loop: Loop,
        counts: Counts,
        *,
        max_batch: int,
        max_queue: int,
        longest_wait_s: float,
    ) -> None:
        self.threaded = True
        self._quick_in_a_row = 0
        self._quick_calls = _QUICK_CALLS
        self._calls = calls
        self._loop = loop
        self._cells = counts.cells
        self._counts = counts
        self._max_batch = max_batch
        self._company = Company(longest_s=longest_wait_s, most=max_batch)
        self._max_queue = max_queue
        self._queue: deque[Job] = deque()
        self._running = 0
        self._to_run: queue.SimpleQueue[list[Job] | None] = queue.SimpleQueue()
        self._done: deque[tuple[list[Job], list[Any]]] = deque()

    @property
    def is_idle(self) -> bool:
        """Whether nothing waits or runs."""
        return not self._queue and not self._running and not self._done

    def wait_s(self, now: float) -> float | None:
        """How long the loop may sleep for all the batcher knows."""
        if not self._queue or self._running:
            return None
        return max(self._company.until - now, 0.0)

    def put(self, job: Job) -> None:
        """Take a job. Errors: `Problem` 429 when too many wait."""
        waiting = len(self._queue)
        if waiting >= self._max_queue:
            raise Problem(
                429,
                f"{waiting} requests wait already; CONTAINERIZE_MAX_QUEUE allows more.",
                headers=("Retry-After: 1",),
            )
        self._queue.append(job)
        self._cells[LAYOUT.queue] = waiting + 1

    def turn(self) -> None:
        """Between two rounds of the loop: answer what is done, start the next batch."""
        while self._done:
            jobs, results = self._done.popleft()
            self._running = 0
            _deliver(jobs, results)
        if not self._queue or self._running:
            return
        while len(self._queue) < self._max_batch and self._loop.gather():
            pass  # what came while we read the others
        if self._company.worth_waiting(len(self._queue), time.monotonic()):
            return
        jobs = self._take()
        if jobs and self.threaded:
            self._running = len(jobs)
            self._to_run.put(jobs)
        elif jobs:
            _deliver(jobs, self._run(jobs))

    def expire(self, now: float) -> None:
        """Refuse the jobs that have waited too long."""
        late = [job for job in self._queue if job.deadline < now]
        for job in late:
            self._queue.remove(job)
            job.finish(None, Problem(504, "The request waited too long for the model."))
        self._cells[LAYOUT.queue] = len(self._queue)

    def serve_calls(self) -> None:
        """Run batches in this thread for a loop that runs in another, until `end_calls`."""
        while (jobs := self._to_run.get()) is not None:
            self._done.append((jobs, self._run(jobs)))
            self._loop.wake()

    @property
    def wants_change(self) -> bool:
        """Whether the loop had better leave its thread, or take one; only between batches."""
        return not self._running and self.threaded == (self._quick_in_a_row >= self._quick_calls)

    def change(self) -> None:
        """Run the model the other way from now on."""
        self.threaded = not self.threaded
        if self.threaded:
            self._quick_calls *= 2

    def end_calls(self) -> None:
        """Make `serve_calls` return."""
        self._to_run.put(None)

    def _take(self) -> list[Job]:
        """Take the next jobs that go together, first come first served."""
        jobs: list[Job] = []
        rows = 0
        waiting = self._queue
        while waiting:
            job = waiting[0]
            if job.is_gone():
                waiting.popleft().finish(None, None)
                continue
            if jobs and (job.key is None or job.key != jobs[0].key):
                break
            if jobs and rows + job.rows > self._max_batch:
                break
            jobs.append(waiting.popleft())
            rows += job.rows
        self._cells[LAYOUT.queue] = len(waiting)
        return jobs

    def _run(self, jobs: list[Job]) -> list[Any]:
        """Run the model; return for each job its results or its exception."""
        started = time.monotonic()
        self._cells[LAYOUT.call_started] = started
        try:
            if len(jobs) == 1:
                return [self._run_alone(jobs[0])]
            try:
                parts = self._calls.run_merged(
                    [job.calls[0] for job in jobs], [job.rows for job in jobs]
                )
                return [[part] for part in parts]
            except Exception:
                # One of them may be to blame, and the others must not suffer for it.
                return [self._run_alone(job) for job in jobs]
        finally:
            seconds = time.monotonic() - started
            self._cells[LAYOUT.call_started] = 0.0
            self._counts.call(sum([job.rows for job in jobs]), seconds)
            self._company.ran(len(jobs), seconds)
            self._quick_in_a_row = 0 if seconds > _SLOW_SECONDS else self._quick_in_a_row + 1

    def _run_alone(self, job: Job) -> Any:
        try:
            return self._calls.run(job.calls)
        except Exception as error:
            return error


def _deliver(jobs: list[Job], results: list[Any]) -> None:
    for job, result in zip(jobs, results, strict=True):
        if isinstance(result, BaseException):
            job.finish(None, result)
        else:
            job.finish(result, None)
