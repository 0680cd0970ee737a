"""`%containerize` in a real kernel, as a notebook's cells would use it."""

from __future__ import annotations

import json
import os
import subprocess
import sys
import tempfile
import time
from pathlib import Path
from queue import Empty

import pytest
from jupyter_client.manager import start_new_kernel

SLEEPER = "import time; print('up', flush=True); time.sleep(600)"


class Notebook:
    """A live kernel with the magic, and a notebook file that it knows of."""

    def __init__(self, folder):
        self.folder = folder
        self.path = folder / "live.ipynb"
        environment = {
            **os.environ,
            "HOME": str(folder / "home"),
            "JUPYTER_CONTAINERIZE_STORE": str(folder / "store"),
            "JUPYTER_CONFIG_DIR": str(folder / "config"),
            "JPY_SESSION_NAME": str(self.path),
        }
        self.manager, self.client = start_new_kernel(cwd=str(folder), env=environment)
        self.cells = []

    def save(self):
        self.path.write_text(
            json.dumps(
                {
                    "cells": [
                        {
                            "cell_type": "code",
                            "id": f"c{number}",
                            "metadata": {},
                            "source": source,
                            "outputs": [],
                            "execution_count": None,
                        }
                        for number, source in enumerate(self.cells)
                    ],
                    "metadata": {"kernelspec": {"name": "python3", "display_name": "Python"}},
                    "nbformat": 4,
                    "nbformat_minor": 5,
                }
            )
        )

    def start(self, source):
        """Add a cell and send it to the kernel; return the request's id."""
        self.cells.append(source)
        self.save()
        return self.client.execute(source)

    def outputs(self, request, until=None, timeout_s=120):
        """Return the messages of a request, until its end or until `until` is seen in one."""
        found = []
        end = time.monotonic() + timeout_s
        while time.monotonic() < end:
            try:
                message = self.client.get_iopub_msg(timeout=1)
            except Empty:
                continue
            if message["parent_header"].get("msg_id") != request:
                continue
            kind, content = message["msg_type"], message["content"]
            if kind == "status" and content["execution_state"] == "idle":
                return found
            found.append((kind, content))
            if until and until in json.dumps(content):
                return found
        pytest.fail(f"no end: {found}")

    def run(self, source):
        """Add a cell, execute it, and return its messages."""
        return self.outputs(self.start(source))


def text_of(messages, kind="text/plain"):
    """Return what a front end would show in the end: the last state of each display."""
    shown = {}
    for number, (message, content) in enumerate(messages):
        if message in ("display_data", "update_display_data", "execute_result"):
            key = content.get("transient", {}).get("display_id") or number
            shown[key] = content["data"].get(kind, "")
        elif message == "stream":
            shown[number] = content["text"]
    return "\n".join(shown.values())


def error_of(messages):
    return next((content for kind, content in messages if kind == "error"), None)


@pytest.fixture(scope="module")
def notebook():
    with tempfile.TemporaryDirectory(dir="/tmp") as place:
        (Path(place) / "home").mkdir()
        live = Notebook(Path(place))
        live.run("%load_ext jupyter_containerize")
        live.run("import math\nprint(round(math.pi, 3))")
        live.run("math.tau")
        try:
            yield live
        finally:
            live.client.stop_channels()
            live.manager.shutdown_kernel(now=True)


@pytest.fixture(scope="module")
def built(notebook):
    return notebook.run("%containerize --run --verify")


def test_the_magic_alone_builds_this_notebook(built):
    assert error_of(built) is None
    text = text_of(built)
    assert "live:latest" in text
    assert "Verified: the image does what the notebook did" in text
    assert "3.142" in text, "the run's log is shown"
    assert "secret" not in text


def test_results_are_html_with_a_plain_twin(built):
    page = text_of(built, "text/html")
    assert "<table" in page
    assert "live:latest" in page
    assert "<script" not in page


def test_progress_is_one_display_that_is_updated(built):
    first = next(content for kind, content in built if kind == "display_data")
    name = first["transient"]["display_id"]
    updates = [
        content
        for kind, content in built
        if kind == "update_display_data" and content["transient"]["display_id"] == name
    ]
    assert len(updates) >= 3
    assert "✓ Building live:latest" in updates[-1]["data"]["text/plain"]


