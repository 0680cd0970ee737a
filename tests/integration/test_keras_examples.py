"""The Keras examples, built once: in a Docker engine, in a registry, and on the fake cluster, whose pods are processes.

In the cluster by command line and by magic; tests/integration/test_kubernetes_cluster_keras.py does the same on a real one.
"""

from __future__ import annotations

import json
import os
import re
import shutil
import subprocess
import sys
from pathlib import Path

import pytest

EXAMPLE = Path(__file__).resolve().parents[2] / "examples" / "keras_classifier"
pytestmark = [pytest.mark.slow, pytest.mark.timeout(1500)]
SIZE = "--memory 2G --cpus 1"
POINT = {"rows": [[0.5] * 10]}


@pytest.fixture(scope="module")
def shell(docker_engine, environment, open_folder):
    """Run our command beside a copy of the example; return its result."""
    folder = open_folder / "keras"
    shutil.copytree(EXAMPLE, folder / "example")
    shutil.copy(EXAMPLE.parent / "keras_workers" / "keras_workers.ipynb", folder / "example")
    # TensorFlow behaves otherwise where it sees pytest's variables, which no container has.
    variables = {
        name: value for name, value in os.environ.items() if not name.startswith("PYTEST_")
    }

    def run(*words):
        done = subprocess.run(
            [sys.executable, "-m", "jupyter_containerize", *words, "--store", str(folder / "store"),
             "--json"],
            cwd=folder / "example", env={**variables, "DOCKER_HOST": docker_engine.socket},
            capture_output=True, text=True,
        )  # fmt: skip
        result = json.loads(done.stdout.splitlines()[-1])
        assert "data" in result, result
        return result["data"]

    run.kernel = environment("keras")
    run.folder = folder
    return run


@pytest.fixture(scope="module")
def built(shell):
    """What `build --to docker --run --verify` told."""
    return shell("build", "keras_classifier.ipynb", "--kernel", shell.kernel, "--tag", "keras:1",
                 "--to", "docker", "--runtime", "docker", "--run", "--verify")  # fmt: skip


def test_build_to_docker_run_verify(built, docker_engine):
    assert built["verdict"]["state"] == "verified", json.dumps([built["verdict"], built["run"]])
    assert built["run"]["runtime"] == "docker"
    # Another test may have given this engine some of them.
    assert 0 < built["engine"]["sent_layers"] <= built["image"]["layers"]
    assert "keras" in docker_engine.docker("images", "keras:1")


@pytest.mark.usefixtures("built")
def test_build_push_docker_pull_run(shell, docker_engine, registry, registries):
    pushed = shell("push", "keras:1", f"{registry.url}/me/keras:1")
    # Or nothing would have to be pulled. Some disks are slow to free so much.
    docker_engine.docker("image", "rm", "-f", "keras:1", timeout=600)
    with registries.relayed(registry, docker_engine) as there:
        name = pushed["reference"].replace(registry.url, there)
        docker_engine.docker("pull", "-q", name, timeout=600)
    said = docker_engine.docker("run", "--rm", "--network=none", name, timeout=300)
    assert "saved classifier.keras" in said
    assert "accuracy on unseen points" in said


@pytest.fixture(scope="module")
def several(shell, built):
    """The other Keras example, which shares all but its cells with the first, as `several:1`."""
    del built
    shell("build", "keras_workers.ipynb", "--kernel", shell.kernel, "--no-execute", "--tag",
          "several:1")  # fmt: skip


@pytest.mark.usefixtures("several")
def test_workers_train_one_model(shell):
    options = ("--workers", "2", "-p", "epochs=2")
    run = shell("run", "several:1", "--runtime", "docker", *options)["run"]
    assert (run["state"], run["exit_code"]) == ("succeeded", 0), run
    outputs = Path(run["outputs"])
    chief, other = (
        (outputs / place / "executed.ipynb").read_text() for place in (".", "workers/1")
    )
    assert "trained by 2" in chief
    losses = [set(re.findall(r"epoch 1: loss [\d.]+", text)) for text in (chief, other)]
    assert len(losses[0]) == 1
    assert losses[0] == losses[1]
    assert (outputs / "files" / "classifier.keras").exists()


# -- in a cluster --------------------------------------------------------------------------


@pytest.fixture(scope="module")
def cluster(shell, built, cluster_runs, fake_cluster, environment):
    del built
    node = fake_cluster.node("node-a", cpu="16", memory="64Gi")
    with fake_cluster.FakeCluster(nodes=[node]) as fake:
        made = cluster_runs.OnFake(shell.folder, environment, fake, fake_cluster)
        made.hand("keras:1")
        yield made


@pytest.fixture(scope="module")
def live(cluster, cluster_runs):
    """A kernel in which the example's cells have run."""
    with cluster.kernel("keras") as made:
        made.run("%load_ext jupyter_containerize")
        for source in cluster_runs.cells("keras_classifier", epochs=1):
            made.run(source)
        yield made


def test_by_magic_the_example_trains_as_a_job(cluster, live, cluster_runs):
    told = live.run(f"%containerize run keras:1 --runtime kubernetes -p epochs=1 {SIZE}")
    assert "accuracy on unseen points" in told
    assert {"files/classifier.keras", "executed.ipynb"} <= cluster_runs.files(cluster.newest())


@pytest.mark.usefixtures("several")
def test_by_command_two_pods_train_one_model(cluster, cluster_runs):
    cluster.hand("several:1")
    options = ("--workers", "2", "-p", "epochs=1")
    done = cluster.run("several", *options, size=SIZE.split())
    assert done.returncode == 0, done.stdout[-3000:] + done.stderr[-2000:]
    told = [cluster_runs.told_by(done.stdout, worker) for worker in (0, 1)]
    assert any(line.endswith("trained by 2") for line in told[0])
    # One model: each step has the same loss in both. (The run ends with the chief, whatever the other does.)
    losses = [[line for line in lines if line.startswith("epoch 1: loss")] for lines in told]
    assert len(losses[0]) == 1
    assert losses[0] == losses[1]
    assert "files/classifier.keras" in cluster_runs.files(cluster.newest())


def test_a_service_is_updated_under_load_without_a_lost_request(cluster, live, cluster_runs):
    """Served by magic, updated by command line."""
    live.run("%containerize serve model --example x_test[:2] -t served:1")
    cluster.hand("served:1")
    served = "--runtime kubernetes --replicas 2 --name classes --detach"
    live.run(f"%containerize run served:1 {served} {SIZE}")
    run = cluster.newest()["id"]
    live.run("history = model.fit(x_train, y_train, epochs=3, batch_size=64, verbose=0)")
    live.run("%containerize serve model --example x_test[:2] -t served:2")
    cluster.hand("served:2")
    with (
        cluster.forwarded(run) as port,
        cluster_runs.Load(port, POINT, cluster_runs.most_likely, pause_s=0.2) as load,
    ):
        updated = cluster.call("update", run, "served:2")
        load.until(lambda seen: len(seen) > 1)
    assert updated.returncode == 0, updated.stderr
    assert len(load.seen) == 2, load.seen  # the old model's answer and the new one's, nothing else
    assert all(isinstance(answer, tuple) for answer in load.seen), load.seen
    assert "served" in live.run(f"%containerize history {run}")
    live.run(f"%containerize rm {run}")
    assert cluster.fake.all("deployments") == []
