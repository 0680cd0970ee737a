"""One worker's requests: each is routed and answered, now or when the model has run."""

from __future__ import annotations

import os
from collections.abc import Callable
from typing import NamedTuple
from urllib.parse import quote, unquote

from . import infer
from .artifact import Artifact
from .batching import Batcher
from .board import Board
from .connection import Connection, Request
from .documents import Documents
from .exchange import Exchange, Records
from .http1 import Head, HeadParser
from .inference import Inference
from .loop import Loop
from .metrics import CONTENT_TYPE as METRICS_TYPE
from .metrics import render
from .model import Model
from .problems import Problem
from .settings import Settings

_RETRY = ("Retry-After: 1",)

Answer = Callable[[Exchange, Request], None]


class Route(NamedTuple):
    """Where a path leads."""

    endpoint: str
    method: str
    answer: Answer


class Service:
    """Answers requests with the model; its connections' server."""

    def __init__(
        self,
        model: Model,
        settings: Settings,
        *,
        board: Board,
        records: Records,
        loop: Loop,
        batcher: Batcher,
    ) -> None:
        self.loop = loop
        self.parser = HeadParser()
        self.settings = settings
        self.slots, self.spans = board.slots, board.spans
        self.draining = False
        self.connections: set[Connection] = set()
        self.left: list[int] = []  # slots of connections that were closed in this round
        self.allocate = model.tensors.allocate
        self._name = model.artifact.name
        self._board = board
        self._records = records
        self._reserved = 0
        self._number = 0
        self._prefix = os.urandom(4).hex()
        self._routes = _routes(
            model.artifact,
            Inference(model, batcher, settings),
            Documents(model.artifact, settings),
            live=lambda exchange, _: exchange.reply(200, b'{"live":true}'),
            ready=self._ready,
            metrics=self._metrics,
        )

    def reserve(self, size_bytes: int) -> None:
        """Account for a body. Errors: `Problem` 503 when too many bytes are held already."""
        held = self._reserved
        if size_bytes > 0 and held and held + size_bytes > self.settings.max_memory_bytes:
            text = f"Bodies hold {held} bytes already; CONTAINERIZE_MAX_MEMORY_BYTES allows more."
            raise Problem(503, text, headers=_RETRY)
        self._reserved += size_bytes

    def closed(self, connection: Connection) -> None:
        """Forget a connection."""
        self.connections.discard(connection)
        self.left.append(connection.slot)

    def refused(self, connection: Connection, problem: Problem) -> None:
        """Answer a request that cannot be read to its end."""
        Exchange(connection, None, self._new_id(""), self._records).fail(problem)

    def handle(self, request: Request) -> None:
        """Answer a request, now or when the model has run."""
        head = request.head
        route = self._routes.get(head.path) or self._routes.get(_canonical(head.path))
        exchange = Exchange(
            request.connection, request, self._new_id(head.request_id), self._records
        )
        if route is not None:
            exchange.endpoint = route.endpoint
        problem = self._refusal(route, head)
        if problem is not None or route is None:
            exchange.fail(problem or Problem(404, "Nothing is here."))
            return
        try:
            route.answer(exchange, request)
        except Exception as error:
            exchange.fail(error)

    def _refusal(self, route: Route | None, head: Head) -> Problem | None:
        """Return why a request is not answered, whatever its body."""
        if route is None:
            return self._not_found(head)
        if head.method != route.method and not (head.method == "HEAD" and route.method == "GET"):
            allowed = "GET, HEAD" if route.method == "GET" else route.method
            text = f"{head.path} takes {allowed}, not {head.method}."
            return Problem(405, text, headers=(f"Allow: {allowed}",))
        if self.draining and route.method == "POST":
            return Problem(503, "The service is stopping.", headers=_RETRY)
        return None

    def _not_found(self, head: Head) -> Problem:
        parts = head.path.split("/")
        if head.path.startswith("/v2/models/") and unquote(parts[3]) != self._name:
            name = unquote(parts[3])[:60]
            return Problem(404, f"No model {name!r} is here.", expected=self._name, got=name)
        return Problem(404, f"Nothing is at {head.path[:200]}; / and /docs tell what is here.")

    def _ready(self, exchange: Exchange, _: Request) -> None:
        if self.draining:
            raise Problem(503, "The service is stopping.", headers=_RETRY, ready=False)
        exchange.reply(200, b'{"ready":true}')

    def _metrics(self, exchange: Exchange, _: Request) -> None:
        exchange.reply(200, render(self._board), content_type=METRICS_TYPE)

    def _new_id(self, given: str) -> str:
        if given:
            return given.replace('"', "'").replace("\\", "/")  # it goes into the log's JSON
        self._number += 1
        return f"{self._prefix}-{self._number:x}"


def _routes(
    artifact: Artifact,
    inference: Inference,
    documents: Documents,
    *,
    live: Answer,
    ready: Answer,
    metrics: Answer,
) -> dict[str, Route]:
    routes = {
        "/v2/health/live": Route("health", "GET", live),
        "/v2/health/ready": Route("health", "GET", ready),
        "/predict": Route("predict", "POST", inference.predict),
        "/metrics": Route("metrics", "GET", metrics),
    }
    model = f"/v2/models/{artifact.quoted_name}"
    for base in (model, f"{model}/versions/{infer.VERSION}"):
        routes[f"{base}/ready"] = Route("health", "GET", ready)
        routes[f"{base}/infer"] = Route("infer", "POST", inference.infer)
    for path in documents.makers:
        endpoint = "metadata" if path.startswith("/v2") else "pages"
        routes[path] = Route(endpoint, "GET", _document(documents, path))
    return routes


def _document(documents: Documents, path: str) -> Answer:
    def answer(exchange: Exchange, _: Request) -> None:
        found = documents.get(path)
        exchange.reply(200, found.body, content_type=found.content_type, headers=found.headers)

    return answer


def _canonical(path: str) -> str:
    """Return a path with only those characters percent-encoded that must be."""
    return quote(unquote(path), safe="/") if "%" in path else path
