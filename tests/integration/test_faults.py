"""Damage, interrupts and races around the command line: what is whole stays usable."""

from __future__ import annotations

import contextlib
import json
import os
import random
import shutil
import signal
import subprocess
import sys
import threading
import time
from pathlib import Path

import pytest

from jupyter_containerize.model.event import LogLine
from jupyter_containerize.model.reference import Reference
from jupyter_containerize.model.run import RunSpec
from jupyter_containerize.oci.store import Store
from jupyter_containerize.runtimes import bubblewrap
from jupyter_containerize.runtimes.sandbox import SandboxRuntime
from jupyter_containerize.surfaces import cli

COMMAND = [sys.executable, "-m", "jupyter_containerize"]
MARK = "CONTAINERIZE_TEST_MARK"


@pytest.fixture
def store(tmp_path, require):
    require(shutil.which("busybox"), "busybox (Debian: busybox-static)")
    require(bubblewrap.program(), "bubblewrap")
    return Store.open(str(tmp_path / "store"))


@pytest.fixture
def image(store, tiny_images):
    made = tiny_images.image(store)
    return store.tag(made, Reference.parse("tiny"))


@pytest.fixture
def command(store, capsys):
    """Run a command in this process; return its exit code and its last event."""

    def run(*words):
        handler = signal.getsignal(signal.SIGTERM)
        code = cli.main([*words, "--store", store.root, "--json"])
        signal.signal(signal.SIGTERM, handler)
        events = [json.loads(line) for line in capsys.readouterr().out.splitlines()]
        assert events[-1].get("error", {}).get("code") != "internal-error", events[-1]
        return code, events[-1], events

    return run


def spoil(folder, text="{spoilt"):
    paths = [path for path in Path(folder).iterdir() if path.is_file()]
    assert paths
    for path in paths:
        path.write_text(text)


@pytest.mark.parametrize("text", ["", "{spoilt", "[]", '{"layers": 3, "digest": "x"}'])
def test_damaged_small_files_hide_nothing_else(store, image, command, text):
    assert command("run", "tiny")[0] == 0
    for folder in ("snapshots", "plans", "verdicts"):
        store.put_document(folder, image.digest, {})
        spoil(os.path.join(store.root, folder), text)
    store.remember_layer("key", image.layers[0])
    spoil(os.path.join(store.root, "keys"), text)
    for path in Path(store.unpacked_folder).glob("*.json"):
        path.write_text(text)
    _, last, _ = command("ls")
    assert [one["names"] for one in last["data"]["images"]] == [["tiny:latest"]]
    command("inspect", "tiny")
    command("diff", "tiny", "tiny")
    assert command("run", "tiny")[0] == 0
    assert command("gc")[0] == 0
    assert command("run", "tiny")[0] == 0


def test_a_damaged_name_costs_no_image(store, image, command):
    spoil(os.path.join(store.root, "names"))
    _, last, _ = command("ls")
    assert [one["names"] for one in last["data"]["images"]] == [[]]
    code, last, _ = command("gc")  # would take the image for one that nobody wants
    assert (code, last["error"]["code"]) == (1, "store-damaged")
    [name] = (Path(store.root) / "names").iterdir()
    assert str(name) in last["error"]["why"]
    assert command("tag", image.digest, "tiny")[0] == 0
    assert command("gc")[0] == 0
    assert command("run", "tiny")[0] == 0


def test_an_image_that_lost_a_layer_says_so(store, image, command):
    os.unlink(store.blob_path(image.layers[0].digest))
    for words in (("run",), ("inspect",), ("validate",)):
        code, last, _ = command(*words, "tiny")
        assert (code, last["error"]["code"]) == (1, "image-damaged")
        assert last["error"]["fix"]
    assert command("ls")[1]["data"]["images"] == []


@pytest.mark.usefixtures("image")
def test_a_damaged_run_is_shown_and_can_be_removed(store, command):
    runs = Path(store.runs_folder)
    assert command("run", "tiny")[0] == 0
    [folder] = runs.iterdir()
    assert command("run", "tiny")[0] == 0
    for text in ("{spoilt", '{"version": 99}', "[]"):
        (folder / "run.json").write_text(text)
        _, last, events = command("runs")
        assert len(last["data"]["runs"]) == 1
        [finding] = [event["finding"] for event in events if event["is"] == "finding"]
        assert folder.name in finding["what"]
        assert command("logs", folder.name)[1]["error"]["code"] == "bad-run-record"
    (runs / "stray").touch()
    command("gc")
    (runs / "stray").unlink()
    assert command("rm", folder.name)[0] == 0
    assert not folder.exists()
    assert command("rm", "nothing")[1]["error"]["code"] == "image-not-found"
    assert command("logs", "../..")[1]["error"]["code"] == "no-such-run"


