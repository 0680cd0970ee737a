"""One request and its answer: counted and logged whatever comes of it."""

from __future__ import annotations

import time
from typing import Any

from .board import ENDPOINTS, LAYOUT, Counts
from .connection import Connection, Request
from .log import Log
from .problems import Problem
from .wire import dumps

_ERROR_KINDS = {
    408: "timeout",
    413: "limit",
    429: "limit",
    500: "model",
    503: "limit",
    504: "timeout",
}


class Records:
    """Where one process writes down what it has answered."""

    def __init__(self, counts: Counts, log: Log) -> None:
        self.counts = counts
        self.log = log
        self.flight = 0

    def taken(self, change: int) -> None:
        """Count requests that are being answered."""
        self.flight += change
        self.counts.cells[LAYOUT.flight] = self.flight


class Exchange:
    """A request being answered, once, by `reply` or `fail`.

    `request` is None where it could not be read to its end.
    """

    __slots__ = ("_records", "connection", "endpoint", "id", "request")

    def __init__(
        self, connection: Connection, request: Request | None, request_id: str, records: Records
    ) -> None:
        self.connection = connection
        self.request = request
        self.id = request_id
        self.endpoint = "other"
        self._records = records
        records.taken(1)

    def reply(
        self,
        status: int,
        *parts: Any,
        rows: int = 0,
        content_type: str = "application/json",
        headers: tuple[str, ...] = (),
    ) -> None:
        """Answer with a body of `parts` (bytes-like)."""
        request, records, endpoint = self.request, self._records, self.endpoint
        head = request.head if request else None
        records.taken(-1)
        headers = (f"X-Request-Id: {self.id}", *headers)
        self.connection.answer(head, status, *parts, content_type=content_type, headers=headers)
        seconds = time.monotonic() - request.started if request else 0.0
        records.counts.request(ENDPOINTS.index(endpoint), status, seconds)
        if records.log.requests and endpoint != "health":
            records.log.request(
                head.method if head else "-",
                _loggable(head.path) if head else "-",
                status,
                seconds=seconds,
                request_id=self.id,
                rows=rows,
                received=len(request.body) if request else 0,
                sent=sum([memoryview(part).nbytes for part in parts]),
                peer=self.connection.peer,
            )

    def fail(self, error: BaseException) -> None:
        """Answer with what went wrong; what a client cannot mend is in the log with a traceback."""
        problem = self._problem(error)
        self._records.counts.error(_ERROR_KINDS.get(problem.status, "input"))
        self.reply(problem.status, dumps(problem.facts), headers=problem.headers)

    def abandon(self) -> None:
        """Give up: the client has gone."""
        self._records.taken(-1)

    def _problem(self, error: BaseException) -> Problem:
        if isinstance(error, Problem):
            return error
        if getattr(error, "bad_input", False):
            told = {name: getattr(error, name, None) for name in ("field", "expected", "got")}
            return Problem(422, str(error), **{name: one for name, one in told.items() if one})
        if isinstance(error, RecursionError) and _is_ours(error):
            return Problem(400, "The body is nested too deeply.", field="body")
        import traceback  # noqa: PLC0415 - only where something went wrong

        text = "".join(traceback.format_exception(error))
        self._records.log.event("error", id=self.id, error=repr(error), traceback=text)
        name = type(error).__name__
        return Problem(500, f"The model failed ({name}); the log tells more.", id=self.id)


def _loggable(path: str) -> str:
    return path.replace("\\", "%5C").replace('"', "%22")


def _is_ours(error: RecursionError) -> bool:
    """Whether parsing or writing JSON nested too deeply, not the model's own code."""
    trace = error.__traceback__
    while trace is not None and trace.tb_next is not None:
        trace = trace.tb_next
    package = trace.tb_frame.f_globals.get("__package__", "") if trace is not None else ""
    return package in (__package__, "json")
