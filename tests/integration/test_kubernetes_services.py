"""Services on the fake cluster: updated, rolled back, scaled, followed. Pods follow scripts."""

from __future__ import annotations

import threading
import time
from dataclasses import replace

import pytest

from jupyter_containerize.errors import ContainerizeError
from jupyter_containerize.model.cluster import ClusterOptions, Place, Serving
from jupyter_containerize.model.event import ignore
from jupyter_containerize.model.run import RunSpec, RunState
from jupyter_containerize.oci.store import Store
from jupyter_containerize.runtimes.kubernetes import placing, serving
from jupyter_containerize.runtimes.kubernetes.runtime import KubernetesRuntime

READY = ("status", {"conditions": [{"type": "Ready", "status": "True"}]})


class Lab:
    """A store with the images `one`, `two` and `broken`, and a fake cluster that serves them."""

    def __init__(self, fake, kit, shared, folder):
        self.fake, self.kit = fake, kit
        self.store = Store.open(str(folder / "store"))
        self.runtime = KubernetesRuntime()
        self.kubeconfig = str(fake.kubeconfig(folder, context="kind-test"))
        self.images = {
            name: shared.image(self.store, "inference", name) for name in ("one", "two", "broken")
        }
        self.go = threading.Event()  # a pod that was told to write more does so now
        kit.ScriptedNode(fake, service=self._serve)

    def _serve(self, pod, node):
        """Be ready and write on request until the pod is gone; the broken image crashes on and on."""
        name = pod["metadata"]["name"]
        if "broken" in pod["spec"]["containers"][0]["command"][1]:
            yield "Traceback: the model is not there\n"
            ended = {"exitCode": 1, "reason": "Error"}
            state = {
                "name": "service", "image": "x", "ready": False, "restartCount": 4,
                "state": {"waiting": {"reason": "CrashLoopBackOff"}}, "lastState": {"terminated": ended},
            }  # fmt: skip
            yield "status", {"containerStatuses": [state]}
        else:
            yield f"{name} is up\n"
            yield READY
            self.go.wait(60)
            yield f"{name} goes on\n"
        while any(one["metadata"]["name"] == name for one in self.fake.all("pods")):
            time.sleep(0.02)
        yield 0

    def spec(self, image="one", **serving):
        place = Place(kubeconfig=self.kubeconfig)
        wishes = Serving(name="iris", **{"replicas": 2, **serving})
        return RunSpec(
            image=self.images[image].digest,
            image_name=f"{image}:1",
            cluster=ClusterOptions(place=place, serving=wishes),
        )

    def serve(self, **serving):
        started = self.runtime.start(self.spec(**serving), store=self.store)
        return self.runtime.follow(started.id, store=self.store, emit=ignore)

    def update(self, run, image, emit=ignore):
        return self.runtime.update(run.id, self.spec(image), store=self.store, emit=emit)

    def served(self):
        """What every pod serves now."""
        return {pod["spec"]["containers"][0]["command"][1] for pod in self.fake.all("pods")}


@pytest.fixture
def lab(fake_cluster, cluster_lab, tmp_path, monkeypatch):
    monkeypatch.setattr(placing, "loader_of", lambda _: placing.Loader("kind", ("true",)))
    monkeypatch.setattr(serving, "_LOOK_S", 0.05)
    with fake_cluster.FakeCluster() as fake:
        made = Lab(fake, fake_cluster, cluster_lab, tmp_path)
        yield made
        made.go.set()


def guest(name):
    return f"/opt/jupyter-containerize/guest/{name}.py"


def test_another_image_is_rolled_out_and_the_history_tells(lab):
    run = lab.serve()
    assert (run.state, run.endpoint) == (RunState.RUNNING, "http://iris.default.svc")
    done = lab.update(run, "two")
    assert done.state is RunState.RUNNING
    assert lab.served() == {guest("two")}
    assert done.spec.image_name == "two:1"
    revisions = lab.runtime.history(run.id, store=lab.store)
    assert [(one.number, one.current) for one in revisions] == [(2, True), (1, False)]
    assert len({one.image for one in revisions}) == 2


def test_one_returns_to_an_earlier_image(lab):
    run = lab.serve()
    lab.update(run, "two")
    done = lab.runtime.roll_back(run.id, 0, store=lab.store, emit=ignore)
    assert lab.served() == {guest("one")}
    assert done.spec.image_name == "one:1"
    with pytest.raises(ContainerizeError) as caught:
        lab.runtime.roll_back(run.id, 7, store=lab.store, emit=ignore)
    assert caught.value.code == "no-such-revision"