def test_an_image_that_runs_stays_and_a_run_is_stopped_twice(store, image, command):
    sleeping = RunSpec(image=image.digest, entrypoint=("/bin/sleep", "60"))
    run = SandboxRuntime().start(sleeping, store=store)
    assert command("rm", run.id)[1]["error"]["code"] == "run-is-running"
    assert command("rm", image.digest)[1]["error"]["code"] == "image-in-use"
    assert command("rm", "tiny")[0] == 0  # only the name
    assert command("gc")[0] == 0
    assert len(store.images()) == 1
    for _ in range(2):
        assert command("stop", run.id)[1]["data"]["run"]["state"] == "stopped"


def test_events_of_many_threads_are_whole_lines(capfd):
    """Builders emit from several threads at once."""
    interval = sys.getswitchinterval()
    sys.setswitchinterval(1e-6)
    try:
        threads = [
            threading.Thread(
                target=lambda: [cli._print_event(LogLine("x" * 200)) for _ in range(300)]
            )
            for _ in range(8)
        ]
        for thread in threads:
            thread.start()
        for thread in threads:
            thread.join()
    finally:
        sys.setswitchinterval(interval)
    lines = capfd.readouterr().out.splitlines()
    assert len(lines) == 2400
    assert all(json.loads(line)["text"] for line in lines)


def marked(mark):
    """Return the processes that inherited our mark, whatever has become of their parents."""
    found = []
    for name in filter(str.isdigit, os.listdir("/proc")):
        with contextlib.suppress(OSError):  # ended meanwhile, or somebody else's
            if mark in Path("/proc", name, "environ").read_bytes():
                found.append(Path("/proc", name, "cmdline").read_bytes())
    return found


def interrupted(words, *, after_s, group, number):
    """Start a command, interrupt it, and return its exit code and its events."""
    mark = f"{os.getpid()}-{number}"
    process = subprocess.Popen(
        [*COMMAND, words[0], "--json", *words[1:]],
        stdout=subprocess.PIPE,
        stderr=subprocess.PIPE,
        env={**os.environ, MARK: mark},
        start_new_session=True,
    )
    time.sleep(after_s)
    (os.killpg if group else os.kill)(process.pid, signal.SIGINT)
    output, error = process.communicate(timeout=60)
    assert b"jupyter_containerize" not in error or b"Traceback" not in error, error
    deadline = time.monotonic() + 5
    while (left := marked(f"{MARK}={mark}".encode())) and time.monotonic() < deadline:
        time.sleep(0.05)
    assert left == []
    # -2: the interrupt came while Python itself was starting; a shell shows both as 130.
    assert process.returncode in (0, 130, -signal.SIGINT)
    return process.returncode, [json.loads(line) for line in output.splitlines()]


def test_ctrl_c_at_any_moment_of_a_build(tmp_path, environment):
    cell = {"cell_type": "code", "id": "a", "metadata": {}, "source": "1", "outputs": []}
    path = tmp_path / "n.ipynb"
    path.write_text(
        json.dumps({"nbformat": 4, "nbformat_minor": 5, "metadata": {}, "cells": [cell]})
    )
    words = ["build", str(path), "--kernel", environment("bare"), "--store", str(tmp_path / "s")]
    generator = random.Random(5)
    for number in range(5):
        code, events = interrupted(
            words, after_s=generator.uniform(0.2, 5), group=bool(number % 2), number=number
        )
        if code == 130 and events:
            assert events[-1]["error"]["code"] == "interrupted"
    store = Store.open(str(tmp_path / "s"))
    store.sweep()
    assert os.listdir(store.temporary_folder) == []
    for image in store.images():
        assert all(store.has_blob(layer.digest) for layer in image.layers)


@pytest.mark.usefixtures("image")
def test_ctrl_c_at_any_moment_of_a_run(store):
    sleeping = ["run", "tiny", "--store", store.root, "--", "/bin/sleep", "60"]
    generator = random.Random(6)
    for number in range(4):
        code, _ = interrupted(
            sleeping, after_s=generator.uniform(0.1, 1.5), group=bool(number % 2), number=number
        )
        assert code in (130, -signal.SIGINT)
    assert all(run.state.final for run in SandboxRuntime().list(store=store))
