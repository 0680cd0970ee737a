"""HTTP/1.1 as a server reads and writes it. Source: RFC 9110, RFC 9112."""

from __future__ import annotations

import re
import time
from typing import NamedTuple

from .problems import PHRASES, Problem

MAX_HEAD_BYTES = 16 << 10
MAX_TARGET_BYTES = 4 << 10
_CACHED_HEADS = 256

_TOKEN = re.compile(rb"[!#$%&'*+\-.^_`|~0-9A-Za-z]+")
_BAD_VALUE = re.compile(rb"[\x00-\x08\x0a-\x1f\x7f]")
_DIGITS = re.compile(rb"[0-9]{1,18}")
_VISIBLE = re.compile(r"[!-~]{1,64}")

CONTINUE = b"HTTP/1.1 100 Continue\r\n\r\n"


class Head(NamedTuple):
    """A request's line and what of its header fields matters here."""

    method: str
    path: str  # as sent, without the query
    query: str
    minor: int  # of HTTP/1.x
    keep_alive: bool
    length: int  # of the body; -1: chunked
    expects_continue: bool
    header_length: int  # Inference-Header-Content-Length; -1: absent
    encoding: str  # Content-Encoding
    accepts: str  # Accept-Encoding
    request_id: str


class HeadParser:
    """Parses heads; remembers recent ones, for a client's requests tend to have one and the same."""

    def __init__(self) -> None:
        self._recent: dict[bytes, Head] = {}

    def parse(self, data: bytes) -> Head:
        """Return the head in `data`, which ends before the empty line. Errors: `Problem`."""
        head = self._recent.get(data)
        if head is None:
            head = _parse(data)
            if len(self._recent) >= _CACHED_HEADS:
                self._recent.clear()
            self._recent[data] = head
        return head


def _parse(data: bytes) -> Head:
    line, *lines = data.split(b"\r\n")
    method, target, minor = _request_line(line)
    fields: dict[bytes, bytes] = {}
    for text in lines:
        name, colon, value = text.partition(b":")
        if not colon or not _TOKEN.fullmatch(name):
            raise _refused(f"{_told(text)} is no header field")
        value = value.strip(b" \t")
        if _BAD_VALUE.search(value):
            raise _refused(f"the value of {_told(name)} has control characters")
        name = name.lower()
        if name in fields:
            if name in (b"content-length", b"host", b"transfer-encoding"):
                raise _refused(f"{_told(name)} came twice")
            value = fields[name] + b", " + value
        fields[name] = value
    if minor and b"host" not in fields:
        raise _refused("the Host header field is missing")
    path, _, query = _path_of(target).partition("?")
    connection = {part.strip() for part in fields.get(b"connection", b"").lower().split(b",")}
    request_id = fields.get(b"x-request-id", b"").decode("latin-1")
    return Head(
        method=method,
        path=path,
        query=query,
        minor=minor,
        keep_alive=b"close" not in connection and (bool(minor) or b"keep-alive" in connection),
        length=_body_length(fields, minor),
        expects_continue=bool(minor) and _expectation(fields),
        header_length=_number(fields, b"inference-header-content-length", -1),
        encoding=fields.get(b"content-encoding", b"").decode("latin-1").lower(),
        accepts=fields.get(b"accept-encoding", b"").decode("latin-1").lower(),
        request_id=request_id if _VISIBLE.fullmatch(request_id) else "",
    )


def _request_line(line: bytes) -> tuple[str, str, int]:
    parts = line.split(b" ")
    if len(parts) != 3 or not _TOKEN.fullmatch(parts[0]):  # noqa: PLR2004 - method target version
        raise _refused(f"{_told(line)} is no request line")
    method, target, version = parts
    if version not in (b"HTTP/1.1", b"HTTP/1.0"):
        if re.fullmatch(rb"HTTP/[0-9]\.[0-9]", version):
            raise Problem(505, f"{_told(version)} is not spoken here; HTTP/1.1 is.")
        raise _refused(f"{_told(line)} is no request line")
    if len(target) > MAX_TARGET_BYTES:
        raise Problem(414, f"The URL is longer than {MAX_TARGET_BYTES} bytes.")
    if re.search(rb"[^!-~]", target):
        raise _refused("the URL has characters that must be percent-encoded")
    return method.decode("ascii"), target.decode("ascii"), int(version[-1:])


def _path_of(target: str) -> str:
    if target.startswith("/"):
        return target.partition("#")[0]
    found = re.match(r"https?://[^/?#]+([/?][^#]*)?", target, re.IGNORECASE)
    if found:  # a proxy's form
        rest = found.group(1) or "/"
        return rest if rest.startswith("/") else "/" + rest
    if target == "*":
        return "*"
    raise _refused(f"{target[:60]!r} is no URL path")


