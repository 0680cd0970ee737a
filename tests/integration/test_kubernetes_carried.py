"""JobSet, TrainJob and InferenceService: what their controllers tell is what becomes of the run.

The controllers are played by the tests; a real cluster has taken the objects (README).
"""

from __future__ import annotations

import threading
import time
from pathlib import Path

import pytest

from jupyter_containerize.errors import ContainerizeError
from jupyter_containerize.model.cluster import ClusterOptions, Place, Scheduling, Serving
from jupyter_containerize.model.event import LogLine, StepStarted, ignore
from jupyter_containerize.model.run import RunSpec, RunState
from jupyter_containerize.oci.store import Store
from jupyter_containerize.runtimes.kubernetes import carried, placing
from jupyter_containerize.runtimes.kubernetes.runtime import KubernetesRuntime

PLURALS = {"JobSet": "jobsets", "TrainJob": "trainjobs", "InferenceService": "inferenceservices"}


class Lab:
    def __init__(self, fake, kit, shared, folder):
        self.fake, self.kit, self.shared, self.folder = fake, kit, shared, folder
        fake.served |= kit.CARRIERS
        self.store = Store.open(str(folder / "store"))
        self.runtime = KubernetesRuntime()
        self.kubeconfig = str(fake.kubeconfig(folder, context="kind-test"))
        self.events = []

    def start(self, scheduling, kind="training", **cluster):
        options = ClusterOptions(
            place=Place(kubeconfig=self.kubeconfig),
            scheduling=scheduling,
            serving=Serving(name="iris", replicas=1),
            **cluster,
        )
        image = self.shared.image(self.store, kind)
        spec = RunSpec(image=image.digest, image_name="iris:1", cluster=options)
        return self.runtime.start(spec, store=self.store)

    def tell(self, kind, condition, *, message="", **status):
        """Be the controller: write a condition."""
        item = self.fake.one(PLURALS[kind])
        group = next(group for group, kinds in self.kit.CARRIERS.items() if kind in kinds)
        told = {"type": condition, "status": "True", "message": message}
        told["lastTransitionTime"] = "2026-01-01T00:00:00Z"

        def change(one):
            return {**one, "status": {"conditions": [told], **status}}

        collection = f"/apis/{group}/namespaces/default/{PLURALS[kind]}"
        self.fake.objects.update(collection, item["metadata"]["name"], change)

    def follow(self, run):
        return self.runtime.follow(run.id, store=self.store, emit=self.events.append)

    def following(self, run):
        """Follow in a thread; return what waits for its end."""
        ended = []
        thread = threading.Thread(target=lambda: ended.append(self.follow(run)), daemon=True)
        thread.start()

        def wait():
            thread.join(120)
            return ended[0]

        return wait


@pytest.fixture
def lab(fake_cluster, cluster_lab, tmp_path, monkeypatch):
    monkeypatch.setattr(placing, "loader_of", lambda _: placing.Loader("kind", ("true",)))
    monkeypatch.setattr(carried, "_LOOK_S", 0.02)
    with fake_cluster.FakeCluster() as fake:
        yield Lab(fake, fake_cluster, cluster_lab, tmp_path)


@pytest.mark.parametrize(
    ("condition", "state", "code"),
    [("Complete", RunState.SUCCEEDED, 0), ("Failed", RunState.FAILED, 1)],
)
def test_a_trainjob_ends_as_its_controller_says(lab, condition, state, code):
    run = lab.start(Scheduling.TRAINJOB)
    assert run.state is RunState.STARTING
    assert "controller of TrainJobs" in run.reason
    assert lab.runtime.list(store=lab.store)[0].id == run.id
    wait = lab.following(run)
    lab.tell("TrainJob", condition, message="as it was")
    done = wait()
    assert (done.state, done.exit_code) == (state, code)
    # No pod of it was ever seen here, so its outputs are missed, and that is said.
    assert done.reason.startswith("as it was; outputs" if code else "outputs are not complete")
    with pytest.raises(ContainerizeError) as caught:
        lab.runtime.outputs(run.id, store=lab.store, emit=lambda _: None)
    assert caught.value.code == "no-outputs"
    lab.runtime.remove(run.id, store=lab.store)
    assert lab.fake.all("trainjobs") == []


