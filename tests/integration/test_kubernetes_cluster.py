"""End to end on a real cluster: KUBECONFIG names it, CONTAINERIZE_TEST_REGISTRY one that its nodes pull from.

Without a registry the image is loaded straight into kind, k3d, minikube, k3s or containerd
(docs/kubernetes.md). Everything happens in a namespace of its own that enforces the
`restricted` Pod Security Standard.
"""

from __future__ import annotations

import json
import os

import pytest

pytestmark = [
    pytest.mark.cluster,
    pytest.mark.timeout(600),
    pytest.mark.skipif(
        not os.environ.get("KUBECONFIG"), reason="no cluster: KUBECONFIG is not set"
    ),
]

PARAMETERS = "epochs = 2\nlr = 0.1"
TRAIN = "for i in range(epochs):\n    print('epoch', i, 'lr', lr)"
SAVE = "open('model.bin', 'wb').write(bytes(range(256)) * 9000)"
NOTEBOOKS = {
    "train": [(PARAMETERS, ["parameters"]), (TRAIN, []), (SAVE, []), ("lr * 2", [])],
    "fails": [("open('half.txt', 'w').write('half')", []), ("1 / 0", [])],
    "hungry": [("open('half.txt', 'w').write('half')", []), ("x = [bytearray(10**7) for _ in range(10**5)]", [])],
    "waits": [("import time\nprint('waiting', flush=True)\ntime.sleep(20)", [])],
    "workers": [("import os\nprint('I am', os.environ['WORKER_INDEX'], 'of', os.environ['WORKER_COUNT'])", [])],
}  # fmt: skip
DISTRIBUTED = """\
import tensorflow as tf
strategy = tf.distribute.MultiWorkerMirroredStrategy()
with strategy.scope():
    total = strategy.reduce('SUM', strategy.run(lambda: tf.constant(1.0)), axis=None)
print('replicas', strategy.num_replicas_in_sync, 'sum', float(total))"""
MODEL = """\
import numpy as np
from sklearn.linear_model import LinearRegression
X = np.arange(10.0).reshape(-1, 1)
model = LinearRegression().fit(X, X[:, 0] * {slope})"""
ROWS = {"rows": [[3.0]]}


@pytest.fixture(scope="module")
def files(cluster_runs):
    return cluster_runs.files


@pytest.fixture(scope="module")
def cluster(cluster_runs, tmp_path_factory, environment):
    with cluster_runs.Cluster(tmp_path_factory.mktemp("cluster"), environment) as made:
        for name, cells in NOTEBOOKS.items():
            made.build(name, cluster_runs.notebook(cells))
        yield made


def test_training(cluster, files):
    done = cluster.run("train", "-p", "epochs=3", "-e", "TOKEN=s3cret-value")
    assert done.returncode == 0, done.stdout + done.stderr
    assert "epoch 2 lr 0.1" in done.stdout
    assert {"files/model.bin", "executed.ipynb"} <= files(cluster.newest())
    assert "s3cret-value" not in cluster.kubectl("get", "jobs,pods", "-o", "json")


def test_failure(cluster, files):
    done = cluster.run("fails")
    assert done.returncode == 1
    assert "cell 2 failed" in done.stdout
    assert "files/half.txt" in files(cluster.newest())


def test_out_of_memory(cluster, files):
    done = cluster.run("hungry")
    assert done.returncode == 137
    assert "out of memory: it used more than its limit of 300 MiB" in done.stdout
    assert "executed.ipynb" in files(cluster.newest())


def test_workers(cluster):
    done = cluster.run("workers", "--workers", "2")
    assert done.returncode == 0, done.stdout + done.stderr
    assert "[worker 0] I am 0 of 2" in done.stdout
    assert "[worker 1] I am 1 of 2" in done.stdout


def test_tensorflow_on_two_workers(cluster, cluster_runs):
    cluster.build("distributed", cluster_runs.notebook([(DISTRIBUTED, [])]), python="keras")
    done = cluster.run("distributed", "--workers", "2", size=cluster_runs.FOR_TENSORFLOW)
    assert done.returncode == 0, done.stdout[-3000:] + done.stderr[-2000:]
    assert "[worker 0] replicas 2 sum 2.0" in done.stdout


def test_sweep(cluster, files):
    done = cluster.run("train", "-p", "lr=0.1,0.01")
    assert done.returncode == 0, done.stdout + done.stderr
    assert "0.02" in done.stdout.split("LR")[1]
    assert {"0/files/model.bin", "1/files/model.bin"} <= files(cluster.newest())


def test_a_missing_image(cluster, tmp_path):
    if not cluster.registry:
        pytest.skip("needs a registry")
    target = tmp_path / "manifests"
    done = cluster.call("export", "train:1", "--kubernetes", str(target), *cluster.place())
    assert done.returncode == 0, done.stderr
    text = (target / "job.yaml").read_text()
    digest = text.partition("@sha256:")[2][:64]
    (target / "job.yaml").write_text(text.replace(digest, "0" * 64))
    cluster.kubectl("apply", "-k", str(target))
    run_id = text.partition("jupyter-containerize.io/run: ")[2].split()[0].strip('"')
    done = cluster.call("logs", "-f", run_id)
    assert "image-not-found-by-nodes" in done.stderr, done.stderr
    cluster.kubectl("delete", "-k", str(target))


