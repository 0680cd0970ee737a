"""The Keras examples on a real cluster, by command line and by magic (see tests/cluster_runs.py)."""

from __future__ import annotations

import json
import os

import pytest

pytestmark = [
    pytest.mark.cluster,
    pytest.mark.timeout(1200),
    pytest.mark.skipif(
        not os.environ.get("KUBECONFIG"), reason="no cluster: KUBECONFIG is not set"
    ),
]

POINT = {"rows": [[0.5] * 10]}


def with_parameters(kit, name, **values):
    """Return an example with other parameters in its first code cell."""
    document = kit.example(name)
    cell = next(one for one in document["cells"] if one["cell_type"] == "code")
    for key, value in values.items():
        lines = [
            f"{key} = {value}\n" if line.startswith(f"{key} =") else line
            for line in "".join(cell["source"]).splitlines(keepends=True)
        ]
        cell["source"] = lines
    return document


@pytest.fixture(scope="module")
def cluster(cluster_runs, tmp_path_factory, environment):
    with cluster_runs.Cluster(tmp_path_factory.mktemp("keras"), environment) as made:
        yield made


def test_the_example_trains_as_a_job(cluster, cluster_runs):
    cluster.build("classifier", cluster_runs.example("keras_classifier"), python="keras")
    done = cluster.run("classifier", "-p", "epochs=3", size=cluster_runs.FOR_TENSORFLOW)
    assert done.returncode == 0, done.stdout[-3000:] + done.stderr[-2000:]
    assert "accuracy on unseen points" in done.stdout
    assert {"files/classifier.keras", "executed.ipynb"} <= cluster_runs.files(cluster.newest())


def test_two_workers_train_one_model(cluster, cluster_runs):
    cluster.build("workers", cluster_runs.example("keras_workers"), python="keras")
    done = cluster.run(
        "workers", "--workers", "2", "-p", "epochs=3", size=cluster_runs.FOR_TENSORFLOW
    )
    assert done.returncode == 0, done.stdout[-3000:] + done.stderr[-2000:]
    told = [cluster_runs.told_by(done.stdout, worker) for worker in (0, 1)]
    assert any(line.endswith("trained by 2") for line in told[0])
    # One model: each step has the same loss in both. (The run ends with the chief, whatever the other does.)
    losses = [[line for line in lines if line.startswith("epoch 1: loss")] for lines in told]
    assert len(losses[0]) == 1
    assert losses[0] == losses[1]
    assert "files/classifier.keras" in cluster_runs.files(cluster.newest())


def test_the_example_is_served_and_updated_under_load_without_a_lost_request(cluster, cluster_runs):
    serve = ("serve", "--object", "model", "--example", "x_test[:2]")
    for name, epochs in (("first", 1), ("second", 3)):
        document = with_parameters(cluster_runs, "keras_classifier", epochs=epochs)
        cluster.build(name, document, python="keras", command=serve)
    done = cluster.run(
        "first", "-d", "--replicas", "2", "--name", "classes", size=cluster_runs.FOR_TENSORFLOW
    )
    assert done.returncode == 0, done.stderr
    run = cluster.newest()["id"]
    cluster.kubectl("rollout", "status", "deployment/classes", "--timeout=400s")
    with (
        cluster.forwarded(run) as port,
        cluster_runs.Load(port, POINT, cluster_runs.most_likely) as load,
    ):
        updated = cluster.call("update", run, "second:1", *cluster.pulling())
        load.until(lambda seen: len(seen) > 1)
    assert updated.returncode == 0, updated.stderr
    assert len(load.seen) == 2, load.seen  # the old model's answer and the new one's, nothing else
    assert all(isinstance(answer, tuple) for answer in load.seen), load.seen
    assert cluster.call("rm", run).returncode == 0


def test_by_magic(cluster, cluster_runs):
    where = " ".join([*cluster.place(), *cluster_runs.FOR_TENSORFLOW])
    cells = cluster_runs.cells("keras_classifier", epochs=2)
    with cluster.kernel("cluster") as live:
        live.run("%load_ext jupyter_containerize")
        for source in cells:
            live.run(source)
        trained = live.run(f"%containerize build -t trained:1 --run --runtime kubernetes {where}")
        assert "accuracy on unseen points" in trained
        assert "files/classifier.keras" in cluster_runs.files(cluster.newest())
        served = f"--run --detach --runtime kubernetes --replicas 2 --name magic {where}"
        live.run(f"%containerize serve model --example x_test[:2] -t served:1 {served}")
        run = cluster.newest()["id"]
        cluster.kubectl("rollout", "status", "deployment/magic", "--timeout=400s")
        live.run("history = model.fit(x_train, y_train, epochs=3, batch_size=64, verbose=0)")
        live.run("%containerize serve model --example x_test[:2] -t served:2")
        with (
            cluster.forwarded(run) as port,
            cluster_runs.Load(port, POINT, cluster_runs.most_likely) as load,
        ):
            live.run(f"%containerize update {run} served:2 {' '.join(cluster.pulling())}")
            load.until(lambda seen: len(seen) > 1)
        assert len(load.seen) == 2, load.seen
        assert all(isinstance(answer, tuple) for answer in load.seen), load.seen
        assert "served" in live.run(f"%containerize history {run}")
        live.run(f"%containerize rm {run}")


def test_a_sweep_is_a_frame(cluster, cluster_runs):
    document = cluster_runs.notebook([("rate = 0.1", ["parameters"]), ("rate * 2", [])])
    cluster.build("sweep", document)
    where = " ".join([*cluster.place(), *cluster_runs.SMALL])
    with cluster.kernel("cluster") as live:
        live.run("%load_ext jupyter_containerize")
        swept = "-p rate=0.1,0.25 --runtime kubernetes"
        live.run(f"frame = %containerize run sweep:1 {swept} {where}")
        told = live.run("print(type(frame).__name__, frame[['rate', 'state', 'result']].to_json())")
    kind, _, table = told.partition(" ")
    assert kind == "DataFrame"
    assert json.loads(table) == cluster_runs.SWEPT