def test_other_commands_follow_the_same_words(notebook, built):
    del built
    assert "live:latest" in text_of(notebook.run("%containerize ls"))
    assert "imported by" not in text_of(notebook.run("%containerize ls"))
    assert "required by the guest" in text_of(notebook.run("%containerize inspect"))
    assert "3.142" in text_of(notebook.run("%containerize run"))
    assert "succeeded" in text_of(notebook.run("%containerize runs"))
    assert "builder to use" in text_of(notebook.run("%containerize doctor"))
    assert "usage: %containerize build" in text_of(notebook.run("%containerize build --help"))


def test_json_events(notebook, built):
    del built
    lines = text_of(notebook.run("%containerize ls --json")).split("\n")
    assert json.loads(lines[0])["is"] == "result"


@pytest.mark.parametrize(
    ("line", "code", "hint"),
    [
        ("%containerize bulid", "usage", "build"),
        ("%containerize --verfy", "usage", "--verify"),
        ("%containerize run nothing", "image-not-found", "ls"),
        ("%containerize build 'open quote", "usage", "quot"),
    ],
)
def test_a_mistake_fails_the_cell_without_our_traceback(notebook, line, code, hint):
    messages = notebook.run(line)
    error = error_of(messages)
    assert error["ename"] == "ContainerizeFailed"
    assert code in error["evalue"]
    assert len(error["traceback"]) == 1
    assert 'File "' not in json.dumps(error)
    assert hint in text_of(messages).lower()


def test_a_failed_proof_fails_the_cell(notebook):
    notebook.run("import random")
    notebook.run("random.random()")
    messages = notebook.run("%containerize --verify -t other")
    assert error_of(messages)["evalue"].endswith("[not-verified]")
    text = text_of(messages)
    assert "no seed" in text
    assert "live:latest" in text_of(notebook.run("%containerize ls"))


def test_interrupting_the_cell_stops_the_run_and_leaves_the_kernel_well(notebook, built):
    del built
    request = notebook.start(f'%containerize run live -- python -c "{SLEEPER}"')
    notebook.outputs(request, until='"up\\n')
    notebook.manager.interrupt_kernel()
    messages = notebook.outputs(request)
    assert "[interrupted]" in error_of(messages)["evalue"], messages
    assert text_of(notebook.run("print(6 * 7)")) == "42\n"
    rows = [line.split() for line in text_of(notebook.run("%containerize runs")).split("\n")[1:]]
    assert rows[0][2] == "stopped"


def test_settings_by_config(notebook, built):
    del built
    notebook.run(f"%config Containerize.store = {str(notebook.folder / 'elsewhere')!r}")
    assert "no image yet" in text_of(notebook.run("%containerize ls"))
    notebook.run("%config Containerize.store = ''")
    assert "live:latest" in text_of(notebook.run("%containerize ls"))
    assert "Folder of the image store" in text_of(notebook.run("%config Containerize"))


def test_commands_and_options_are_completed(notebook):
    def completed(line):
        request = notebook.client.complete(line, len(line))
        while True:
            reply = notebook.client.get_shell_msg(timeout=20)
            if reply["parent_header"].get("msg_id") == request:
                return reply["content"]["matches"]

    assert "build" in completed("%containerize bu")
    assert "--verify" in completed("%containerize build --ver")


def test_little_is_imported_into_the_kernel(notebook):
    text = text_of(
        notebook.run(
            "import sys\n"
            "print([name for name in ('nbclient', 'nbformat', 'jsonschema',"
            " 'jupyter_containerize.workflow', 'jupyter_containerize.capture.assemble')"
            " if name in sys.modules])"
        )
    )
    assert text == "[]\n"


def test_unloading_takes_it_out_again(notebook):
    notebook.run("%unload_ext jupyter_containerize")
    assert "not found" in text_of(notebook.run("%containerize ls"))
    notebook.run("%load_ext jupyter_containerize")
    assert "STATE" in text_of(notebook.run("%containerize runs"))


def test_ipython_in_a_terminal_gets_plain_text(tmp_path):
    done = subprocess.run(
        [
            *(sys.executable, "-m", "IPython", "--no-banner", "--colors=NoColor", "-c"),
            "%load_ext jupyter_containerize\n%containerize ls\n%containerize bulid",
        ],
        cwd=tmp_path,
        capture_output=True,
        text=True,
        check=False,
    )
    assert "There is no image yet" in done.stdout
    assert "Did you mean `build`?" in done.stdout + done.stderr
    assert 'File "' not in done.stdout + done.stderr
    assert "<div" not in done.stdout
