from __future__ import annotations

import time

import pytest

from jupyter_containerize.model.run import Run, RunSpec, RunState
from jupyter_containerize.workflow import metrics

TEXT = b"""# TYPE containerize_request_seconds histogram
containerize_request_seconds_bucket{endpoint="infer",le="0.001"} 10
containerize_request_seconds_bucket{endpoint="infer",le="0.01"} 20
containerize_request_seconds_bucket{endpoint="infer",le="+Inf"} 20
containerize_request_seconds_count{endpoint="infer"} 20
containerize_request_seconds_bucket{endpoint="predict",le="0.001"} 50
containerize_request_seconds_bucket{endpoint="predict",le="0.01"} 79
containerize_request_seconds_bucket{endpoint="predict",le="+Inf"} 80
containerize_request_seconds_count{endpoint="predict"} 80
containerize_request_seconds_count{endpoint="health"} 1000
"""


def run(state=RunState.RUNNING, endpoint="http://127.0.0.1:1"):
    return Run(
        "1", RunSpec("sha256:0"), "sandbox", state, endpoint=endpoint, started_at=time.time() - 10
    )


def test_requests_to_the_model_are_counted_and_timed(monkeypatch):
    monkeypatch.setattr(metrics, "get", lambda _, **__: (200, TEXT))
    found = metrics.of_run(run())
    assert found["requests"] == 100
    assert found["per_s"] == pytest.approx(10, rel=0.1)
    assert (found["p50_s"], found["p99_s"]) == (0.001, 0.01)


def test_what_is_no_running_service_has_none(monkeypatch):
    monkeypatch.setattr(metrics, "get", lambda _, **__: (0, b""))
    assert metrics.of_run(run()) is None
    assert metrics.of_run(run(RunState.SUCCEEDED)) is None
    assert metrics.of_run(run(endpoint="")) is None


def test_a_service_that_nobody_asked_has_no_latency(monkeypatch):
    text = b'containerize_request_seconds_bucket{endpoint="infer",le="+Inf"} 0\n'
    monkeypatch.setattr(metrics, "get", lambda _, **__: (200, text))
    assert metrics.of_run(run())["p50_s"] is None
