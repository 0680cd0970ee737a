"""Requests to a cluster, with the official client underneath (beside it, only `kubeconfig` imports it).

Only its configuration is used (kubeconfig, exec plugins, OIDC, tokens of pods, certificates);
requests and answers are plain dicts.
"""

from __future__ import annotations

import contextlib
import json
import random
import socket
import threading
import time
from collections.abc import Callable, Iterator, Mapping
from typing import Any
from urllib.parse import quote, urlencode

from ...errors import ContainerizeError
from ...model.cluster import Place
from .kubeconfig import client_modules, configure
from .manifests.names import MANAGER, is_label
from .problems import (
    Refused,
    access_expired,
    bad_namespace,
    is_lasting,
    is_passing,
    managers_of,
    not_an_api_server,
    refused,
    unreachable,
)

Json = dict[str, Any]

_FIRST_TIMEOUT_S = 10.0
_TIMEOUT_S = 30.0
#: How long a cluster that we have spoken to may be away before we give up.
PATIENCE_S = 120.0
#: How long who renews credentials may come after their end; only credentials that were good are waited for.
_LOGIN_PATIENCE_S = 5.0
#: How long a part of the cluster may fail (a webhook, a quota that others change): soon told.
_PART_PATIENCE_S = 10.0
_AGAIN = (429, 500, 502, 503, 504)
_GONE = 410


class Busy(ConnectionError):  # noqa: N818 - it reads as what happened
    """The server answers, but cannot do it now: itself, or a node behind it."""