def test_an_evicted_pod_is_started_again_and_is_no_failure(cluster):
    done = cluster.run("waits", "-d")
    assert done.returncode == 0, done.stderr
    run = cluster.newest()["id"]
    chosen = ("pods", "-l", f"jupyter-containerize.io/run={run}", "-o", "name")
    with cluster.following(run) as lines:
        lines.until(lambda seen: "waiting\n" in seen)
        (pod,) = cluster.kubectl("get", *chosen).split()
        name = pod.removeprefix("pod/")
        eviction = {"apiVersion": "policy/v1", "kind": "Eviction", "metadata": {"name": name}}
        path = f"/api/v1/namespaces/{cluster.namespace}/pods/{name}/eviction"
        cluster.kubectl("create", "--raw", path, "-f", "-", text=json.dumps(eviction))
        lines.until(lambda seen: seen.count("waiting\n") == 2)
        assert pod not in cluster.kubectl("get", *chosen, "--field-selector=status.phase=Running")
        assert lines.ended() == 0
    assert cluster.newest()["state"] == "succeeded"


def test_exported_manifests_run_without_us(cluster, cluster_runs, tmp_path):
    if not cluster.registry:
        pytest.skip("needs a registry")
    target = tmp_path / "manifests"
    cluster.call(
        "export",
        "train:1",
        "--kubernetes",
        str(target),
        *cluster.place(),
        *cluster_runs.SMALL,
        "--keep",
        "1",
    )
    cluster.kubectl("apply", "-k", str(target))
    name = cluster.kubectl("get", "-k", str(target), "-o", "name").split()
    job = next(item for item in name if item.startswith("job"))
    cluster.kubectl("wait", "--for=condition=complete", "--timeout=120s", job)
    assert "epoch 1 lr 0.1" in cluster.kubectl("logs", job, "-c", "training")


def test_a_user_without_rights(cluster, tmp_path):
    cluster.kubectl("create", "serviceaccount", "weak")
    token = cluster.kubectl("create", "token", "weak").strip()
    path = tmp_path / "weak"
    config = json.loads(
        cluster.kubectl("config", "view", "--raw", "--minify", "--flatten", "-o", "json")
    )
    config["users"][0]["user"] = {"token": token}
    path.write_text(json.dumps(config))
    before = dict(cluster.environment)
    cluster.environment["KUBECONFIG"] = str(path)
    try:
        done = cluster.run("train")
    finally:
        cluster.environment = before
    assert done.returncode == 1
    assert "You may not patch jobs" in done.stderr
    assert f"kubectl create role jobs-patch --namespace {cluster.namespace}" in done.stderr


def test_a_service_is_updated_under_load_without_a_lost_request(cluster, cluster_runs):
    for name, slope in (("double", 2.0), ("triple", 3.0)):
        serve = ("serve", "--object", "model", "--example", "X[:2]")
        document = cluster_runs.notebook([(MODEL.format(slope=slope), [])])
        cluster.build(name, document, python="serving", command=serve)
    done = cluster.run("double", "-d", "--replicas", "2", "--name", "numbers")
    assert done.returncode == 0, done.stderr
    run = cluster.newest()["id"]
    cluster.kubectl("rollout", "status", "deployment/numbers", "--timeout=180s")
    with cluster.forwarded(run) as port, cluster_runs.Load(port, ROWS, first) as load:
        updated = cluster.call("update", run, "triple:1", *cluster.pulling())
        load.until(lambda seen: 9.0 in seen)
    assert updated.returncode == 0, updated.stderr
    assert set(load.seen) == {6.0, 9.0}, load.seen
    history = cluster.call("history", run)
    assert history.stdout.count("numbers") + history.stdout.count("sha256") >= 2
    assert cluster.call("rollback", run).returncode == 0
    assert cluster.call("rm", run).returncode == 0


def test_an_autoscaled_service_with_a_route_and_its_log(cluster, cluster_runs):
    function = cluster_runs.notebook([("def half(x: float) -> float:\n    return x / 2", [])])
    serve = ("serve", "--object", "half", "--example", "2.0")
    cluster.build("half", function, command=serve)
    options = ("--replicas", "1", "--max-replicas", "3", "--host", "half.example")
    done = cluster.run("half", "-d", *options)
    assert done.returncode == 0, done.stderr
    run = cluster.newest()["id"]
    ingress = json.loads(cluster.kubectl("get", "ingress", "half", "-o", "json"))
    assert ingress["spec"]["rules"][0]["host"] == "half.example"
    assert cluster.call("scale", run, "2").returncode == 0
    bounds = json.loads(cluster.kubectl("get", "hpa", "half", "-o", "json"))["spec"]
    assert (bounds["minReplicas"], bounds["maxReplicas"]) == (2, 3)
    cluster.kubectl(
        "wait", "--for=jsonpath={.status.readyReplicas}=2", "--timeout=180s", "deployment/half"
    )
    deployment = cluster.kubectl("get", "deployment", "half", "-o", "json", "--show-managed-fields")
    managed = json.loads(deployment)["metadata"]["managedFields"]
    ours = [one for one in managed if one["manager"] == "jupyter-containerize"]
    assert ours
    assert all("f:replicas" not in one["fieldsV1"]["f:spec"] for one in ours)
    with cluster.following(run) as lines:
        lines.until(lambda seen: len(pods_of(seen)) == 2)
        assert cluster.call("stop", run).returncode == 0
        assert lines.ended() == 0
    assert cluster.call("rm", run).returncode == 0


def pods_of(lines):
    return {line.partition("]")[0] for line in lines if line.startswith("[pod ")}


def test_the_log_of_an_ended_run_stays_when_the_cluster_has_forgotten_it(cluster):
    assert cluster.run("train", "-p", "epochs=1").returncode == 0
    run = cluster.newest()["id"]
    cluster.kubectl("delete", "jobs", "-l", f"jupyter-containerize.io/run={run}")
    assert "epoch 0 lr 0.1" in cluster.call("logs", run).stdout


def first(answer):
    return round(answer["rows"][0], 3)
