"""How a running service fares, by what it tells at /metrics (Prometheus' text format 0.0.4)."""

from __future__ import annotations

import re
import time
from collections.abc import Iterable
from typing import Any

from ..model.run import Run, RunState
from .services import get

_TIMEOUT_S = 0.5
_LINE = re.compile(r"containerize_request_seconds_(bucket|sum|count)\{([^}]*)\} (\S+)")
_LABEL = re.compile(r'(\w+)="([^"]*)"')
#: What asks the model; health checks and pages are no requests in this sense.
_ASKING = ("predict", "infer")


def of_run(run: Run) -> dict[str, Any] | None:
    """Return `requests`, `per_s` since the start, `p50_s` and `p99_s`; None for what is no service."""
    if run.state is not RunState.RUNNING or not run.endpoint:
        return None
    status, body = get(f"{run.endpoint}/metrics", timeout_s=_TIMEOUT_S)
    if status != 200:  # noqa: PLR2004 - HTTP's OK
        return None
    buckets, total = _latencies(body.decode("utf-8", "replace").splitlines())
    if not buckets:
        return None
    seconds = max(time.time() - (run.started_at or time.time()), 1.0)
    return {
        "requests": int(total),
        "per_s": total / seconds,
        "p50_s": _quantile(buckets, 0.50),
        "p99_s": _quantile(buckets, 0.99),
    }


def _latencies(lines: Iterable[str]) -> tuple[dict[float, float], float]:
    """Return the cumulative histogram of requests to the model, by upper bound, and their number."""
    buckets: dict[float, float] = {}
    total = 0.0
    for line in lines:
        found = _LINE.match(line)
        if found is None:
            continue
        labels = dict(_LABEL.findall(found[2]))
        if not any(word in labels.get("endpoint", "") for word in _ASKING):
            continue
        if found[1] == "count":
            total += float(found[3])
        elif found[1] == "bucket":
            bound = float(labels["le"].replace("+Inf", "inf"))
            buckets[bound] = buckets.get(bound, 0.0) + float(found[3])
    return dict(sorted(buckets.items())), total


def _quantile(buckets: dict[float, float], share: float) -> float | None:
    """Return the upper bound under which that share of requests was answered, None for none."""
    total = max(buckets.values())
    if not total:
        return None
    finite = [bound for bound in buckets if bound != float("inf")]
    for bound in finite:
        if buckets[bound] >= share * total:
            return bound
    return finite[-1] if finite else None
