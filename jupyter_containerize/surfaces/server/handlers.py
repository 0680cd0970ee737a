"""Routes as Tornado handlers: who asks, may they, does it fit; then a thread does the work."""

from __future__ import annotations

import asyncio
import json
import os
import re
from collections.abc import Mapping
from concurrent.futures import ThreadPoolExecutor
from typing import Any
from urllib.parse import unquote

from jupyter_core.utils import ensure_async
from jupyter_server.base.handlers import APIHandler
from tornado import web

from ...errors import ContainerizeError
from .api import Api
from .commands import check
from .kernels import connection_of
from .openapi import document
from .routes import PREFIX, ROUTES, Route

RESOURCE = "containerize"
_CHUNK = 1 << 20
_MOST_BODY_BYTES = 100 << 20

#: HTTP status by the beginning of an error's code; everything else is the asker's to mend: 400.
_STATUS = (
    ("no-such-", 404),
    ("no-run", 404),
    ("image-not-found", 404),
    ("no-snapshot", 404),
    ("no-images", 404),
    ("no-endpoint", 409),
    ("no-answer", 502),
    ("image-in-use", 409),
    ("job-running", 409),
    ("store-", 409),
    ("run-is-", 409),
    ("internal-error", 500),
    ("worker-", 500),
)


class Endpoint(APIHandler):  # type: ignore[misc] # jupyter_server is not typed here
    """All methods at one path. Nothing of a route runs before `prepare` has let it through."""

    auth_resource = RESOURCE

    def initialize(self, api: Api, pool: ThreadPoolExecutor, routes: Mapping[str, Route]) -> None:
        """Take what Tornado passes on from the table."""
        self._api, self._pool, self._routes = api, pool, routes

    async def prepare(self) -> None:
        """Let through only who is known, comes from this site, and may. Errors: 403, 405."""
        await super().prepare()
        if self.request.method == "OPTIONS":
            return
        if not self.current_user:
            raise web.HTTPError(403)
        route = self._routes.get(str(self.request.method))
        if route is None:
            raise web.HTTPError(405)
        await self._authorise(route.action)

    async def _authorise(self, action: str, resource: str = RESOURCE) -> None:
        allowed = await ensure_async(
            self.authorizer.is_authorized(self, self.current_user, action, resource)
        )
        if not allowed:
            raise web.HTTPError(403, f"You may not {action} {resource} on this server.")

    async def _answer(self, **parts: str) -> None:
        route = self._routes[str(self.request.method)]
        try:
            values = {**self._parts(route, parts), **self._query(route), **self._body(route)}
            if values.get("notebook", {}) and isinstance(values["notebook"], dict):
                await self._add_kernel(values["notebook"])
            loop = asyncio.get_running_loop()
            result = await loop.run_in_executor(self._pool, lambda: route.call(self._api, **values))
        except ContainerizeError as error:
            self.set_status(_status(error.code))
            self.finish(json.dumps({"error": error.to_json()}))
            return
        if route.sends == "file":
            await self._send(result)
            return
        self.set_status(204 if result is None else route.status)
        self.finish(json.dumps(result) if result is not None else None)

    get = web.authenticated(_answer)
    post = web.authenticated(_answer)
    delete = web.authenticated(_answer)

    # -- what was asked -----------------------------------------------------------------

    def _parts(self, route: Route, parts: Mapping[str, str]) -> dict[str, str]:
        values = {name: unquote(text) for name, text in parts.items()}
        check(_object(route.parts), values, what="path")
        return values

    def _query(self, route: Route) -> dict[str, Any]:
        values: dict[str, Any] = {
            name: kind["default"] for name, kind in route.query.items() if "default" in kind
        }
        for name in self.request.query_arguments:
            text = self.get_query_argument(name)
            if name in ("token", "no_track_activity") or re.fullmatch(r"\d{10,}", name):
                continue  # Jupyter's own: authentication, and against caches
            number = route.query.get(name, {}).get("type") == "integer"
            values[name] = int(text) if number and re.fullmatch(r"-?\d{1,15}", text) else text
        check(_object(route.query, required=False), values, what="query")
        return values

    def _body(self, route: Route) -> dict[str, Any]:
        if route.body is None:
            return {}
        if len(self.request.body) > _MOST_BODY_BYTES:
            raise ContainerizeError(
                "bad-request",
                what="The notebook is too large to be sent.",
                why=f"{len(self.request.body):,} bytes; {_MOST_BODY_BYTES:,} are allowed.",
                fix="Clear the outputs of the notebook, or use the command line.",
            )
        try:
            data: Any = json.loads(self.request.body or b"{}")
        except (ValueError, RecursionError) as error:
            raise ContainerizeError(
                "bad-request",
                what="The body of this request cannot be used.",
                why=f"It is not JSON: {error}",
            ) from error
        check(route.body, data, what="body")
        return {"options": {}, **data} if "options" in route.body["properties"] else dict(data)

    async def _add_kernel(self, notebook: dict[str, Any]) -> None:
        """Exchange a kernel's id for its connection file, if the asker may use kernels."""
        kernel = notebook.pop("kernel", "")
        if kernel:
            await self._authorise("execute", "kernels")
            notebook["connection"] = await connection_of(kernel, self.kernel_manager)

    # -- files --------------------------------------------------------------------------

    async def _send(self, path: str) -> None:
        """Send a file as a download: never as a page of this site."""
        self.set_header("Content-Type", "application/octet-stream")
        self.set_header("X-Content-Type-Options", "nosniff")
        self.set_attachment_header(os.path.basename(path))
        loop = asyncio.get_running_loop()
        with open(path, "rb") as file:  # noqa: ASYNC230 - opening is quick; reading is in a thread
            self.set_header("Content-Length", str(os.fstat(file.fileno()).st_size))
            while chunk := await loop.run_in_executor(self._pool, file.read, _CHUNK):
                self.write(chunk)
                await self.flush()
        self.finish(set_content_type="application/octet-stream")


class Document(APIHandler):  # type: ignore[misc] # as above
    """The OpenAPI document."""

    auth_resource = RESOURCE

    @web.authenticated
    async def get(self) -> None:
        """Send it."""
        allowed = await ensure_async(
            self.authorizer.is_authorized(self, self.current_user, "read", RESOURCE)
        )
        if not allowed:
            raise web.HTTPError(403)
        self.finish(json.dumps(document()))


def handlers(api: Api, pool: ThreadPoolExecutor, base_url: str) -> list[Any]:
    """Return Tornado's rules for all routes."""
    by_path: dict[str, dict[str, Route]] = {}
    for route in ROUTES:
        by_path.setdefault(route.path, {})[route.method] = route
    prefix = f"{re.escape(base_url)}{PREFIX}"
    rules = [
        (f"{prefix}/{_pattern(path)}", Endpoint, {"api": api, "pool": pool, "routes": routes})
        for path, routes in by_path.items()
    ]
    return [*rules, (f"{prefix}/openapi.json", Document)]


def _pattern(path: str) -> str:
    """Return a path as a regular expression; what is in braces is checked later, by its schema."""
    return re.sub(
        r"\{(\w+)\}",
        lambda match: f"(?P<{match[1]}>{'.+' if match[1] == 'path' else '[^/]+'})",
        path,
    )


def _object(properties: Mapping[str, Any], *, required: bool = True) -> dict[str, Any]:
    wanted = [name for name, kind in properties.items() if required or "minLength" in kind]
    return {
        "type": "object",
        "additionalProperties": False,
        "properties": dict(properties),
        "required": wanted,
    }


def _status(code: str) -> int:
    return next((status for start, status in _STATUS if code.startswith(start)), 400)
