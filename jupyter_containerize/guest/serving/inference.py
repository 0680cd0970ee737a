"""The two ways to ask the model: the Open Inference Protocol's infer, and `/predict` for people."""

from __future__ import annotations

import contextlib
import zlib
from collections.abc import Callable
from typing import Any, TypeVar

from . import infer, predict
from .batching import Batcher, Job, Results
from .connection import Request
from .exchange import Exchange
from .http1 import too_large
from .model import Model
from .numbers import LARGE_BYTES
from .problems import Problem
from .settings import Settings

Asked = TypeVar("Asked", infer.Asked, predict.Asked)


class Inference:
    """Parses requests, puts them before the model, and writes its answers."""

    def __init__(self, model: Model, batcher: Batcher, settings: Settings) -> None:
        self._model = model
        self._batcher = batcher
        self._settings = settings

    def predict(self, exchange: Exchange, request: Request) -> None:
        """Answer `POST /predict`. Errors: `Problem`."""
        model = self._model
        asked = self._understood(
            memoryview(self._decoded(request)),
            lambda body: predict.ask(body, model.artifact, model.tensors),
        )
        if asked.as_rows and not asked.rows:
            exchange.reply(200, b'{"rows":[]}')
            return

        def write(results: Results) -> None:
            exchange.reply(200, predict.answer(asked, results, model), rows=asked.rows)

        self._put(exchange, request, asked.calls, asked.rows, write, merge=asked.stacked)

    def infer(self, exchange: Exchange, request: Request) -> None:
        """Answer `POST /v2/models/NAME/infer`. Errors: `Problem`."""
        model = self._model
        head, behind = infer.parts(self._decoded(request), request.head.header_length)
        asked = self._understood(head, lambda data: infer.ask(data, behind, model))

        def write(results: Results) -> None:
            parts, length = infer.answer(asked, results[0], model)
            if length < 0:
                exchange.reply(200, *parts, rows=asked.rows)
                return
            header = f"Inference-Header-Content-Length: {length}"
            exchange.reply(
                200, *parts, rows=asked.rows, content_type="application/octet-stream",
                headers=(header,),
            )  # fmt: skip

        self._put(exchange, request, [asked.call], asked.rows, write, timeout_s=asked.timeout_s)

    def _understood(self, text: memoryview, ask: Callable[[Any], Asked]) -> Asked:
        """Return what `ask` makes of JSON. Errors: `Problem`.

        A large body is first tried the quick way; where that does not do, the usual one tells why.
        """
        model = self._model
        if len(text) >= LARGE_BYTES and model.fast_numbers is not None:
            with contextlib.suppress(Problem):
                value = model.fast_numbers(text)
                if value is not None:
                    return ask(value)
        return ask(infer.load_json(text, model.fast_loads))

    def _put(
        self,
        exchange: Exchange,
        request: Request,
        calls: list[dict[str, Any]],
        rows: int,
        write: Callable[[Results], None],
        *,
        merge: bool = True,
        timeout_s: float = 0.0,
    ) -> None:
        def finish(results: Results | None, error: BaseException | None) -> None:
            if error is not None:
                exchange.fail(error)
            elif results is None:
                exchange.abandon()
            else:
                try:
                    write(results)
                except Exception as failure:
                    exchange.fail(failure)

        key = None
        if merge and self._model.artifact.batches and len(calls) == 1:
            key = self._model.merge_key(calls[0])
        allowed = self._settings.timeout_seconds
        connection = request.connection
        self._batcher.put(
            Job(
                calls,
                rows=rows,
                key=key,
                deadline=request.started + (min(timeout_s, allowed) if timeout_s else allowed),
                finish=finish,
                is_gone=lambda: connection.is_closed,
            )
        )

    def _decoded(self, request: Request) -> bytes | memoryview:
        """Return the body, unpacked if it came packed. Errors: `Problem`."""
        encoding = request.head.encoding
        if encoding in ("", "identity"):
            return request.body
        if encoding not in ("gzip", "x-gzip", "deflate"):
            raise Problem(
                415,
                f"Content-Encoding {encoding[:60]!r} is not known here.",
                headers=("Accept-Encoding: gzip, deflate",),
                field="Content-Encoding",
                expected="gzip, deflate or none",
                got=encoding[:60],
            )
        try:
            return memoryview(_unpacked(request.body, self._settings.max_body_bytes))
        except zlib.error as error:
            raise Problem(400, f"The body cannot be unpacked ({encoding}): {error}.") from None


def _unpacked(body: bytes | memoryview, limit: int) -> bytearray:
    unpacker = zlib.decompressobj(wbits=zlib.MAX_WBITS | 32)  # either header
    data = unpacker.decompress(body, limit + 1)
    if len(data) > limit:
        raise too_large(limit)
    if not unpacker.eof:
        raise zlib.error("it ends too early")
    return bytearray(data)
