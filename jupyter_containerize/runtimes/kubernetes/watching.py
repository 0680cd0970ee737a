"""Watching a list: what is there, then each change, whatever happens to the connection.

Source: https://kubernetes.io/docs/reference/using-api/api-concepts/#efficient-detection-of-changes
"""

from __future__ import annotations

import json
import threading
import time
from collections.abc import Callable, Iterator
from dataclasses import dataclass
from typing import Any

from .away import Away
from .connection import Connection
from .problems import Refused

#: A server ends watches after some minutes anyway; so do we, and notice dead connections.
_WATCH_S = 240
_LONGEST_PAUSE_S = 10.0
_GONE = 410


@dataclass(frozen=True, slots=True)
class Change:
    """One object as it is now, or as it last was where it has been `deleted`."""

    object: dict[str, Any]
    deleted: bool = False


def observe(
    connection: Connection,
    path: str,
    *,
    selector: str = "",
    fields: str = "",
    ended: Callable[[], bool] = lambda: False,
) -> Iterator[Change]:
    """Yield every object there is, then every change, until `ended()`.

    A dropped connection is taken up at the last version seen; where the server has
    forgotten that (410), everything is listed again, and what is gone meanwhile is told as deleted.
    Errors: those of `Connection.get`.
    """
    query = {"labelSelector": selector, "fieldSelector": fields}
    known: dict[str, dict[str, Any]] = {}
    while not ended():
        listed = connection.get(path, query)
        version = listed["metadata"]["resourceVersion"]
        now = {item["metadata"]["uid"]: item for item in listed.get("items") or ()}
        yield from (Change(known[uid], deleted=True) for uid in [*known] if uid not in now)
        fresh = [
            item
            for uid, item in now.items()
            if known.get(uid, {}).get("metadata", {}).get("resourceVersion")
            != item["metadata"]["resourceVersion"]
        ]
        known = now
        yield from (Change(item) for item in fresh)
        yield from _changes(connection, path, query, version=version, known=known, ended=ended)


def _changes(
    connection: Connection,
    path: str,
    query: dict[str, str],
    *,
    version: str,
    known: dict[str, dict[str, Any]],
    ended: Callable[[], bool],
) -> Iterator[Change]:
    """Yield changes after `version` until the server has forgotten where we are."""
    away = Away(connection)
    pause_s = 0.1
    while not ended():
        began = time.monotonic()
        watch = {
            **query,
            "watch": "true",
            "allowWatchBookmarks": "true",
            "resourceVersion": version,
            "timeoutSeconds": _WATCH_S,
        }
        try:
            for kind, item in _events(connection, path, watch, away.answered):
                pause_s = 0.1
                if kind == "ERROR":
                    if item.get("code") == _GONE:
                        return
                    break  # such as a server that shuts down: take it up again
                version = item["metadata"]["resourceVersion"]
                if kind == "BOOKMARK":
                    continue
                uid = item["metadata"]["uid"]
                if kind == "DELETED":
                    known.pop(uid, None)
                else:
                    known[uid] = item
                yield Change(item, deleted=kind == "DELETED")
                if ended():
                    return
        except Refused as error:
            if error.status == _GONE:
                return
            raise
        except ConnectionError as error:
            away.endure(error)
        if time.monotonic() - began > _LONGEST_PAUSE_S:
            pause_s = 0.1  # it lasted: nothing speaks for waiting longer than the first time
        threading.Event().wait(pause_s)
        pause_s = min(pause_s * 2, _LONGEST_PAUSE_S)


def _events(
    connection: Connection, path: str, query: dict[str, Any], answered: Callable[[], None]
) -> Iterator[tuple[str, dict[str, Any]]]:
    """Yield the events of one watch; one that is cut in a line's middle just ends."""
    rest = b""
    for data in connection.stream(path, query, idle_s=_WATCH_S + 30, answered=answered):
        *lines, rest = (rest + data).split(b"\n")
        for line in lines:
            if line.strip():
                event = json.loads(line)
                yield event["type"], event["object"]