def test_a_trainjobs_outputs_are_fetched_from_its_chief(lab, monkeypatch):
    monkeypatch.setattr(carried, "_ASK_S", 0.1)
    folders = lab.shared.PodFolders(lab.folder / "pod")

    def train(pod, node):
        yield "epoch 1\n"
        time.sleep(0.3)
        assert not (folders.control / "fetched").exists()
        (folders.control / "ended").write_text("0")
        while not (folders.control / "fetched").exists():
            time.sleep(0.02)
        yield 0

    node = lab.kit.ScriptedNode(lab.fake, node=train)
    node.exec["node"] = folders.step
    run = lab.start(Scheduling.TRAINJOB)
    trainjob = lab.fake.one("trainjobs")
    command = trainjob["spec"]["trainer"]["command"]
    assert command[3:5] == ["hold", "/tmp/jupyter-containerize-control"]
    chief = {
        "metadata": {
            "name": f"{trainjob['metadata']['name']}-node-0-0-abcde",
            "labels": {"jobset.sigs.k8s.io/jobset-name": trainjob["metadata"]["name"]},
            "annotations": {"batch.kubernetes.io/job-completion-index": "0"},
        },
        "spec": {"containers": [{"name": "node", "image": "x", "command": command}]},
        "status": {"phase": "Pending"},
    }
    lab.fake.objects.create("/api/v1/namespaces/default/pods", chief)
    wait = lab.following(run)
    until = time.monotonic() + 60
    while not (folders.control / "fetched").exists():
        assert time.monotonic() < until
        time.sleep(0.02)
    lab.tell("TrainJob", "Complete")
    done = wait()
    assert (done.state, done.reason) == (RunState.SUCCEEDED, "")
    for name, data in lab.shared.FILES.items():
        assert Path(done.outputs, name).read_bytes() == data
    assert lab.runtime.outputs(run.id, store=lab.store, emit=ignore).outputs == done.outputs
    assert [one.text for one in lab.events if isinstance(one, LogLine)] == ["epoch 1\n"]


def test_what_a_trainjob_cannot_carry_is_refused_not_left_out(lab):
    options = {"outputs": "pvc:10Gi", "pull_secret": "mine", "node_selector": {"a": "b"}}
    with pytest.raises(ContainerizeError) as caught:
        lab.start(Scheduling.TRAINJOB, **options)
    assert caught.value.code == "not-with-trainjob"
    assert "--outputs, --pull-secret, --node-selector" in caught.value.what


def test_what_a_controller_waits_for_is_told(lab):
    run = lab.start(Scheduling.TRAINJOB)
    lab.tell("TrainJob", "Suspended", message="TrainJob is suspended")
    assert lab.runtime.get(run.id, store=lab.store).reason == "Waiting in its queue"
    wait = lab.following(run)
    while not any(isinstance(one, StepStarted) for one in [*lab.events]):
        time.sleep(0.02)
    lab.tell("TrainJob", "Complete")
    assert wait().state is RunState.SUCCEEDED
    assert "Waiting in its queue" in [
        one.title for one in lab.events if isinstance(one, StepStarted)
    ]


def test_a_jobsets_job_is_followed_as_the_run(lab):
    run = lab.start(Scheduling.JOBSET)
    wait = lab.following(run)
    jobset = lab.fake.one("jobsets")
    template = jobset["spec"]["replicatedJobs"][0]["template"]

    def train(pod, node):
        yield "epoch 1\n"
        yield 0

    def ends(pod, node):
        yield 0

    lab.kit.ScriptedNode(lab.fake, training=train, collector=ends)
    owner = {"apiVersion": "jobset.x-k8s.io/v1alpha2", "kind": "JobSet", "controller": True}
    owner |= {key: jobset["metadata"][key] for key in ("name", "uid")}
    metadata = {**template["metadata"], "name": f"{jobset['metadata']['name']}-workers-0"}
    metadata["ownerReferences"] = [owner]
    jobs = "/apis/batch/v1/namespaces/default/jobs"
    lab.fake.objects.create(jobs, {"metadata": metadata, "spec": template["spec"], "status": {}})
    done = wait()
    assert done.id == run.id
    assert done.state is RunState.SUCCEEDED
    assert [one.text for one in lab.events if isinstance(one, LogLine)] == ["epoch 1\n"]
    assert [one.id for one in lab.runtime.list(store=lab.store)] == [run.id]
    lab.runtime.remove(run.id, store=lab.store)
    assert lab.fake.all("jobsets") == lab.fake.all("jobs") == []


def test_stopping_a_jobset_suspends_it(lab):
    run = lab.start(Scheduling.JOBSET)
    assert lab.runtime.stop(run.id, store=lab.store).state is RunState.STOPPED
    assert lab.fake.one("jobsets")["spec"]["suspend"] is True


def test_an_inference_service_runs_when_its_controller_says_so(lab):
    run = lab.start(Scheduling.KSERVE, kind="inference")
    wait = lab.following(run)
    address = {"url": "http://iris.default.svc.cluster.local"}
    lab.tell("InferenceService", "Ready", address=address)
    done = wait()
    assert (done.state, done.endpoint) == (RunState.RUNNING, address["url"])
    assert lab.runtime.stop(run.id, store=lab.store).state is RunState.STOPPED
    notes = lab.fake.one("inferenceservices")["metadata"]["annotations"]
    assert notes["serving.kserve.io/stop"] == "true"
    lab.runtime.remove(run.id, store=lab.store)
    assert lab.fake.all("inferenceservices") == []


def test_a_cluster_without_the_controller_says_so(lab):
    lab.fake.served = {g: k for g, k in lab.fake.served.items() if g not in lab.kit.CARRIERS}
    with pytest.raises(ContainerizeError) as caught:
        lab.start(Scheduling.JOBSET)
    assert caught.value.code == "not-in-this-cluster"
    assert "JobSet" in caught.value.what