class Connection:
    """A cluster and a namespace in it. Safe to use from several threads."""

    def __init__(self, place: Place, *, patience_s: float = PATIENCE_S) -> None:
        self._place = place
        self._patience_s = patience_s
        self._lock = threading.Lock()
        self._known = False
        self._welcome = False
        #: How many requests were made, for who wants to know what we cost a cluster.
        self.calls = 0
        self._load()

    def _load(self) -> None:
        client, config = client_modules()
        self._client = client
        configuration = client.Configuration()
        configuration.retries = False
        self.context, namespace = configure(config, configuration, self._place)
        self.namespace = self._place.namespace or namespace or "default"
        if not is_label(self.namespace):  # it becomes part of paths: "a/../b" would be another
            raise bad_namespace(self.namespace)
        # Every followed pod holds a connection, beside those of requests.
        configuration.connection_pool_maxsize = 256
        self.configuration = configuration
        self._http = client.rest.RESTClientObject(configuration).pool_manager

    @property
    def host(self) -> str:
        """The API server's address."""
        return str(self.configuration.host)

    def place(self) -> Place:
        """Return the place by its full names, so that another process finds it."""
        return Place(self.context, self.namespace, self._place.kubeconfig)

    # -- requests ------------------------------------------------------------------------

    def get(self, path: str, query: Mapping[str, Any] | None = None) -> Json:
        """Return an object or a list. Errors: those of `problems.refused`, `cluster-unreachable`."""
        return self.call("GET", path, query=query)

    def find(self, path: str) -> Json | None:
        """Return an object, None if there is none."""
        try:
            return self.get(path)
        except Refused as error:
            if error.status == 404:  # noqa: PLR2004 - HTTP's number
                return None
            raise

    def list(self, path: str, selector: str = "") -> Json:
        """Return the whole list, page by page; from its beginning where the server lost the place."""
        query = {"labelSelector": selector, "limit": 500}
        whole = page = self.get(path, query)
        items = whole["items"] = whole.get("items") or []
        while page.get("metadata", {}).get("continue"):
            try:
                page = self.get(path, {**query, "continue": page["metadata"]["continue"]})
            except Refused as error:
                if error.status != _GONE:
                    raise
                page = self.get(path, {"labelSelector": selector})  # at once, whatever its size
                items.clear()
            items += page.get("items") or []
        return whole

    def apply(self, path: str, manifest: Json, *, dry_run: bool = False) -> Json:
        """Apply a manifest by server-side apply, as our own field manager, forcing nothing."""
        query = {"fieldManager": MANAGER, "fieldValidation": "Strict"}
        if dry_run:
            query["dryRun"] = "All"
        kind = "application/apply-patch+yaml"
        try:
            return self.call("PATCH", path, query=query, body=manifest, kind=kind)
        except Refused as error:
            # What we merged into it ourselves is another "owner" only by the way it was written.
            if error.code != "owned-by-another" or set(managers_of(error.why)) != {MANAGER}:
                raise
            forced = {**query, "force": "true"}
            return self.call("PATCH", path, query=forced, body=manifest, kind=kind)

    def merge(self, path: str, change: Json) -> Json:
        """Merge a change into an object of ours."""
        query = {"fieldManager": MANAGER}
        kind = "application/merge-patch+json"
        return self.call("PATCH", path, query=query, body=change, kind=kind)

    def delete(self, path: str, *, uid: str = "") -> bool:
        """Delete an object (only the one with `uid`) and what it owns; False if it is gone already."""
        body: Json = {
            "kind": "DeleteOptions",
            "apiVersion": "v1",
            "propagationPolicy": "Background",
        }
        if uid:
            body["preconditions"] = {"uid": uid}
        try:
            self.call("DELETE", path, body=body)
        except Refused as error:
            if error.status in (404, 409):
                return False
            raise
        return True

    def call(
        self,
        method: str,
        path: str,
        *,
        query: Mapping[str, Any] | None = None,
        body: Json | None = None,
        kind: str = "application/json",
    ) -> Json:
        """Make one request; repeat it while the server is away or too busy (all ours may be)."""
        data = None if body is None else json.dumps(body).encode()
        began = time.monotonic()
        until = began + self._patience_s
        renewed_at: float | None = None
        pause_s = 0.2
        while True:
            try:
                answer = self._send(method, path, query, data, kind, timeout_s=self._timeout())
                status, text = answer.status, answer.data
            except _network_errors() as error:
                if not self._known or time.monotonic() > until or _is_certificate(error):
                    raise unreachable(self.host, error) from error
                pause_s = _wait(pause_s)
                continue
            self._known = True
            if status == 401 and self._may_be_renewed(renewed_at):  # noqa: PLR2004 - HTTP's number
                if renewed_at is not None:
                    pause_s = _wait(pause_s)
                renewed_at = renewed_at or time.monotonic()
                self.renew()
                continue
            self._welcome = self._welcome or status != 401  # noqa: PLR2004 - HTTP's number
            if time.monotonic() < _limit(status, text, began, until):
                pause_s = _wait(pause_s, answer.headers.get("Retry-After"))
                continue
            if status >= 400:  # noqa: PLR2004 - HTTP's number
                raise self._refusal(status, text, method, path)
            return _parsed(self.host, status, text)

    def stream(
        self,
        path: str,
        query: Mapping[str, Any],
        *,
        idle_s: float | None = None,
        answered: Callable[[], None] = lambda: None,
    ) -> Iterator[bytes]:
        """Yield an answer's bytes as they come, until the server ends it or is silent for `idle_s`.

        `answered` is called when it begins, however much comes then.
        Errors: those of `problems.refused`; `ConnectionError` when the server cannot be reached
        or the answer is cut, wherever that is.
        """
        try:
            answer = self._send("GET", path, query, None, "", timeout_s=idle_s, whole=False)
        except _network_errors() as error:
            raise ConnectionError(str(error)) from error
        try:
            if answer.status == 401:  # noqa: PLR2004 - HTTP's number
                self.renew()
                raise ConnectionError("the credentials had expired")
            if answer.status in _AGAIN:
                raise Busy(_message(answer.data) or f"the server is busy ({answer.status})")
            if answer.status >= 400:  # noqa: PLR2004 - HTTP's number
                raise self._refusal(answer.status, answer.data, "GET", path)
            yield from _pieces(answer, answered)
        finally:
            # A stream is given up in its middle: its connection can serve nobody else.
            answer.close()

    def websocket(self, path: str, query: Mapping[str, Any]) -> Any:
        """Return the client's websocket for `exec`. Errors: `ConnectionError`, `Refused`."""
        from kubernetes.stream import ws_client  # noqa: PLC0415 - heavy, and only for streams

        url = f"{self.host}{path}?{urlencode(query, doseq=True, quote_via=quote)}"
        scheme, _, rest = url.partition("://")
        url = f"{'wss' if scheme == 'https' else 'ws'}://{rest}"
        self.calls += 1
        headers = {**self._headers(), "sec-websocket-protocol": "v4.channel.k8s.io"}
        try:
            return ws_client.WSClient(
                self.configuration, url, headers, capture_all=False, binary=True
            )
        except Exception as error:
            status = getattr(error, "status_code", 0)
            body = getattr(error, "resp_body", b"") or b""
            if status in (0, 401, *_AGAIN):
                if status == 401:  # noqa: PLR2004 - HTTP's number
                    self.renew()
                raise ConnectionError(_message(body) or str(error)) from error
            raise self._refusal(int(status), body, "GET", path) from error

    def tunnel(self, path: str, port: int) -> socket.socket:
        """Return a socket to a pod's port. Errors: `ConnectionError`."""
        from kubernetes.stream import ws_client  # noqa: PLC0415 - as above

        self.calls += 1
        try:
            forward = ws_client.portforward_call(
                self.configuration,
                "GET",
                f"{self.host}{path}",
                query_params=[("ports", str(port))],
                headers={**self._headers(), "sec-websocket-protocol": "v4.channel.k8s.io"},
            )
        except Exception as error:
            raise ConnectionError(str(error)) from error
        made: socket.socket = forward.socket(port)
        return made

    def renew(self) -> None:
        """Read the credentials anew: tokens and certificates expire while runs go on."""
        with self._lock:
            for pause_s in (0.1, 0.2, 0.5, 1.0):
                with contextlib.suppress(ContainerizeError):  # its writer may be half done
                    self._load()
                    return
                time.sleep(pause_s)
            self._load()

    def _may_be_renewed(self, since: float | None) -> bool:
        """Tell whether it is worth to read the credentials anew, as was first done at `since`."""
        return since is None or (self._welcome and time.monotonic() - since < _LOGIN_PATIENCE_S)

    def _timeout(self) -> float:
        return _TIMEOUT_S if self._known else self._first_timeout()

    def _first_timeout(self) -> float:
        return min(_FIRST_TIMEOUT_S, self._patience_s)

    def _headers(self) -> dict[str, str]:
        headers = {"User-Agent": MANAGER}
        for setting in self.configuration.auth_settings().values():
            headers[setting["key"]] = setting["value"]
        if self.configuration.username and "authorization" not in headers:
            headers["authorization"] = self.configuration.get_basic_auth_token()
        return headers

    def _send(
        self,
        method: str,
        path: str,
        query: Mapping[str, Any] | None,
        data: bytes | None,
        kind: str,
        *,
        timeout_s: float | None,
        whole: bool = True,
    ) -> Any:
        import urllib3  # noqa: PLC0415 - comes with the client

        url = f"{self.host}{path}"
        present = {name: value for name, value in (query or {}).items() if value not in ("", None)}
        if present:
            url += f"?{urlencode(present, quote_via=quote)}"
        headers = {**self._headers(), "Accept": "application/json"}
        if data is not None:
            headers["Content-Type"] = kind
        self.calls += 1
        return self._http.request(
            method,
            url,
            body=data,
            headers=headers,
            timeout=urllib3.Timeout(connect=self._first_timeout(), read=timeout_s),
            preload_content=whole,
            retries=False,
        )

    def _refusal(self, status: int, text: bytes, method: str, path: str) -> ContainerizeError:
        try:
            answer = json.loads(text or b"{}")
        except ValueError:
            answer = {"message": text.decode("utf-8", "replace")[:500]}
        if not isinstance(answer, dict):
            answer = {}
        if status == 401:  # noqa: PLR2004 - HTTP's number
            return access_expired(self.context or self.host)
        return refused(status, answer, method=method, path=path, namespace=self.namespace)


