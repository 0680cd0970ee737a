"""The websocket: events of jobs as they are written, and word of what changed in the store.

The page says `{"follow": JOB, "after": OFFSET}` or `{"unfollow": JOB}`; it hears
`{"job": JOB, "after": OFFSET, "events": [...], "skipped": LINES, "ended": JOB RECORD | null}`
and `{"changed": ["images", "runs", "jobs"]}`. An offset is what to go on from after a
reconnection.
"""

from __future__ import annotations

import asyncio
import contextlib
import json
import os
from collections.abc import Coroutine
from concurrent.futures import ThreadPoolExecutor
from typing import Any

from jupyter_core.utils import ensure_async
from jupyter_server.base.handlers import JupyterHandler
from jupyter_server.base.websocket import WebSocketMixin
from tornado import web, websocket

from ...errors import ContainerizeError
from .api import Api
from .commands import check
from .routes import JOB

_LOOK_S = 0.05
_LOOK_AT_STORE_S = 0.5
_MOST_BYTES = 4 << 20
_MOST_LOG_LINES = 200
_MOST_FOLLOWED = 32
_MOST_MESSAGE_BYTES = 4096
#: The websocket's code for a server that met a mistake (RFC 6455, 7.4.1).
_MISTAKE = 1011

_MESSAGE = {
    "type": "object",
    "additionalProperties": False,
    "properties": {
        "follow": JOB,
        "unfollow": JOB,
        "after": {"type": "integer", "minimum": 0, "maximum": 10**15},
    },
}


class Events(WebSocketMixin, websocket.WebSocketHandler, JupyterHandler):  # type: ignore[misc]
    """One page's websocket."""

    auth_resource = "containerize"

    def initialize(self, api: Api, pool: ThreadPoolExecutor) -> None:
        """Take what Tornado passes on."""
        self._api, self._pool = api, pool
        self._followed: dict[str, int] = {}
        self._tasks: list[asyncio.Task[None]] = []

    async def get(self, *arguments: Any, **keywords: Any) -> None:
        """Open it to who is known and may read. Errors: 403."""
        if not self.current_user:
            raise web.HTTPError(403)
        allowed = await ensure_async(
            self.authorizer.is_authorized(self, self.current_user, "read", self.auth_resource)
        )
        if not allowed:
            raise web.HTTPError(403)
        result = super().get(*arguments, **keywords)
        if result is not None:
            await result

    def open(self, *arguments: Any, **keywords: Any) -> None:
        """Begin to look."""
        super().open(*arguments, **keywords)
        loop = asyncio.get_running_loop()
        self._tasks = [
            loop.create_task(self._or_close(self._tell_events())),
            loop.create_task(self._or_close(self._tell_changes())),
        ]

    def on_close(self) -> None:
        """Stop looking."""
        for task in self._tasks:
            task.cancel()

    def on_message(self, message: str | bytes) -> None:
        """Follow a job, or stop following it. What cannot be used is answered as an error."""
        try:
            data = json.loads(message[:_MOST_MESSAGE_BYTES])
            check(_MESSAGE, data, what="message")
        except (ValueError, RecursionError, ContainerizeError) as error:
            self.write_message(json.dumps({"error": str(error)}))
            return
        self._followed.pop(data.get("unfollow", ""), None)
        if "follow" in data and len(self._followed) < _MOST_FOLLOWED:
            self._followed[data["follow"]] = data.get("after", 0)

    async def _or_close(self, telling: Coroutine[Any, Any, None]) -> None:
        """Tell; where that fails, close: the page then comes again, and does not wait for ever."""
        try:
            await telling
        except Exception:
            self.log.exception("jupyter-containerize: events cannot be told")
            self.close(_MISTAKE)

    async def _tell_events(self) -> None:
        loop = asyncio.get_running_loop()
        while True:
            for job, after in list(self._followed.items()):
                news = await loop.run_in_executor(self._pool, self._news, job, after)
                if self._followed.get(job) != after:
                    continue  # it was told to follow from elsewhere meanwhile
                if news is None:
                    continue
                self._followed[job] = news["after"]
                if news["ended"] is not None:
                    del self._followed[job]
                with contextlib.suppress(websocket.WebSocketClosedError):
                    await self.write_message(json.dumps(news))
            await asyncio.sleep(_LOOK_S)

    def _news(self, job: str, after: int) -> dict[str, Any] | None:
        """Return what a job said after an offset, None when it said nothing."""
        try:
            alive = self._api.jobs.alive(job)  # before reading: what it says last is not missed
            events, offset, skipped = read_events(self._api.jobs.events_file(job), after)
            whole = not alive and (offset == after or not events)
            ended = self._api.jobs.get(job) if whole else None
        except ContainerizeError as error:
            gone = {"id": job, "state": "gone", "error": error.to_json()}
            return {"job": job, "after": after, "events": [], "skipped": 0, "ended": gone}
        if not events and ended is None:
            return None
        return {"job": job, "after": offset, "events": events, "skipped": skipped, "ended": ended}

    async def _tell_changes(self) -> None:
        loop = asyncio.get_running_loop()
        known: dict[str, Any] = {}
        while True:
            found = await loop.run_in_executor(self._pool, signatures, self._api)
            changed = [key for key, value in found.items() if known.get(key, value) != value]
            known = found
            if changed:
                with contextlib.suppress(websocket.WebSocketClosedError):
                    await self.write_message(json.dumps({"changed": changed}))
            await asyncio.sleep(_LOOK_AT_STORE_S)


def read_events(path: str, after: int) -> tuple[list[Any], int, int]:
    """Return whole events after an offset, the next offset, and how many log lines were left out.

    Of progress on one thing only the newest is told; of a flood of log lines only the last: a
    run's log can be read as a file.
    """
    try:
        with open(path, "rb") as file:
            file.seek(after)
            data = file.read(_MOST_BYTES)
            if b"\n" not in data and len(data) == _MOST_BYTES:
                data += file.readline()
    except OSError:
        return [], after, 0
    whole = data[: data.rfind(b"\n") + 1]
    events: list[Any] = []
    for line in whole.splitlines():
        with contextlib.suppress(ValueError):
            events.append(json.loads(line))
    newest = {
        (event["step"], event["item"]): event for event in events if event["is"] == "progress"
    }
    logs = sum(event["is"] == "log" for event in events)
    skipped = max(0, logs - _MOST_LOG_LINES)
    told, seen = [], 0
    for event in events:
        if event["is"] == "progress" and newest[event["step"], event["item"]] is not event:
            continue
        if event["is"] == "log":
            seen += 1
            if seen <= skipped:
                continue
        told.append(event)
    return told, after + len(whole), skipped


def signatures(api: Api) -> dict[str, Any]:
    """Return values that change when images, runs or jobs do."""
    try:
        root = os.path.dirname(api.jobs.folder)
    except ContainerizeError:
        return {}
    return {
        "images": [
            _changed_at(os.path.join(root, name)) for name in ("images", "names", "verdicts")
        ],
        "runs": _files(os.path.join(root, "runs"), "run.json"),
        "jobs": _files(os.path.join(root, "jobs"), "lock"),
    }


def _changed_at(path: str) -> int:
    try:
        return os.stat(path).st_mtime_ns
    except OSError:
        return 0


def _files(folder: str, name: str) -> dict[str, int]:
    with contextlib.suppress(OSError):
        return {item: _changed_at(os.path.join(folder, item, name)) for item in os.listdir(folder)}
    return {}
