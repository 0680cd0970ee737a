"""What a client is told when its request cannot be answered as it hoped."""

from __future__ import annotations

from typing import Any

#: Status to its phrase; every status that this service ever answers.
PHRASES = {
    200: "OK",
    400: "Bad Request",
    404: "Not Found",
    405: "Method Not Allowed",
    408: "Request Timeout",
    413: "Content Too Large",
    414: "URI Too Long",
    415: "Unsupported Media Type",
    417: "Expectation Failed",
    422: "Unprocessable Content",
    429: "Too Many Requests",
    431: "Request Header Fields Too Large",
    500: "Internal Server Error",
    501: "Not Implemented",
    503: "Service Unavailable",
    504: "Gateway Timeout",
    505: "HTTP Version Not Supported",
}


class Problem(Exception):  # noqa: N818 - it reads as what it means
    """An answer with an error status; `facts` go into its JSON beside `error`; `headers` are lines."""

    def __init__(
        self,
        status: int,
        error: str,
        *,
        headers: tuple[str, ...] = (),
        **facts: Any,
    ) -> None:
        super().__init__(error)
        self.status = status
        self.headers = headers
        self.facts = {"error": error, **facts}


def wrong_input(field: str, expected: str, got: str, *, status: int = 422) -> Problem:
    """Return the problem of a value that does not fit: where it is, what was expected, what came."""
    error = f"{field}: expected {expected}, got {got}."
    return Problem(status, error, field=field, expected=expected, got=got)


def shown(value: Any) -> str:  # noqa: PLR0911 - one a kind
    """Return a JSON value as a client recognises it: its kind, and a short one's text."""
    if value is None:
        return "null"
    if isinstance(value, bool):
        return f"{str(value).lower()} (boolean)"
    if isinstance(value, (int, float)):
        return f"{_short(repr(value))} (number)"
    if isinstance(value, str):
        return f"{_short(repr(value))} (string)"
    if isinstance(value, (bytes, bytearray, memoryview)):
        return f"{len(value)} bytes"
    if isinstance(value, dict):
        return f"an object with {len(value)} {'member' if len(value) == 1 else 'members'}"
    if isinstance(value, (list, tuple)):
        return f"an array of {len(value)} {'element' if len(value) == 1 else 'elements'}"
    return type(value).__name__


def _short(text: str) -> str:
    return text if len(text) <= 60 else text[:56] + " ..."  # noqa: PLR2004 - a line's worth
