"""Objects with versions, a log of changes for watchers, and server-side apply with owners of fields."""

from __future__ import annotations

import contextlib
import copy
import threading
import time
import uuid
from datetime import datetime, timezone


def now():
    return datetime.now(timezone.utc).strftime("%Y-%m-%dT%H:%M:%SZ")


class StatusError(Exception):
    def __init__(self, code, reason, message, details=None):
        super().__init__(message)
        self.code = code
        self.body = {
            "kind": "Status",
            "apiVersion": "v1",
            "status": "Failure",
            "code": code,
            "reason": reason,
            "message": message,
            "details": details or {},
        }


class Objects:
    """All objects by (collection path, name)."""

    def __init__(self):
        self.lock = threading.Condition()
        self.version = 1000
        self.forgotten = 0
        self.items = {}
        self.log = []  # (version, type, collection, object)
        self.owners = {}  # uid -> {manager: {field path: value}}
        self.listeners = []

    def _next(self):
        self.version += 1
        return str(self.version)

    def _changed(self, kind, collection, item):
        self.log.append((int(item["metadata"]["resourceVersion"]), kind, collection, item))
        self.lock.notify_all()

    def create(self, collection, item, *, dry_run=False):
        with self.lock:
            name = item["metadata"].get("name")
            if not name:
                name = item["metadata"]["generateName"] + uuid.uuid4().hex[:5]
            if (collection, name) in self.items:
                raise StatusError(409, "AlreadyExists", f'{collection} "{name}" already exists')
            item = copy.deepcopy(item)
            item["metadata"] |= {
                "name": name,
                "uid": str(uuid.uuid4()),
                "creationTimestamp": now(),
                "generation": 1,
                "namespace": collection.split("/namespaces/")[-1].split("/")[0],
            }
            if dry_run:
                item["metadata"]["resourceVersion"] = str(self.version)
                return item
            item["metadata"]["resourceVersion"] = self._next()
            self.items[collection, name] = item
            self._changed("ADDED", collection, item)
        self._tell("ADDED", collection, item)
        return item

    def update(self, collection, name, change, *, dry_run=False):
        """Replace an object by `change(copy of it)`."""
        with self.lock:
            old = self.items.get((collection, name))
            if old is None:
                raise not_found(collection, name)
            new = change(copy.deepcopy(old))
            if new == old or dry_run:
                return new
            if new.get("spec") != old.get("spec"):
                new["metadata"]["generation"] = old["metadata"]["generation"] + 1
            new["metadata"]["resourceVersion"] = self._next()
            self.items[collection, name] = new
            self._changed("MODIFIED", collection, new)
        self._tell("MODIFIED", collection, new)
        return new

    def delete(self, collection, name, uid=None):
        with self.lock:
            item = self.items.get((collection, name))
            if item is None:
                raise not_found(collection, name)
            if uid and item["metadata"]["uid"] != uid:
                raise StatusError(409, "Conflict", "the UID in the precondition does not match")
            del self.items[collection, name]
            item = copy.deepcopy(item)
            item["metadata"]["resourceVersion"] = self._next()
            self._changed("DELETED", collection, item)
            owned = [
                (where, other["metadata"]["name"])
                for (where, _), other in self.items.items()
                if any(
                    ref["uid"] == item["metadata"]["uid"]
                    for ref in other["metadata"].get("ownerReferences", ())
                )
            ]
        self._tell("DELETED", collection, item)
        for where, other in owned:
            with contextlib.suppress(StatusError):
                self.delete(where, other)
        return item

    def apply(self, collection, name, manager, wanted, *, force=False, dry_run=False):
        """Server-side apply: fields that another manager set otherwise are conflicts."""
        fields = dict(_leaves({k: v for k, v in wanted.items() if k not in ("apiVersion", "kind")}))
        fields.pop(("metadata", "name"), None)
        with self.lock:
            there = self.items.get((collection, name))
            if there is not None:
                owners = self.owners.setdefault(there["metadata"]["uid"], {})
                conflicts = [
                    (other, path)
                    for other, owned in owners.items()
                    if other != manager
                    for path, value in fields.items()
                    if path in owned and owned[path] != value
                ]
                if conflicts and not force:
                    count = len(conflicts)
                    listed = "\n".join(
                        f'conflict with "{other}": .{".".join(map(str, path))}'
                        for other, path in conflicts
                    )
                    raise StatusError(
                        409, "Conflict",
                        f"Apply failed with {count} conflict{'s' if count > 1 else ''}: {listed}",
                    )  # fmt: skip
        if there is None:
            made = self.create(collection, wanted, dry_run=dry_run)
        else:
            made = self.update(collection, name, lambda old: _merged(old, wanted), dry_run=dry_run)
        if not dry_run:
            self.owners.setdefault(made["metadata"]["uid"], {})[manager] = fields
        return made

    def watch(self, collection, since, *, until, bookmark_s=0.2, ended=lambda: False):
        """Yield (type, object) after `since`; bookmarks when nothing happens; 410 is an ERROR."""
        position = 0
        quiet = time.monotonic()
        while time.monotonic() < until and not ended():
            with self.lock:
                if since < self.forgotten:
                    body = StatusError(410, "Expired", f"too old resource version: {since}").body
                    yield "ERROR", body
                    return
                fresh = [
                    entry
                    for entry in self.log[position:]
                    if entry[0] > since and entry[2] == collection
                ]
                position, newest = len(self.log), self.version
                if not fresh:
                    self.lock.wait(0.05)
            for version, kind, _, item in fresh:
                since = version
                quiet = time.monotonic()
                yield kind, item
            if not fresh and time.monotonic() - quiet > bookmark_s:
                quiet = time.monotonic()
                yield "BOOKMARK", {"metadata": {"resourceVersion": str(newest)}}
                since = newest

    def forget(self):
        """Compact: watchers and pages from before now are told 410."""
        with self.lock:
            self.version += 1
            self.forgotten = self.version

    def _tell(self, kind, collection, item):
        for listener in self.listeners:
            listener(kind, collection, item)


def not_found(collection, name):
    plural = collection.rsplit("/", 1)[-1]
    return StatusError(
        404, "NotFound", f'{plural} "{name}" not found', {"name": name, "kind": plural}
    )


def _leaves(value, path=()):
    if isinstance(value, dict) and value:
        for key, inner in value.items():
            yield from _leaves(inner, (*path, key))
    else:
        yield path, value


def _merged(old, new):
    if isinstance(old, dict) and isinstance(new, dict):
        return {**old, **{key: _merged(old.get(key), value) for key, value in new.items()}}
    return new


def merge_patch(old, change):
    """RFC 7396."""
    if not isinstance(change, dict):
        return change
    result = dict(old) if isinstance(old, dict) else {}
    for key, value in change.items():
        if value is None:
            result.pop(key, None)
        else:
            result[key] = merge_patch(result.get(key), value)
    return result
