"""What an operator may set: environment variables `CONTAINERIZE_*`, read once."""

from __future__ import annotations

import os
from collections.abc import Mapping
from typing import NamedTuple

from ..problem import CannotStart

MIB = 1 << 20


class Settings(NamedTuple):
    """The service's settings. A field NAME is set by `CONTAINERIZE_NAME`; 0 workers: as many as fit."""

    port: int = 8080
    host: str = ""  # every address of the container
    workers: int = 0
    max_batch: int = 0  # 0: the model's own
    batch_wait_ms: float = 5.0  # at most, for company; half a call of the model is never exceeded
    max_queue: int = 512  # requests that wait in one worker
    max_body_bytes: int = 64 * MIB
    max_memory_bytes: int = 512 * MIB  # bodies that one worker holds at one time
    max_connections: int = 4096
    timeout_seconds: float = 60.0  # for a request to wait and be computed
    read_seconds: float = 30.0  # for a client to send a request, or to take an answer
    idle_seconds: float = 120.0  # for a connection without requests
    grace_seconds: float = 30.0  # for requests in flight after SIGTERM
    access_log: bool = True


#: The least that each may be, where that is not 0.
_LEAST = {"max_queue": 1, "max_body_bytes": 1, "max_memory_bytes": 1, "max_connections": 1}


def read_settings(environ: Mapping[str, str] | None = None) -> Settings:
    """Return the settings; raise `CannotStart` that names every variable which is wrong."""
    environ = os.environ if environ is None else environ
    given: dict[str, object] = {}
    wrong: list[str] = []
    for name, default in Settings()._asdict().items():
        variable = f"CONTAINERIZE_{name.upper()}"
        text = environ.get(variable, "").strip()
        if not text:
            continue
        try:
            given[name] = _parse(text, default, _LEAST.get(name, 0))
        except ValueError as error:
            wrong.append(f"{variable}={text!r}: {error}")
    settings = Settings(**given)  # type: ignore[arg-type] # each parsed to its default's type
    if not 0 <= settings.port < 65536:  # noqa: PLR2004 - what TCP has
        wrong.append(f"CONTAINERIZE_PORT={settings.port}: ports end at 65535")
    if wrong:
        raise CannotStart("These settings cannot be used:\n  " + "\n  ".join(wrong))
    return settings


def _parse(text: str, default: object, least: int) -> object:
    if isinstance(default, bool):
        if text.lower() in ("1", "true", "yes", "on"):
            return True
        if text.lower() in ("0", "false", "no", "off"):
            return False
        raise ValueError("must be 1 or 0")
    if isinstance(default, str):
        return text
    kind = float if isinstance(default, float) else int
    try:
        value = kind(text)
    except ValueError:
        raise ValueError(f"must be a {'number' if kind is float else 'whole number'}") from None
    if not least <= value < float("inf"):
        raise ValueError(f"must be {least} or more")
    return value


def cpus() -> int:
    """Return how many processors this container may use: affinity, and cgroup v2's quota."""
    count = len(os.sched_getaffinity(0))
    try:
        with open("/sys/fs/cgroup/cpu.max", encoding="ascii") as file:
            quota, period = file.read().split()
        if quota != "max":
            count = min(count, -(-int(quota) // int(period)))
    except (OSError, ValueError):
        pass  # no such cgroup here
    return max(count, 1)
