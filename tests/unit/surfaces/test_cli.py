from __future__ import annotations

import json
import threading

import pytest

from jupyter_containerize.model.event import Failed, LayerDone, Result
from jupyter_containerize.surfaces import cli


def test_events_of_several_threads_stay_one_a_line(capsys):
    event = LayerDone("x" * 200, "sha256:1", 1, reused=False)
    threads = [
        threading.Thread(target=lambda: [cli._print_event(event) for _ in range(200)])
        for _ in range(8)
    ]
    for thread in threads:
        thread.start()
    for thread in threads:
        thread.join()
    lines = capsys.readouterr().out.splitlines()
    assert len(lines) == 1600
    assert {json.loads(line)["is"] for line in lines} == {"layer-done"}


@pytest.mark.parametrize(
    ("command", "event", "code"),
    [
        ("ls", Result("ls", {"images": []}), 0),
        ("ls", Failed({"code": "x", "what": "y"}), 1),
        ("build", Failed({"code": "interrupted", "what": "y"}), 130),
        ("run", Result("run", {"run": {"state": "succeeded", "exit_code": 0}}), 0),
        ("run", Result("run", {"run": {"state": "failed", "exit_code": 3}}), 3),
        ("run", Result("run", {"run": {"state": "stopped", "exit_code": 143}}), 143),
        ("run", Result("run", {"run": {"state": "lost", "exit_code": None}}), 1),
        ("run", Result("run", {"run": {"state": "running", "exit_code": None}}), 0),
        ("logs", Result("logs", {"run": {"state": "failed", "exit_code": 3}}), 0),
        ("stop", Result("stop", {"run": {"state": "stopped", "exit_code": 143}}), 0),
        ("verify", Result("verify", {"verdict": {"state": "failed"}}), 1),
        ("verify", Result("verify", {"verdict": {"state": "unproven"}}), 0),
        ("build", Result("build", {"run": None, "verdict": {"state": "verified"}}), 0),
    ],
)
def test_exit_codes(command, event, code):
    assert cli.exit_code(command, event) == code


@pytest.mark.parametrize("words", [["--help"], ["build", "--help"], ["--version"], []])
def test_help_and_version_are_no_failures(words, capsys):
    assert cli.main(words) == 0
    assert "jupyter" in capsys.readouterr().out


def test_usage_errors_as_json(capsys):
    assert cli.main(["ls", "--jsn", "--json"]) == cli.USAGE
    assert json.loads(capsys.readouterr().out)["error"]["code"] == "usage"
