"""HTTP with one registry: authenticated, tried again with growing pauses, interruptible."""

from __future__ import annotations

import contextlib
import email.utils
import itertools
import random
import threading
import time
from collections.abc import Callable, Collection, Iterable, Iterator, Mapping
from dataclasses import dataclass
from typing import TYPE_CHECKING, Any
from urllib.parse import urljoin, urlsplit

from ..._version import __version__
from ...errors import ContainerizeError
from ..pipeline import Cancelled
from .authentication import Authenticator
from .connection import connections, host_of, may_be_plain
from .credentials import credentials_for
from .problems import bad_certificate, refused, unreachable

if TYPE_CHECKING:
    from urllib3 import BaseHTTPResponse

#: Pauses before each further try.
DELAYS_S = (0.3, 1.0, 2.0, 4.0, 8.0)
#: A registry that asks for more patience than this gets an error instead.
_MAX_PAUSE_S = 120.0
_TRY_AGAIN = (408, 429, 500, 502, 503, 504)
_MOVED = (301, 302, 303, 307, 308)
_MAX_REDIRECTS = 5
_UNAUTHORIZED = 401
_MAX_BODY_BYTES = 16 << 20
_PIECE_BYTES = 1 << 20

#: Makes the body of one try, for a try may fail in its middle (its length is in the headers).
Body = Callable[[], Iterable[bytes]]


@dataclass(frozen=True, slots=True)
class Answer:
    """What a registry answered: `headers` by lower-case name, the whole `body`."""

    status: int
    headers: Mapping[str, str]
    body: bytes


class BrokenConnectionError(Exception):
    """No good answer came, and a further try may get one: after `pause_s`, if asked for.

    `problem` is what to tell the user if nobody can go on; `final` that nobody should.
    """

    def __init__(
        self, problem: ContainerizeError, *, final: bool = False, pause_s: float = 0.0
    ) -> None:
        super().__init__(str(problem))
        self.problem = problem
        self.final = final
        self.pause_s = pause_s


