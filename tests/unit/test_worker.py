"""The worker as a real process: requests, cancellation, crashes, and the end of its parent."""

from __future__ import annotations

import json
import os
import signal
import subprocess
import sys
import time
from contextlib import suppress

import pytest

from jupyter_containerize import worker
from jupyter_containerize.model.event import Failed, Result
from jupyter_containerize.model.request import BuildRequest, StoreRequest

HANGING = {
    "cells": [
        {
            "cell_type": "code",
            "id": "a",
            "metadata": {},
            "source": "import time; time.sleep(600)",
            "outputs": [],
            "execution_count": None,
        }
    ],
    "metadata": {},
    "nbformat": 4,
    "nbformat_minor": 5,
}


@pytest.fixture
def hanging(tmp_path):
    """A notebook that would run for ten minutes."""
    path = tmp_path / "hanging.ipynb"
    path.write_text(json.dumps(HANGING))
    return str(path)


def ask(text):
    """Run a worker on raw standard input."""
    done = subprocess.run(
        [sys.executable, "-m", "jupyter_containerize.worker"],
        input=text,
        capture_output=True,
        text=True,
        timeout=60,
        check=False,
    )
    return done.returncode, [json.loads(line) for line in done.stdout.splitlines()]


def wait_for(started, kind):
    for event in started.events():
        if getattr(event, "step", "") == kind:
            return
    pytest.fail(f"no event of {kind}")


def gone(pid, within_s=20.0):
    end = time.monotonic() + within_s
    while time.monotonic() < end:
        try:
            os.kill(pid, 0)
            with open(f"/proc/{pid}/stat") as file:
                if file.read().rpartition(")")[2].split()[0] == "Z":
                    return True
        except (ProcessLookupError, FileNotFoundError):
            return True
        time.sleep(0.05)
    return False


def kernels_in(folder):
    """Return the processes that run in a folder: the kernels of its notebooks."""
    found = []
    for pid in filter(str.isdigit, os.listdir("/proc")):
        with suppress(OSError):
            if os.readlink(f"/proc/{pid}/cwd") == str(folder):
                found.append(pid)
    return found


def test_a_request_over_standard_input():
    code, events = ask(json.dumps({"command": "ls", "options": {}}))
    assert code == 0
    assert [event["is"] for event in events] == ["result"]
    assert events[0]["data"]["images"] == []


@pytest.mark.parametrize(
    "text",
    ["", "{", "[]", '{"command": "ls"}', '{"command": "nope", "options": {}}', "null"],
)
def test_what_is_not_a_request(text):
    code, events = ask(text)
    assert code == 1
    assert events[-1]["error"]["code"] == "bad-request"


def test_a_request_of_the_wrong_shape():
    code, events = ask('{"command": "ls", "options": {"store": 5}}')
    assert code == 1
    assert events[-1]["error"]["code"] == "bad-format"


def test_an_error_is_the_last_event():
    events = list(worker.start("build", BuildRequest(notebook="/no/such.ipynb")).events())
    assert isinstance(events[-1], Failed)
    assert events[-1].error["code"] == "no-such-notebook"


def test_modules_beside_the_notebook_do_not_disturb_it(tmp_path, monkeypatch):
    (tmp_path / "json.py").write_text("raise RuntimeError('not this one')")
    monkeypatch.chdir(tmp_path)
    assert isinstance(list(worker.start("ls", StoreRequest()).events())[-1], Result)


def test_cancelling_ends_the_kernel_that_it_started(hanging, tmp_path):
    started = worker.start("build", BuildRequest(notebook=hanging))
    wait_for(started, "capture")
    assert kernels_in(tmp_path)
    started.cancel()
    last = list(started.events())[-1]
    assert isinstance(last, Failed)
    assert last.error["code"] == "interrupted"
    assert gone(started.pid)
    assert not kernels_in(tmp_path)


def test_a_worker_ends_when_its_parent_is_gone(hanging, tmp_path):
    """The parent is killed: it can tell nobody; the worker and its kernel must end all the same."""
    program = f"""
from jupyter_containerize import worker
from jupyter_containerize.model.request import BuildRequest
started = worker.start("build", BuildRequest(notebook={hanging!r}))
for event in started.events():
    if getattr(event, "step", "") == "capture":
        print(started.pid, flush=True)
"""
    with subprocess.Popen(
        [sys.executable, "-c", program], stdout=subprocess.PIPE, text=True
    ) as parent:
        pid = int(parent.stdout.readline())
        parent.kill()
    assert gone(pid)
    assert not kernels_in(tmp_path)


def test_a_worker_that_dies_is_an_error_that_says_how(hanging):
    started = worker.start("build", BuildRequest(notebook=hanging))
    wait_for(started, "execute")
    os.kill(started.pid, signal.SIGSEGV)
    last = list(started.events())[-1]
    assert last.error["code"] == "worker-crashed"
    assert "signal 11" in last.error["why"]
    started.kill()


def test_what_a_worker_says_on_standard_error_is_in_the_report(monkeypatch, tmp_path):
    (tmp_path / "sitecustomize.py").write_text(
        "import sys\nif 'worker' in ' '.join(sys.orig_argv):\n"
        "    sys.stderr.write('out of luck')\n    sys.stderr.flush()\n    import os; os._exit(3)\n"
    )
    monkeypatch.setenv("PYTHONPATH", str(tmp_path))
    last = list(worker.start("ls", StoreRequest()).events())[-1]
    assert last.error["code"] == "worker-crashed"
    assert "exit code 3" in last.error["why"]
    assert "out of luck" in last.error["why"]


def test_starting_needs_little():
    """`start` runs in kernels: importing it must not bring the workflow along."""
    program = (
        "import sys, jupyter_containerize.worker\n"
        "print([name for name in sys.modules if name.startswith('jupyter_containerize.')])"
    )
    done = subprocess.run(
        [sys.executable, "-c", program], capture_output=True, text=True, check=True
    )
    assert "workflow" not in done.stdout
    assert "capture" not in done.stdout


def test_a_worker_that_is_cancelled_before_it_has_begun_was_interrupted(hanging):
    started = worker.start("build", BuildRequest(notebook=hanging))
    started.cancel()
    assert [event.error["code"] for event in started.events()] == ["interrupted"]


def test_a_prepared_worker_has_imported_what_it_needs_before_it_is_asked():
    with worker.prepare("build") as prepared:
        maps = f"/proc/{prepared.pid}/maps"
        end = time.monotonic() + 60
        while not any("_ssl" in line or "_hashlib" in line for line in open(maps)):  # noqa: SIM115
            assert time.monotonic() < end, "it waits for its request without importing anything"
            time.sleep(0.05)
        events = list(prepared.begin(BuildRequest(notebook="/no/such.ipynb")).events())
    assert events[-1].error["code"] == "no-such-notebook"


def test_a_prepared_worker_that_nobody_asks_is_gone():
    with pytest.raises(KeyboardInterrupt), worker.prepare("build") as prepared:
        raise KeyboardInterrupt
    assert gone(prepared.pid)
