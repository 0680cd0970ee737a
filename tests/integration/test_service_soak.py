"""The soak of benchmarks/service_soak.py, short: `make soak` runs ten minutes of it."""

from __future__ import annotations

import importlib.util
import sys
from pathlib import Path

import pytest

SOAK = Path(__file__).resolve().parents[2] / "benchmarks" / "service_soak.py"


@pytest.fixture(scope="module")
def soak():
    spec = importlib.util.spec_from_file_location("service_soak", SOAK)
    module = importlib.util.module_from_spec(spec)
    sys.modules[spec.name] = module  # dataclasses look it up
    spec.loader.exec_module(module)
    return module


def started(service_runs, predict):
    return service_runs.ServiceRun(
        predict, inputs=[service_runs.tensor("x")], outputs=[service_runs.tensor("y")]
    )


def test_workers_killed_and_malformed_requests_for_twelve_seconds(service_runs, soak):
    with started(service_runs, "return {'y': [[v + 1 for v in r] for r in inputs['x']]}") as run:
        run.start(workers=2, access_log=0)
        seen, wrong = soak.soak(run, seconds=12, seed=3, kill_every_s=1.5)
        assert run.stop() == 0
    assert not wrong, (seen, wrong)
    assert seen["kills"] >= 1
    assert seen["answers"]["422"] > 0


def test_the_soak_sees_wrong_answers(service_runs, soak):
    """A model that mixes up a row now and then does not pass."""
    wrong_model = "return {'y': [[v + (v != 500) for v in r] for r in inputs['x']]}"
    with started(service_runs, wrong_model) as run:
        run.start(workers=2, access_log=0)
        _, wrong = soak.soak(run, seconds=3, seed=3, kill_every_s=100)
    assert wrong