def _body_length(fields: dict[bytes, bytes], minor: int) -> int:
    coding = fields.get(b"transfer-encoding")
    if coding is None:
        return _number(fields, b"content-length", 0)
    if b"content-length" in fields or not minor:
        raise _refused("Transfer-Encoding beside Content-Length, or in HTTP/1.0")
    if coding.lower() != b"chunked":
        raise Problem(501, f"Transfer-Encoding {_told(coding)} is not known here.")
    return -1


def _expectation(fields: dict[bytes, bytes]) -> bool:
    expectation = fields.get(b"expect", b"").lower()
    if expectation not in (b"", b"100-continue"):
        raise Problem(417, f"Expect: {_told(expectation)} cannot be met.")
    return bool(expectation)


def _number(fields: dict[bytes, bytes], name: bytes, default: int) -> int:
    value = fields.get(name)
    if value is None:
        return default
    if not _DIGITS.fullmatch(value):
        raise _refused(f"{_told(name)} is {_told(value)}, not a number")
    return int(value)


def _told(data: bytes) -> str:
    return repr(data[:60].decode("latin-1"))


def _refused(why: str) -> Problem:
    return Problem(400, f"This is not HTTP as RFC 9112 has it: {why}.")


class Chunks:
    """Decodes a chunked body. Source: RFC 9112, section 7.1; trailers are read and dropped."""

    def __init__(self, limit_bytes: int) -> None:
        self.body = bytearray()
        self._limit = limit_bytes
        self._left = 0  # of the current chunk's data
        self._state = "size"

    def feed(self, data: bytearray) -> bool:
        """Take from the front of `data`; return whether the body is complete. Errors: `Problem`."""
        while True:
            if self._state == "data":
                taken = min(self._left, len(data))
                self.body += data[:taken]
                del data[:taken]
                self._left -= taken
                if self._left:
                    return False
                self._state = "end"
            end = data.find(b"\r\n")
            if end < 0 or end > MAX_HEAD_BYTES:
                if len(data) > MAX_HEAD_BYTES:
                    raise _refused("a chunk's line is too long")
                return False
            line = bytes(data[:end])
            del data[: end + 2]
            if self._state == "trailer" and not line:
                return True
            if self._state == "end":
                if line:
                    raise _refused("a chunk is longer than it says")
                self._state = "size"
            elif self._state == "size":
                self._begin(line)

    def _begin(self, line: bytes) -> None:
        size = line.partition(b";")[0].strip(b" \t")
        if not re.fullmatch(rb"[0-9a-fA-F]{1,15}", size):
            raise _refused(f"{_told(line)} is no chunk size")
        self._left = int(size, 16)
        if len(self.body) + self._left > self._limit:
            raise too_large(self._limit)
        self._state = "data" if self._left else "trailer"


def too_large(limit_bytes: int) -> Problem:
    """Return the problem of a body over the limit."""
    return Problem(
        413,
        f"The body is larger than {limit_bytes} bytes; CONTAINERIZE_MAX_BODY_BYTES allows more.",
        limit_bytes=limit_bytes,
    )


_LINES = {status: f"HTTP/1.1 {status} {phrase}\r\n" for status, phrase in PHRASES.items()}
_date = (0, "")


def _date_line() -> str:
    global _date  # noqa: PLW0603 - formatted once a second, not once an answer
    now = int(time.time())
    if now != _date[0]:
        moment = time.gmtime(now)
        day = ("Mon", "Tue", "Wed", "Thu", "Fri", "Sat", "Sun")[moment.tm_wday]
        month = "JanFebMarAprMayJunJulAugSepOctNovDec"[moment.tm_mon * 3 - 3 : moment.tm_mon * 3]
        clock = time.strftime(f"{day}, %d {month} %Y %H:%M:%S", moment)
        _date = (now, f"Date: {clock} GMT\r\n")
    return _date[1]


def answer_head(
    status: int,
    length_bytes: int,
    *,
    content_type: str = "application/json",
    headers: tuple[str, ...] = (),
    close: bool = False,
) -> bytes:
    """Return an answer's status line and header fields, with the empty line."""
    more = "".join(f"{line}\r\n" for line in headers)
    if close:
        more += "Connection: close\r\n"
    return (
        f"{_LINES[status]}{_date_line()}Content-Type: {content_type}\r\n"
        f"Content-Length: {length_bytes}\r\n{more}\r\n"
    ).encode("latin-1")