def test_an_image_that_does_not_become_ready_is_rolled_back(lab):
    run = lab.serve()
    with pytest.raises(ContainerizeError) as caught:
        lab.update(run, "broken")
    assert caught.value.code == "rolled-back"
    assert "the model is not there" in caught.value.why
    template = lab.fake.one("deployments")["spec"]["template"]
    assert template["spec"]["containers"][0]["command"][1] == guest("one")
    until = time.monotonic() + 60
    while lab.served() != {guest("one")} or len(lab.fake.all("pods")) != 2:
        assert time.monotonic() < until, lab.served()
        time.sleep(0.05)
    assert lab.runtime.get(run.id, store=lab.store).spec.image_name == "one:1"


def test_an_update_that_is_refused_is_told_before_anything_is_pushed(lab):
    run = lab.serve()
    denied = lab.kit.objects.StatusError(
        400, "BadRequest", 'admission webhook "x" denied the request: no'
    )

    def rule(method, kind, body):
        raise denied

    lab.fake.admission.append(rule)
    spec = lab.spec("two")
    far = replace(spec, cluster=replace(spec.cluster, registry="registry.invalid/team"))
    with pytest.raises(ContainerizeError) as caught:
        lab.runtime.update(run.id, far, store=lab.store, emit=ignore)
    assert caught.value.code == "admission-refused"  # and not that the registry is nowhere
    lab.fake.admission.clear()
    with pytest.raises(ContainerizeError) as caught:
        lab.runtime.update(run.id, far, store=lab.store, emit=ignore)
    assert "registry.invalid" in f"{caught.value.what} {caught.value.why}"
    assert lab.served() == {guest("one")}


def test_a_service_that_never_becomes_ready_is_stopped(lab):
    started = lab.runtime.start(lab.spec("broken"), store=lab.store)
    with pytest.raises(ContainerizeError) as caught:
        lab.runtime.follow(started.id, store=lab.store, emit=ignore)
    assert caught.value.code == "not-ready"
    assert "the model is not there" in caught.value.why
    assert lab.runtime.get(started.id, store=lab.store).state is RunState.STOPPED


def test_scaling_changes_the_number_of_pods_and_an_update_leaves_it(lab):
    run = lab.serve()
    lab.runtime.scale(run.id, 3, store=lab.store, emit=ignore)
    assert len(lab.fake.all("pods")) == 3
    lab.update(run, "two")
    assert lab.fake.one("deployments")["spec"]["replicas"] == 3


def test_scaling_moves_an_autoscalers_bounds(lab):
    run = lab.serve(max_replicas=3)
    assert "replicas" not in lab.fake.one("deployments")["spec"]
    lab.runtime.scale(run.id, 5, store=lab.store, emit=ignore)
    bounds = lab.fake.one("horizontalpodautoscalers")["spec"]
    assert (bounds["minReplicas"], bounds["maxReplicas"]) == (5, 5)
    lab.update(run, "two")
    assert "replicas" not in lab.fake.one("deployments")["spec"]


def test_the_log_of_a_service_is_followed_until_it_is_stopped(lab):
    run = lab.serve()
    told, ended = [], threading.Event()

    def collect():
        told.extend(lab.runtime.logs(run.id, store=lab.store, follow=True))
        ended.set()

    def seen(text, count):
        until = time.monotonic() + 60
        while sum(text in line for line in [*told]) < count:
            assert time.monotonic() < until, told
            time.sleep(0.05)

    threading.Thread(target=collect, daemon=True).start()
    seen("is up", 2)
    lab.runtime.scale(run.id, 3, store=lab.store, emit=ignore)
    seen("is up", 3)
    lab.go.set()
    seen("goes on", 3)
    assert all(line.startswith("[pod ") for line in told)
    assert len({line.partition("]")[0] for line in told}) == 3
    lab.runtime.stop(run.id, store=lab.store)
    assert ended.wait(60)


def test_a_name_that_is_taken(lab):
    run = lab.serve()
    with pytest.raises(ContainerizeError) as caught:
        lab.runtime.start(lab.spec(), store=lab.store)
    assert caught.value.code == "name-taken"
    assert run.id in caught.value.fix


def test_a_service_that_is_removed_leaves_nothing(lab):
    run = lab.serve(max_replicas=3)
    lab.runtime.remove(run.id, store=lab.store)
    until = time.monotonic() + 60
    kinds = ("deployments", "services", "networkpolicies", "horizontalpodautoscalers", "pods")
    while any(lab.fake.all(kind) for kind in kinds):
        assert time.monotonic() < until, [kind for kind in kinds if lab.fake.all(kind)]
        time.sleep(0.05)
