"""Loads the extension into a Jupyter Server."""

from __future__ import annotations

import re
from concurrent.futures import ThreadPoolExecutor
from typing import Any

from ...errors import ContainerizeError
from ..config import settings
from .api import Api
from .events import Events
from .handlers import handlers
from .routes import PREFIX

_THREADS = 8
_LISTENERS = 4


def load(server: Any) -> None:
    """Add our routes to a server application."""
    try:
        store = settings().store
    except ContainerizeError as error:
        server.log.warning("jupyter-containerize: %s", error)
        store = ""
    # Older servers have no such thing; then no kernel of theirs is elsewhere.
    gateway = getattr(getattr(server, "gateway_config", None), "gateway_enabled", False)
    api = Api(root=server.root_dir, store=store, gateway=bool(gateway))
    pool = ThreadPoolExecutor(_THREADS, thread_name_prefix="containerize")
    base = server.web_app.settings["base_url"]
    rules = handlers(api, pool, base)
    # Of their own: requests that take long (`doctor`, a search) must not hold up what jobs say.
    listeners = ThreadPoolExecutor(_LISTENERS, thread_name_prefix="containerize-events")
    events = (f"{re.escape(base)}{PREFIX}/events", Events, {"api": api, "pool": listeners})
    server.web_app.add_handlers(".*$", [*rules, events])