def _pieces(answer: Any, answered: Callable[[], None]) -> Iterator[bytes]:
    """Yield an answer's bytes; `ConnectionError` unless it came to the end that it announced."""
    import urllib3  # noqa: PLC0415 - comes with the client

    chunked = answer.headers.get("Transfer-Encoding", "").lower() == "chunked"
    if not chunked and "Content-Length" not in answer.headers:
        raise ConnectionError("the answer was cut in its headers")
    answered()
    try:
        yield from answer.read_chunked() if chunked else answer.stream(1 << 16)
    except urllib3.exceptions.ReadTimeoutError:
        return  # it has nothing to say now: whoever listens asks again
    except _network_errors() as error:
        raise ConnectionError(str(error)) from error


def _limit(status: int, text: bytes, began: float, until: float) -> float:
    """Return until when a request that was answered so is worth repeating."""
    message = _message(text)
    if is_passing(status, message):
        return min(until, began + _PART_PATIENCE_S)
    return until if status in _AGAIN and not is_lasting(status, message) else began


def _parsed(host: str, status: int, text: bytes) -> Json:
    """Return an answer's object. Errors: `cluster-unreachable` for what no API server says."""
    try:
        parsed = json.loads(text) if text else {}
    except ValueError:
        parsed = None
    if status >= 300 or not isinstance(parsed, dict):  # noqa: PLR2004 - a way to somewhere else
        raise not_an_api_server(host, status, text)
    return parsed


def _message(body: bytes) -> str:
    try:
        return str(json.loads(body)["message"])
    except (ValueError, KeyError, TypeError):
        return ""


def _wait(pause_s: float, asked: str | None = None) -> float:
    wished = float(asked) if asked and asked.isdecimal() else pause_s
    # Many clients that were sent away together must not come back together.
    time.sleep(wished * random.uniform(0.8, 1.2))  # noqa: S311 - no secret
    return min(pause_s * 2, 10.0)


def _network_errors() -> tuple[type[BaseException], ...]:
    import urllib3  # noqa: PLC0415 - comes with the client

    return (urllib3.exceptions.HTTPError, OSError)


def _is_certificate(error: BaseException) -> bool:
    return "CERTIFICATE" in str(error).upper() or "certificate" in str(error)