class Client:
    """Speaks with one registry about what `scopes` name. Thread-safe.

    Once `cancel` is set, waiting and sending end with `Cancelled`.
    """

    def __init__(
        self, registry: str, *, scopes: Iterable[str], repository: str, cancel: threading.Event
    ) -> None:
        self.registry = registry
        self.host = host_of(registry)
        self.cancel = cancel
        self._pool = connections(self.host)
        self._base = f"https://{self.host}"
        self._auth = Authenticator(
            host=registry,
            credentials=lambda: credentials_for(registry, repository),
            scopes=tuple(scopes),
            fetch=self._fetch,
            secure=True,
        )

    def check(self) -> None:
        """See that it is a registry and lets us in; finds out whether it speaks TLS.

        Errors: `registry-unreachable`, `registry-certificate`, `registry-unauthorized`,
        `not-a-registry`.
        """
        doing = "saying hello"
        try:
            answer = self.request("GET", "/v2/", doing=doing, expect=range(200, 500))
        except ContainerizeError as error:
            if error.code != "registry-unreachable" or not may_be_plain(self.host):
                raise
            self._base = f"http://{self.host}"
            self._auth.secure = False
            answer = self.request("GET", "/v2/", doing=doing, expect=range(200, 500))
        if answer.status not in (200, 401, 403):
            raise ContainerizeError(
                "not-a-registry",
                what=f"{self.host} is not an image registry.",
                why=f"It answered {answer.status} to GET /v2/.",
                fix="Check the name before the first slash.",
            )

    def request(
        self,
        method: str,
        target: str,
        *,
        doing: str,
        expect: Collection[int],
        headers: Mapping[str, str] | None = None,
        body: Body | bytes | None = None,
        again: bool = True,
    ) -> Answer:
        """Return an answer with one of the `expect`ed states.

        `target` is a path of the registry, or a URL that it gave. With `again` false, one try is
        made, and `BrokenConnectionError` tells of a failure that a further try could mend.
        Errors: those of `problems.refused`; `registry-unreachable`, `registry-certificate`.
        """
        for number in itertools.count():
            pause = 0.0
            try:
                with self._send(method, target, headers or {}, body, doing) as response:
                    answer = self._whole(response, method, doing)
                if answer.status in expect:
                    return answer
                problem = refused(self.registry, answer.status, answer.body, doing=doing)
                if answer.status not in _TRY_AGAIN:
                    raise problem
                pause = _retry_after(answer.headers)
            except BrokenConnectionError as error:
                problem = error.problem
                if error.final:
                    raise problem from error
            if pause > _MAX_PAUSE_S:
                raise problem
            if not again:
                raise BrokenConnectionError(problem, pause_s=pause)
            if number == len(DELAYS_S):
                raise problem
            self.pause(max(pause, DELAYS_S[number] * random.uniform(0.8, 1.2)))  # noqa: S311 - only a pause
        raise AssertionError

    @contextlib.contextmanager
    def stream(self, target: str, *, doing: str, start: int = 0) -> Iterator[Iterator[bytes]]:
        """Open a GET and yield the pieces of its body from byte `start` on; one try.

        Errors: `BrokenConnectionError`, also from the iterator; those of `problems.refused`.
        """
        headers = {"Range": f"bytes={start}-"} if start else {}
        with self._send("GET", target, headers, None, doing) as response:
            if response.status in _TRY_AGAIN:
                answer = self._whole(response, "GET", doing)
                pause_s = _retry_after(answer.headers)
                problem = refused(self.registry, answer.status, answer.body, doing=doing)
                if pause_s > _MAX_PAUSE_S:
                    raise problem
                raise BrokenConnectionError(problem, pause_s=pause_s)
            if response.status not in (200, 206):
                raise refused(self.registry, response.status, response.read(4096), doing=doing)
            yield self._pieces(response, doing, skip=start if response.status == 200 else 0)  # noqa: PLR2004

    def pause(self, seconds: float) -> None:
        """Wait, unless cancelled meanwhile."""
        if self.cancel.wait(seconds):
            raise Cancelled

    # -- inside -------------------------------------------------------------------------

    def _pieces(self, response: BaseHTTPResponse, doing: str, *, skip: int) -> Iterator[bytes]:
        pieces = response.stream(_PIECE_BYTES, decode_content=False)
        while True:
            if self.cancel.is_set():
                raise Cancelled
            try:
                piece = next(pieces, b"")
            except Exception as error:
                raise self._broken(error, doing) from error
            if not piece:
                return
            if skip:  # a server that knows no ranges starts from the beginning
                piece, skip = piece[skip:], max(0, skip - len(piece))
            yield piece

    @contextlib.contextmanager
    def _send(
        self,
        method: str,
        target: str,
        headers: Mapping[str, str],
        body: Body | bytes | None,
        doing: str,
    ) -> Iterator[BaseHTTPResponse]:
        """Send one request and yield the answer, its body unread."""
        response = self._response(method, target, headers, body, doing)
        try:
            yield response
        except BaseException:
            response.close()
            raise
        finally:
            response.drain_conn()  # or the connection cannot be used again

    def _response(
        self,
        method: str,
        target: str,
        headers: Mapping[str, str],
        body: Body | bytes | None,
        doing: str,
    ) -> BaseHTTPResponse:
        """Send a request, follow redirects, answer challenges."""
        url, challenged = urljoin(self._base, target), 0
        for _ in range(_MAX_REDIRECTS):
            own = urlsplit(url).netloc == self.host
            sent = self._auth.header if own else ""  # another host has no business with it
            response = self._open(method, url, {**headers, **_authorization(sent)}, body, doing)
            # A token may have expired once; a second one has not.
            if response.status == _UNAUTHORIZED and own and challenged < 2:  # noqa: PLR2004
                challenged += 1
                response.drain_conn()
                self._auth.answer(response.headers.get("WWW-Authenticate", ""), sent=sent)
            elif response.status in _MOVED and response.headers.get("Location"):
                response.drain_conn()
                url = urljoin(url, response.headers["Location"])
            else:
                return response
        raise refused(self.registry, 508, b"", doing=doing)

    def _open(
        self,
        method: str,
        url: str,
        headers: Mapping[str, str],
        body: Body | bytes | None,
        doing: str,
    ) -> BaseHTTPResponse:
        if self.cancel.is_set():
            raise Cancelled
        try:
            return self._pool.urlopen(
                method,
                url,
                body=self._watched(body()) if callable(body) else body,
                headers={"User-Agent": f"jupyter-containerize/{__version__}", **headers},
                redirect=False,
                preload_content=False,
            )
        except Exception as error:
            raise self._broken(error, doing) from error

    def _whole(self, response: BaseHTTPResponse, method: str, doing: str) -> Answer:
        """Read an answer that is a document; a larger one than any is cut."""
        headers = {name.lower(): value for name, value in response.headers.items()}
        try:
            body = b"" if method == "HEAD" else response.read(_MAX_BODY_BYTES)
        except Exception as error:
            raise self._broken(error, doing) from error
        return Answer(response.status, headers, body)

    def _watched(self, pieces: Iterable[bytes]) -> Iterator[bytes]:
        for piece in pieces:
            if self.cancel.is_set():
                raise Cancelled
            yield piece

    def _broken(self, error: Exception, doing: str) -> Exception:
        """Return what an exception of the HTTP library, or on its way through it, means for us."""
        import ssl  # noqa: PLC0415 - loaded by now, or there was no TLS

        from urllib3 import exceptions  # noqa: PLC0415 - loaded by now

        if isinstance(error, exceptions.SSLError) and _is_about_certificates(error, ssl):
            return BrokenConnectionError(bad_certificate(self.registry, error), final=True)
        if not isinstance(error, (exceptions.HTTPError, OSError)):
            return error
        problem = unreachable(self.registry, error, doing=doing)
        never = (exceptions.NameResolutionError, exceptions.SSLError)
        return BrokenConnectionError(problem, final=isinstance(error, never))

    def _fetch(
        self, method: str, url: str, headers: Mapping[str, str], body: bytes
    ) -> tuple[int, bytes]:
        """Ask a token server; tried again as any request."""
        doing = "getting a token"
        for number in itertools.count():
            try:
                response = self._open(method, url, headers, body or None, doing)
                answer = self._whole(response, method, doing)
                if answer.status not in _TRY_AGAIN or number == len(DELAYS_S):
                    return answer.status, answer.body
                wait_s = min(_retry_after(answer.headers), _MAX_PAUSE_S)
            except BrokenConnectionError as error:
                if error.final or number == len(DELAYS_S):
                    raise error.problem from error
                wait_s = 0.0
            self.pause(max(wait_s, DELAYS_S[number]))
        raise AssertionError


def _authorization(header: str) -> dict[str, str]:
    return {"Authorization": header} if header else {}


def _retry_after(headers: Mapping[str, str]) -> float:
    """Return the seconds that `Retry-After` asks for, 0 without it. Source: RFC 9110, 10.2.3."""
    text = headers.get("retry-after", "").strip()
    if text.isdigit():
        return float(text)
    with contextlib.suppress(ValueError, TypeError):
        return max(0.0, email.utils.parsedate_to_datetime(text).timestamp() - time.time())
    return 0.0


def _is_about_certificates(error: BaseException, ssl: Any) -> bool:
    seen: BaseException | None = error
    while seen is not None:
        if isinstance(seen, ssl.SSLCertVerificationError):
            return True
        inner = seen.args[0] if seen.args else None
        seen = inner if isinstance(inner, BaseException) else seen.__cause__ or seen.__context__
    return False
