"""From settings to a running service, and out again with its exit code."""

from __future__ import annotations

import resource
import sys

from ..problem import CannotStart
from .artifact import Artifact, read_artifact
from .listeners import open_listener
from .master import Master
from .place import read_place
from .settings import Settings, cpus, read_settings

_MOST_WORKERS = 8
_OWN_FILES = 64  # what the master opens besides connections


def run() -> int:
    """Serve the image's artifact until stopped; return the exit code (see `serve`)."""
    try:
        settings = read_settings()
        place = read_place()
        artifact = read_artifact(place.artifact)
        settings = settings._replace(max_connections=_connections(settings.max_connections))
        workers = _workers(settings, artifact)
        master = Master(settings, artifact, place, open_listener(settings), workers=workers)
    except CannotStart as problem:
        print(problem, file=sys.stderr)
        return 2
    return master.run()


def _workers(settings: Settings, artifact: Artifact) -> int:
    """Return how many workers to run: a model that cannot be shared is loaded once, unless asked."""
    if settings.workers:
        return settings.workers
    return min(cpus(), _MOST_WORKERS) if artifact.fork_safe else 1


def _connections(wanted: int) -> int:
    """Return how many connections there may be, and make room for them."""
    soft, hard = resource.getrlimit(resource.RLIMIT_NOFILE)
    if soft == resource.RLIM_INFINITY:
        return wanted
    room = wanted + _OWN_FILES
    if soft < room:
        soft = room if hard == resource.RLIM_INFINITY else min(room, hard)
        resource.setrlimit(resource.RLIMIT_NOFILE, (soft, hard))
    return max(1, min(wanted, soft - _OWN_FILES))
