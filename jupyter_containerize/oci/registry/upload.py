"""One blob to a registry: mounted from a sibling, sent whole, or in chunks and resumed.

Source: OCI distribution-spec 1.1, "Pushing Blobs".
"""

from __future__ import annotations

import itertools
import os
import re
from collections.abc import Callable, Iterator
from dataclasses import dataclass
from urllib.parse import urlsplit, urlunsplit

from ...errors import ContainerizeError
from .client import DELAYS_S, Answer, Body, BrokenConnectionError
from .connection import PIECE_BYTES
from .problems import refused, wrong_digest
from .repository import Repository

#: Larger blobs go in chunks of this size: what one broken connection can cost.
CHUNK_BYTES = 32 << 20
_RANGE = re.compile(r"(?:bytes=)?0-(\d+)")
_NO_CHUNKS = (400, 404, 405, 411, 413, 415, 416, 501)
_LOST = (400, 404, 416)
#: How often one blob may start from its beginning when the registry refuses what it has got.
_STARTS = 3
#: The same when connections break: as often as one request is tried. distribution 2.8 drops an upload that
#: broke within a chunk, however small: it tells where an upload stands only to whoever knows it already.
_STARTS_WHEN_BROKEN = len(DELAYS_S) + 1

#: Is told how many bytes of the blob have been sent so far.
Advance = Callable[[int], None]


@dataclass(slots=True)
class Upload:
    """Brings the blob in the file `path` into `repository`."""

    repository: Repository
    digest: str
    path: str
    size_bytes: int
    advance: Advance

    def run(self, *, mount_from: str = "") -> bool:
        """Make sure that the registry has the blob; return whether its bytes were sent.

        `mount_from` names another repository there that may have it. Errors: those of
        `Client.request`; `registry-digest-mismatch`.
        """
        if self.repository.has_blob(self.digest, size_bytes=self.size_bytes):
            return False
        place = self._begin(mount_from)
        if place is None:
            return False
        chunked = self.size_bytes > CHUNK_BYTES
        for start in itertools.count(1):
            try:
                self._send(place, chunked=chunked)
            except _NoChunksError:
                chunked = False
            except _LostError as error:
                if start >= error.starts:
                    raise error.problem from error
            else:
                return True
            self.advance(0)
            self.repository.client.pause(DELAYS_S[start - 1])
            place = self._begin("") or place
        raise AssertionError

    @property
    def _doing(self) -> str:
        return f"sending {self.digest[:19]} to {self.repository.full_name}"

    def _begin(self, mount_from: str) -> str | None:
        """Open an upload and return its place, None if the blob could be mounted instead."""
        query = f"?mount={self.digest}&from={mount_from}" if mount_from else ""
        answer = self.repository.client.request(
            "POST",
            self.repository.path("blobs", f"uploads/{query}"),
            doing=self._doing,
            expect=(201, 202),
        )
        return None if answer.status == 201 else self._place(answer)  # noqa: PLR2004

    def _place(self, answer: Answer) -> str:
        place = answer.headers.get("location", "")
        if not place:
            raise refused(
                self.repository.registry, answer.status, b"", doing=f"{self._doing} (no Location)"
            )
        return place

    def _send(self, place: str, *, chunked: bool) -> None:
        if chunked:
            place = self._chunks(place)
        whole = None if chunked else self._body(0, self.size_bytes)
        length = 0 if chunked else self.size_bytes
        try:
            answer = self.repository.client.request(
                "PUT",
                _with_digest(place, self.digest),
                doing=self._doing,
                expect=(201, 204),
                headers={
                    "Content-Type": "application/octet-stream",
                    "Content-Length": str(length),
                },
                body=whole,
                again=False,
            )
        except BrokenConnectionError as error:
            self.repository.client.pause(max(error.pause_s, DELAYS_S[1]))
            if self.repository.has_blob(self.digest, size_bytes=self.size_bytes):
                return  # it had ended; only the answer was lost
            raise _LostError(error.problem, starts=_STARTS_WHEN_BROKEN) from error
        except ContainerizeError as problem:
            if problem.code in ("registry-refused", "registry-not-found"):
                raise _LostError(problem) from problem
            raise
        found = answer.headers.get("docker-content-digest", self.digest)
        if found != self.digest:
            raise wrong_digest(
                self.repository.registry, wanted=self.digest, found=found, doing=self._doing
            )

    def _chunks(self, place: str) -> str:
        """Send all chunks, each from where the registry stands; return the upload's place."""
        done = failures = 0
        starts = _STARTS
        while done < self.size_bytes:
            end = min(done + CHUNK_BYTES, self.size_bytes)
            try:
                answer = self.repository.client.request(
                    "PATCH",
                    place,
                    doing=self._doing,
                    expect=(201, 202, 204, *_NO_CHUNKS),
                    headers={
                        "Content-Type": "application/octet-stream",
                        "Content-Length": str(end - done),
                        "Content-Range": f"{done}-{end - 1}",
                    },
                    body=self._body(done, end),
                    again=False,
                )
            except BrokenConnectionError as error:
                if failures == len(DELAYS_S):
                    raise error.problem from error
                self.repository.client.pause(max(error.pause_s, DELAYS_S[failures]))
                failures += 1
                starts = _STARTS_WHEN_BROKEN  # the registry may notice only later, and drop it then
                place, done = self._standing(place, error.problem)
                continue
            if answer.status in _NO_CHUNKS:
                if not done:
                    raise _NoChunksError
                problem = refused(
                    self.repository.registry, answer.status, answer.body, doing=self._doing
                )
                raise _LostError(problem, starts=starts)
            place, failures = self._place(answer), 0
            before, done = done, _end_of(answer, end)
            if done <= before:
                problem = refused(self.repository.registry, 416, b"", doing=self._doing)
                raise _LostError(problem, starts=starts)
        return place

    def _standing(self, place: str, problem: ContainerizeError) -> tuple[str, int]:
        """Ask how much of a broken upload has arrived. Source: "Pushing a blob in chunks"."""
        answer = self.repository.client.request(
            "GET", place, doing=self._doing, expect=(204, 200, *_LOST)
        )
        if answer.status in _LOST:
            raise _LostError(problem, starts=_STARTS_WHEN_BROKEN)
        return answer.headers.get("location") or place, _end_of(answer, 0)

    def _body(self, start: int, end: int) -> Body:
        def pieces() -> Iterator[bytes]:
            descriptor = os.open(self.path, os.O_RDONLY | os.O_CLOEXEC)
            try:
                at = start
                while at < end and (piece := os.pread(descriptor, min(PIECE_BYTES, end - at), at)):
                    yield piece
                    at += len(piece)
                    self.advance(at)
            finally:
                os.close(descriptor)

        return pieces


class _NoChunksError(Exception):
    """The registry takes a blob only whole."""


class _LostError(Exception):
    """What was sent is gone: the blob starts anew."""

    def __init__(self, problem: ContainerizeError, *, starts: int = _STARTS) -> None:
        super().__init__(str(problem))
        self.problem = problem
        self.starts = starts


def _end_of(answer: Answer, otherwise: int) -> int:
    """Return how many bytes have arrived, by the `Range` header."""
    match = _RANGE.fullmatch(answer.headers.get("range", ""))
    if match is None:
        return otherwise
    # "0-0" stands for nothing as well as for one byte; nobody sends chunks of one byte.
    return int(match[1]) + 1 if match[1] != "0" else 0


def _with_digest(place: str, digest: str) -> str:
    parts = urlsplit(place)
    query = f"{parts.query}&digest={digest}" if parts.query else f"digest={digest}"
    return urlunsplit(parts._replace(query=query))
