"""The log of a service: what all its pods write, those to come too."""

from __future__ import annotations

import queue
import threading
from collections.abc import Iterator, Mapping
from dataclasses import dataclass, field
from typing import Any

from . import paths, story
from .connection import Connection
from .listening import Listening
from .manifests.names import LABEL_RUN, STOPPED
from .manifests.serving import SERVICE

Json = dict[str, Any]

_LOOK_S = 1.0


def marked(pod: Mapping[str, Any], text: str) -> str:
    """Return a line with the end of its pod's name, by which kubectl's users know it."""
    return f"[pod {pod['metadata']['name'].rpartition('-')[2]}] {text}"


@dataclass
class Tail:
    """Follows the log of one service."""

    connection: Connection
    deployment: Json
    run_id: str
    _pods: dict[str, Json] = field(default_factory=dict)
    _readers: dict[str, threading.Thread] = field(default_factory=dict)
    _stopped: bool = False

    def lines(self) -> Iterator[str]:
        """Yield lines until the service is stopped or removed and its pods are gone.

        Errors: the cluster's.
        """
        listening = Listening(self.connection)
        namespace = self.connection.namespace
        listening.watch(
            paths.collection(*paths.DEPLOYMENTS, namespace),
            "deployment",
            fields=f"metadata.name={self.deployment['metadata']['name']}",
        )
        listening.watch(
            paths.collection(*paths.PODS, namespace),
            "pod",
            selector=f"{LABEL_RUN}={self.run_id}",
        )
        try:
            while not (self._stopped and not self._pods):
                try:
                    kind, item = listening.news.get(timeout=_LOOK_S)
                except queue.Empty:
                    continue
                if kind == "line":
                    yield item
                elif kind == "error":
                    raise item
                elif kind == "deployment":
                    self._stopped = item.deleted or _is_stopped(item.object)
                else:
                    self._pod(listening, item.object, deleted=item.deleted)
            for kind, item in listening.rest(self._readers.values()):
                if kind == "line":
                    yield item
        finally:
            listening.over = True

    def _pod(self, listening: Listening, pod: Json, *, deleted: bool) -> None:
        uid = pod["metadata"]["uid"]
        if deleted:
            self._pods.pop(uid, None)
            return
        self._pods[uid] = pod
        if uid not in self._readers and story.has_started(pod, work=SERVICE):
            self._readers[uid] = listening.read(
                pod["metadata"]["name"],
                SERVICE,
                line=lambda text: marked(pod, text),
                ended=lambda: uid not in self._pods,
            )


def _is_stopped(deployment: Json) -> bool:
    notes = deployment["metadata"].get("annotations") or {}
    return STOPPED in notes and not deployment["spec"].get("replicas")
