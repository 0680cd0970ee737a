from __future__ import annotations

import subprocess
import sys
from dataclasses import replace

import pytest

from jupyter_containerize import workflow
from jupyter_containerize.errors import ContainerizeError
from jupyter_containerize.model.check import Check
from jupyter_containerize.model.event import FindingRaised, LogLine, ignore
from jupyter_containerize.model.request import (
    DoctorRequest,
    LogsRequest,
    RemoveRequest,
    RunsRequest,
    StopRequest,
)
from jupyter_containerize.model.run import Run, RunSpec, RunState
from jupyter_containerize.workflow import choices


class Elsewhere:
    """A runtime whose runs are not in the store."""

    name = "elsewhere"

    def __init__(self, *ids):
        self.runs = {
            run_id: Run(run_id, RunSpec("sha256:0"), self.name, RunState.RUNNING, started_at=number)
            for number, run_id in enumerate(ids)
        }
        self.unreachable = False

    def _ask(self):
        if self.unreachable:
            raise ContainerizeError("no-cluster", what="Nobody answers.", fix="Call again.")

    def get(self, run_id, *, store):
        self._ask()
        for key, run in self.runs.items():
            if key.startswith(run_id):
                return run
        raise ContainerizeError("no-such-run", what="Not here.")

    def list(self, *, store):
        self._ask()
        return tuple(self.runs.values())

    def problems(self, *, store):
        return ()

    def logs(self, run_id, *, store, follow=False):
        yield f"log of {run_id}\n"

    def stop(self, run_id, *, store, grace_s):
        self.runs[run_id] = replace(self.runs[run_id], state=RunState.STOPPED)
        return self.runs[run_id]

    def remove(self, run_id, *, store):
        del self.runs[run_id]

    def checks(self):
        self._ask()
        return (Check(self.name, works=True, what="Far away."),)


@pytest.fixture
def elsewhere(monkeypatch):
    runtime = Elsewhere("aa11", "bb22")
    monkeypatch.setitem(choices._RUNTIMES, runtime.name, lambda: runtime)
    return runtime


def test_a_run_is_found_whichever_runtime_started_it(elsewhere):
    said = []
    logged = workflow.perform("logs", LogsRequest("bb"), emit=said.append)
    assert said == [LogLine("log of bb22\n")]
    assert logged["run"]["id"] == "bb22"
    assert workflow.perform("stop", StopRequest(""), emit=ignore)["run"]["state"] == "stopped"
    assert elsewhere.runs["bb22"].state is RunState.STOPPED  # the newest
    workflow.perform("rm", RemoveRequest(("aa11",)), emit=ignore)
    rows = workflow.perform("runs", RunsRequest(), emit=ignore)["runs"]
    assert [row["id"] for row in rows] == ["bb22"]


def test_a_runtime_that_cannot_be_asked_hides_no_run_of_another(elsewhere):
    elsewhere.unreachable = True
    said = []
    assert workflow.perform("runs", RunsRequest(), emit=said.append) == {"runs": []}
    assert [event.finding.code for event in said if isinstance(event, FindingRaised)] == [
        "no-cluster"
    ]
    with pytest.raises(ContainerizeError) as caught:
        workflow.perform("logs", LogsRequest("aa11"), emit=ignore)
    assert caught.value.code == "no-cluster"
    checks = workflow.perform("doctor", DoctorRequest(), emit=ignore)["runtimes"]
    names = [check["name"].partition("/")[0] for check in checks]
    assert "sandbox" in names
    assert names[-1] == "no-cluster"


def test_what_nobody_knows(elsewhere):
    with pytest.raises(ContainerizeError) as caught:
        workflow.perform("logs", LogsRequest("cc"), emit=ignore)
    assert caught.value.code == "no-such-run"
    for named in (choices.builder_named, choices.runtime_named):
        with pytest.raises(ContainerizeError, match="Choose one of: "):
            named("magic")


def test_nothing_is_imported_before_it_is_asked_for():
    script = (
        "import sys; from jupyter_containerize.workflow import choices\n"
        "assert not [n for n in sys.modules if n.endswith(('.sandbox', '.daemonless'))]\n"
        "choices.runtimes(); choices.builders()\n"
        "assert not {'docker', 'kubernetes', 'requests'} & set(sys.modules)"
    )
    subprocess.run([sys.executable, "-c", script], check=True)
