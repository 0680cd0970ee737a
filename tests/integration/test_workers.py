"""`--workers N` on one machine: real processes that speak with one another, in each local runtime."""

from __future__ import annotations

import json
import os
import subprocess
import sys
from pathlib import Path

import pytest

PARAMETERS = "fails = False"
EXCHANGE = """\
import os, socket, time
index, count = int(os.environ["WORKER_INDEX"]), int(os.environ["WORKER_COUNT"])
address = os.environ["MASTER_ADDR"], int(os.environ["MASTER_PORT"])
if index == 0:
    total = 0
    with socket.create_server(address) as listener:
        for _ in range(count - 1):
            one, _ = listener.accept()
            total += int(one.recv(16))
            one.close()
    print("the chief got", total)
else:
    while True:
        try:
            one = socket.create_connection(address)
            break
        except OSError:
            time.sleep(0.1)
    one.sendall(str(index).encode())
    one.close()
open(f"by-{index}.txt", "w").close()
if fails and index == 1:
    raise ValueError("no more")
time.sleep(600 if fails else 0)"""


@pytest.fixture(scope="module")
def folder(tmp_path_factory, environment):
    """A folder with a store of the image `exchange`."""
    made = tmp_path_factory.mktemp("workers")
    cells = [
        {"cell_type": "code", "id": name, "metadata": {"tags": tags}, "source": source,
         "outputs": [], "execution_count": None}
        for name, source, tags in (("p", PARAMETERS, ["parameters"]), ("e", EXCHANGE, []))
    ]  # fmt: skip
    document = {"cells": cells, "metadata": {}, "nbformat": 4, "nbformat_minor": 5}
    (made / "exchange.ipynb").write_text(json.dumps(document))
    words = ("--kernel", environment("bare"), "--no-execute", "-t", "exchange:1")
    done = call(made, "build", str(made / "exchange.ipynb"), *words)
    assert done.returncode == 0, done.stdout + done.stderr
    return made


def call(folder, *words, **more):
    return subprocess.run(
        [sys.executable, "-m", "jupyter_containerize", *words, "--store", str(folder / "store")],
        env={**os.environ, **more}, capture_output=True, text=True, timeout=240,
    )  # fmt: skip


def run(folder, *words, **more):
    """Run the image; return how the command ended, and the run."""
    done = call(folder, "run", "exchange:1", *words, **more)
    listed = call(folder, "runs", "--json", **more).stdout.splitlines()[-1]
    return done, json.loads(listed)["data"]["runs"][0]


@pytest.mark.parametrize("runtime", ["sandbox", "docker"])
def test_workers_find_one_another_and_their_outputs_come_back(folder, runtime, request):
    more = {}
    if runtime == "docker":
        more["DOCKER_HOST"] = request.getfixturevalue("docker_engine").socket
    done, ended = run(folder, "--runtime", runtime, "--workers", "3", **more)
    assert done.returncode == 0, done.stdout + done.stderr
    assert "[worker 0] the chief got 3" in done.stdout
    outputs = Path(ended["outputs"])
    assert (outputs / "files" / "by-0.txt").exists()
    assert (outputs / "executed.ipynb").exists()
    assert (outputs / "workers" / "2" / "executed.ipynb").exists()


def test_one_worker_that_fails_ends_all(folder):
    done, ended = run(folder, "--workers", "2", "-p", "fails=true")
    assert done.returncode == 1, done.stdout + done.stderr
    assert "[worker 1] ValueError: no more" in done.stdout
    assert ended["state"] == "failed"
