"""`/metrics` in Prometheus' text format 0.0.4, summed over all workers."""

from __future__ import annotations

from .board import CODES, ENDPOINTS, ERRORS, LAYOUT, ROWS, SECONDS, Board

CONTENT_TYPE = "text/plain; version=0.0.4; charset=utf-8"


def render(board: Board) -> bytes:
    """Return the metrics of the whole service."""
    lines = _head("requests_total", "counter", "Answered requests, by endpoint and status code.")
    for endpoint_at, endpoint in enumerate(ENDPOINTS):
        for code_at, code in enumerate(CODES):
            count = board.total(LAYOUT.requests + endpoint_at * len(CODES) + code_at)
            if count:
                labels = f'endpoint="{endpoint}",code="{code}"'
                lines.append(f"containerize_requests_total{{{labels}}} {count:.0f}")
    lines += _head("errors_total", "counter", "Requests that were not answered with 200, by cause.")
    for place, kind in enumerate(ERRORS):
        count = board.total(LAYOUT.errors + place)
        lines.append(f'containerize_errors_total{{kind="{kind}"}} {count:.0f}')
    lines += _head("request_seconds", "histogram", "From a request's last byte to its answer.")
    for place, start in enumerate(LAYOUT.latency):
        lines += _histogram(
            board, "request_seconds", start, SECONDS, f'endpoint="{ENDPOINTS[place]}"'
        )
    lines += _head("model_seconds", "histogram", "One call of the model.")
    lines += _histogram(board, "model_seconds", LAYOUT.model, SECONDS, "")
    lines += _head("batch_rows", "histogram", "Rows in one call of the model.")
    lines += _histogram(board, "batch_rows", LAYOUT.rows, ROWS, "")
    gauges = (
        ("queue_length", LAYOUT.queue, "Requests that wait for the model."),
        ("requests_in_flight", LAYOUT.flight, "Requests that are not yet answered."),
        ("workers", LAYOUT.workers, "Worker processes that are ready."),
    )
    for name, place, what in gauges:
        lines += _head(name, "gauge", what)
        lines.append(f"containerize_{name} {board.total(place):.0f}")
    lines += _head("worker_restarts_total", "counter", "Workers that were replaced.")
    lines.append(f"containerize_worker_restarts_total {board.total(LAYOUT.restarts):.0f}")
    return ("\n".join(lines) + "\n").encode()


def _head(name: str, kind: str, what: str) -> list[str]:
    return [f"# HELP containerize_{name} {what}", f"# TYPE containerize_{name} {kind}"]


def _histogram(
    board: Board, name: str, start: int, bounds: tuple[float, ...], labels: str
) -> list[str]:
    lines = []
    total = 0.0
    comma = "," if labels else ""
    for place, bound in enumerate(bounds):
        total += board.total(start + place)
        lines.append(f'containerize_{name}_bucket{{{labels}{comma}le="{bound:g}"}} {total:.0f}')
    total += board.total(start + len(bounds))
    lines.append(f'containerize_{name}_bucket{{{labels}{comma}le="+Inf"}} {total:.0f}')
    braces = f"{{{labels}}}" if labels else ""
    value = board.total(start + len(bounds) + 1)
    lines.append(f"containerize_{name}_sum{braces} {value:.6f}")
    lines.append(f"containerize_{name}_count{braces} {total:.0f}")
    return lines
