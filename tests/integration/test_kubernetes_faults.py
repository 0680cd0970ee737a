"""What a cluster does to its clients: refusals, cut connections, pods that end badly.

Pods follow scripts; the outputs are real files that the real guest lists and sends.
"""

from __future__ import annotations

import base64
import contextlib
import json
import os
import socket
import ssl
import subprocess
import threading
import time
from pathlib import Path

import pytest

from jupyter_containerize.errors import ContainerizeError
from jupyter_containerize.model.cluster import ClusterOptions, Place
from jupyter_containerize.model.event import FindingRaised, LogLine, StepStarted
from jupyter_containerize.model.run import Limits, RunSpec, RunState
from jupyter_containerize.oci.store import Store
from jupyter_containerize.runtimes.kubernetes import (
    away,
    connection,
    following,
    placing,
    presence,
    streams,
)
from jupyter_containerize.runtimes.kubernetes.runtime import KubernetesRuntime

LINES = [f"line {number}\n" for number in range(40)]


class Lab:
    """A store with one image, a runtime, and a fake cluster whose pods follow a script."""

    def __init__(self, fake, kit, shared, folder):
        self.fake, self.kit, self.folder = fake, kit, folder
        self.store = Store.open(str(folder / "store"))
        self.runtime = KubernetesRuntime()
        self.kubeconfig = fake.kubeconfig(folder, context="kind-test")
        self.image = shared.image(self.store, "training")
        self.pod = shared.PodFolders(folder / "pod")
        self.outputs, self.control = self.pod.outputs, self.pod.control
        self.files = shared.FILES
        self.events = []

    def spec(self, *, cluster=None, **more):
        place = Place(kubeconfig=str(self.kubeconfig))
        options = ClusterOptions(place=place, **(cluster or {}))
        limits = more.pop("limits", Limits(memory_bytes=256 << 20))
        return RunSpec(
            image=self.image.digest, image_name="iris:1", cluster=options, limits=limits, **more
        )

    def node(self, script, **scripts):
        node = self.kit.ScriptedNode(self.fake, training=script, **scripts)
        node.exec["collector"] = self.pod.step
        return node

    def start(self, **spec):
        return self.runtime.start(self.spec(**spec), store=self.store)

    def run(self, **spec):
        started = self.start(**spec)
        return self.runtime.follow(started.id, store=self.store, emit=self.events.append)

    @property
    def lines(self):
        return [event.text for event in self.events if isinstance(event, LogLine)]

    @property
    def story(self):
        return [event.title for event in self.events if isinstance(event, StepStarted)]


@pytest.fixture
def lab(fake_cluster, cluster_lab, tmp_path, monkeypatch):
    monkeypatch.setattr(placing, "loader_of", lambda _: placing.Loader("kind", ("true",)))
    monkeypatch.setattr(following, "_LOOK_S", 0.05)
    monkeypatch.setattr(following, "_PATIENCE_S", 0.3)
    for module in (connection, away, streams):
        monkeypatch.setattr(module, "PATIENCE_S", 10.0)
    with fake_cluster.FakeCluster() as fake:
        yield Lab(fake, fake_cluster, cluster_lab, tmp_path)


def lines_then(code):
    def script(pod, node):
        for line in LINES:
            yield line
            time.sleep(0.005)
        yield code

    return script


def arrived(run):
    found = {}
    for place, _, names in os.walk(run.outputs):
        for name in names:
            path = os.path.join(place, name)
            if not os.path.islink(path):
                found[os.path.relpath(path, run.outputs)] = Path(path).read_bytes()
    return found


def test_a_run_costs_few_calls_and_little_time(lab):
    lab.node(lines_then(0))
    lab.start()  # the client is imported once
    before = len(lab.fake.calls)
    began = time.process_time()
    lab.start()
    calls = lab.fake.calls[before:]
    mine = [call for call in calls if call[0] != "GET" or "/namespaces/default/pods" not in call[1]]
    # A Job, its policy, and a pod of it that is asked for; one more: nodes are asked whether they
    # have what is loaded straight into them.
    assert len(mine) <= 2 * 3 + 2, mine
    assert len([call for call in mine if "dryRun" not in call[1] and call[0] != "GET"]) == 2
    assert time.process_time() - began < 0.5


# -- connections ---------------------------------------------------------------------------


@pytest.mark.parametrize("after", [1, 100, 333, 700, 1500])
def test_a_log_that_is_cut_anywhere_is_told_whole_and_once(lab, after):
    lab.fake.cut("GET", "/log", after, times=3)
    lab.node(lines_then(0))
    run = lab.run()
    assert run.state is RunState.SUCCEEDED
    assert lab.lines == LINES


@pytest.mark.parametrize("after", [1, 5_000, 300_000, 1_000_000])
def test_outputs_arrive_whole_though_their_stream_is_cut(lab, after):
    lab.fake.cut("EXEC", "exec.*send", after, times=2)
    lab.node(lines_then(0))
    run = lab.run()
    assert arrived(run) == lab.files
    assert os.readlink(os.path.join(run.outputs, "link")) == "files/model.bin"
    assert run.reason == ""


def test_a_watch_survives_cuts_bookmarks_and_410(lab):
    def script(pod, node):
        yield from LINES[:20]
        lab.fake.objects.forget()
        time.sleep(0.3)
        yield from LINES[20:]
        yield 0

    lab.fake.cut("GET", "watch=true", 300, times=4)
    lab.node(script)
    assert lab.run().state is RunState.SUCCEEDED
    assert lab.lines == LINES


def test_the_server_may_go_away_for_a_while(lab):
    def script(pod, node):
        yield from LINES[:20]
        time.sleep(1.0)  # it is followed by now
        lab.fake.go_away(1.5)
        yield from LINES[20:]
        yield 0

    lab.node(script)
    assert lab.run().state is RunState.SUCCEEDED
    assert lab.lines == LINES


def test_a_busy_server_is_asked_again_when_it_wants(lab):
    lab.fake.fail("PATCH", "/jobs/", 429, headers={"Retry-After": "1"}, reason="TooManyRequests")
    lab.fake.fail("PATCH", "/jobs/", 503)
    lab.node(lines_then(0))
    began = time.monotonic()
    assert lab.run().state is RunState.SUCCEEDED
    assert time.monotonic() - began > 0.8


def test_an_expired_token_is_renewed(lab):
    def script(pod, node):
        yield from LINES[:20]
        lab.fake.tokens = {"another"}
        lab.fake.kubeconfig(lab.folder, token="another", context="kind-test")
        time.sleep(1.0)
        lab.fake.go_away(0.1)  # every connection is made anew
        yield from LINES[20:]
        yield 0

    lab.node(script)
    assert lab.run().state is RunState.SUCCEEDED
    assert lab.lines == LINES


def test_credentials_that_nobody_renews_are_told(lab):
    lab.fake.tokens = set()
    with pytest.raises(ContainerizeError) as caught:
        lab.start()
    assert caught.value.code == "cluster-login"


# -- pods ----------------------------------------------------------------------------------


def test_out_of_memory_tells_the_limit_and_what_to_raise_it_to(lab):
    def script(pod, node):
        yield LINES[0]
        yield "end", {"exitCode": 137, "reason": "OOMKilled"}

    lab.node(script)
    run = lab.run()
    assert (run.state, run.exit_code) == (RunState.FAILED, 137)
    assert "limit of 256 MiB" in run.reason
    assert "--memory 1G" in run.reason
    assert arrived(run) == lab.files  # a run that was killed returns its outputs too


def waits(reason, message="", event=None):
    def begin(pod, node):
        if event:
            node.fake.event(pod, *event)
        node.status(
            pod,
            containers={"training": {"waiting": {"reason": reason, "message": message}}},
            spec={"nodeName": "node-a"},
        )
        return False

    return begin


@pytest.mark.parametrize(
    ("reason", "message", "code"),
    [
        ("ErrImagePull", 'rpc error: "r.example/a:1": not found', "image-not-found-by-nodes"),
        ("ImagePullBackOff", "pull access denied, 401 Unauthorized", "image-pull-denied"),
        ("ErrImagePull", "dial tcp 10.0.0.1:5000: connect: connection refused", "registry-not-reachable"),
        ("ErrImagePull", "x509: certificate signed by unknown authority", "registry-not-reachable"),
        ("ErrImageNeverPull", "Container image is not present with pull policy of Never", "image-not-on-node"),
        ("ErrImagePull", "something else", "image-pull-failed"),
        ("CreateContainerError", "no such device", "pod-cannot-start"),
    ],
)  # fmt: skip
def test_what_keeps_a_pod_from_starting_is_told_and_the_run_given_up(lab, reason, message, code):
    lab.node(lines_then(0), pod=waits(reason, message))
    with pytest.raises(ContainerizeError) as caught:
        lab.run()
    assert caught.value.code == code
    assert caught.value.fix
    (run,) = lab.runtime.list(store=lab.store)
    assert run.state is RunState.FAILED
    assert lab.fake.one("jobs")["spec"]["suspend"] is True


def test_waiting_for_room_is_told_with_what_is_missing(lab):
    message = "0/3 nodes are available: 3 Insufficient memory. preemption: 0/3 nodes are available"
    condition = {
        "type": "PodScheduled",
        "status": "False",
        "reason": "Unschedulable",
        "message": message,
    }

    def begin(pod, node):
        node.status(pod, conditions=[condition])
        until = time.monotonic() + 20
        while not any("not enough" in text for text in lab.story) and time.monotonic() < until:
            time.sleep(0.05)
        node.status(pod, conditions=[])

    lab.node(lines_then(0), pod=begin)
    assert lab.run().state is RunState.SUCCEEDED
    assert any("not enough memory on 3 of 3 nodes" in text for text in lab.story)
    assert any("memory 256 MiB" in text for text in lab.story)


@pytest.mark.parametrize(
    ("message", "code"),
    [
        ('pods "a" is forbidden: exceeded quota: team, requested: memory=2Gi, used: 0, limited: 1Gi', "quota-exceeded"),
        ('pods "a" is forbidden: violates PodSecurity "restricted:latest"', "admission-refused"),
    ],
)  # fmt: skip
def test_pods_that_would_be_refused_are_told_before_anything_is_pushed(lab, message, code):
    lab.fake.controllers.pod_admission.append(lambda _: message)
    error = refused(lab, cluster={"registry": "registry.invalid/team"})
    assert error.code == code
    assert message.partition("forbidden: ")[2] in error.why
    # Who may not ask about pods learns it from the Job's own events.
    lab.fake.denied.add(("create", "pods"))
    lab.node(lines_then(0))
    with pytest.raises(ContainerizeError) as caught:
        lab.run()
    assert caught.value.code == code
    assert message.partition("forbidden: ")[2] in caught.value.why


def test_a_preempted_pod_is_no_failure(lab):
    seen = []

    def script(pod, node):
        seen.append(pod)
        time.sleep(1.0)  # it is followed by now
        if len(seen) == 1:
            condition = {
                "type": "DisruptionTarget",
                "status": "True",
                "reason": "PreemptionByScheduler",
            }
            yield "status", {"conditions": [condition]}
            node.released.add(pod["metadata"]["uid"])
            yield 143
            return
        yield from LINES
        yield 0

    lab.node(script)
    run = lab.run()
    assert run.state is RunState.SUCCEEDED
    assert any("preempted by a run of higher priority" in text for text in lab.story)
    assert len(seen) == 2


def test_a_failed_attempt_is_repeated_and_the_last_one_counts(lab):
    codes = iter([1, 0])

    def script(pod, node):
        yield f"attempt of {pod['metadata']['name']}\n"
        yield next(codes)

    lab.node(script)
    run = lab.run(cluster={"retries": 1})
    assert (run.state, run.exit_code) == (RunState.SUCCEEDED, 0)
    assert len(lab.lines) == 2
    assert any("the cluster makes another one" in text for text in lab.story)


def test_outputs_that_changed_on_their_way_are_said_to_be_incomplete(lab):
    lab.node(lines_then(0))
    started = lab.start()
    listing = lab.control / "listing.json"
    facts = {
        "path": "empty",
        "mode": 0o644,
        "mtime": 0,
        "kind": "file",
        "size": 0,
        "sha256": "0" * 64,
    }
    listing.write_text(json.dumps({"version": 1, "files": [facts]}))
    run = lab.runtime.follow(started.id, store=lab.store, emit=lab.events.append)
    assert "outputs are not complete: empty" in run.reason
    codes = [event.finding.code for event in lab.events if isinstance(event, FindingRaised)]
    assert codes == ["outputs-not-complete"]


def test_a_pod_that_names_a_file_outside_its_outputs_writes_nothing_there(lab):
    lab.node(lines_then(0))
    started = lab.start()
    (lab.outputs / "escape").symlink_to("/etc")
    run = lab.runtime.follow(started.id, store=lab.store, emit=lab.events.append)
    assert "escape: a link out of the outputs" in run.reason
    assert not os.path.lexists(os.path.join(run.outputs, "escape"))


def following_in_a_thread(lab, run):
    ended = []

    def follow():
        ended.append(lab.runtime.follow(run.id, store=lab.store, emit=lab.events.append))

    thread = threading.Thread(target=follow, daemon=True)
    thread.start()

    def wait():
        thread.join(120)
        (done,) = ended
        return done

    return wait


def test_a_run_that_is_stopped_elsewhere_ends_as_stopped_for_who_follows_it(lab):
    def script(pod, node):
        yield LINES[0]
        while not (lab.control / "stop").exists():
            time.sleep(0.02)
        yield 143

    lab.node(script)
    started = lab.start()
    wait = following_in_a_thread(lab, started)
    until = time.monotonic() + 60
    while not lab.lines:
        assert time.monotonic() < until
        time.sleep(0.02)
    stopped = lab.runtime.stop(started.id, store=lab.store)
    followed = wait()
    assert stopped.state is followed.state is RunState.STOPPED
    assert followed.outputs == stopped.outputs
    assert arrived(stopped) == lab.files
    assert lab.runtime.get(started.id, store=lab.store).state is RunState.STOPPED


def test_a_run_that_is_stopped_while_it_waits_ends_for_who_follows_it(lab):
    lab.node(lines_then(0), pod=lambda *_: False)
    started = lab.start()
    wait = following_in_a_thread(lab, started)
    until = time.monotonic() + 60
    while not lab.story:
        assert time.monotonic() < until
        time.sleep(0.02)
    lab.runtime.stop(started.id, store=lab.store)
    assert wait().state is RunState.STOPPED


def test_a_step_before_the_training_that_fails_is_told_with_its_words(lab):
    def begin(pod, node):
        state = {
            "exitCode": 1,
            "reason": "Error",
            "message": "s3://b/x could not be fetched: no such key",
        }
        node.status(pod, inits={"fetch": {"terminated": state}}, phase="Failed")
        return False

    lab.node(lines_then(0), pod=begin)
    run = lab.run()
    assert run.state is RunState.FAILED
    assert "`fetch`" in run.reason
    assert "no such key" in run.reason


def test_a_worker_that_its_node_evicts_again_and_again_is_given_up(lab):
    def script(pod, node):
        condition = {
            "type": "DisruptionTarget", "status": "True", "reason": "TerminationByKubelet",
            "message": "Pod ephemeral local storage usage exceeds the total limit of containers 1Gi.",
        }  # fmt: skip
        yield "status", {"conditions": [condition]}
        node.released.add(pod["metadata"]["uid"])
        yield 137

    lab.node(script)
    with pytest.raises(ContainerizeError) as caught:
        lab.run()
    assert caught.value.code == "run-evicted"
    assert "exceeds the total limit" in caught.value.why
    assert "--outputs pvc:" in caught.value.fix
    assert lab.fake.one("jobs")["spec"]["suspend"] is True


def test_workers_of_which_a_quota_lets_only_some_be_made(lab):
    made = []

    def quota(pod):
        made.append(pod)
        return "" if len(made) < 3 else 'pods "a" is forbidden: exceeded quota: team, limited: 1'

    lab.fake.controllers.pod_admission.append(quota)
    lab.node(lambda *_: iter(lambda: time.sleep(0.02) or "waiting\n", None))
    with pytest.raises(ContainerizeError) as caught:
        lab.run(workers=3)
    assert caught.value.code == "quota-exceeded"
    assert any("of 3 pods are made: The namespace's quota" in text for text in lab.story)


def test_one_worker_that_fails_fails_the_whole(lab):
    def script(pod, node):
        index = pod["metadata"]["annotations"]["batch.kubernetes.io/job-completion-index"]
        yield f"worker {index}\n"
        if index == "1":
            node.released.add(pod["metadata"]["uid"])
            yield 3
            return
        time.sleep(1.0)
        yield 0

    lab.node(script)
    run = lab.run(workers=2)
    assert (run.state, run.exit_code) == (RunState.FAILED, 3)
    assert "worker 1" in run.reason
    assert "[worker 1] worker 1\n" in lab.lines


# -- bad input -----------------------------------------------------------------------------


def refused(lab, **spec):
    with pytest.raises(ContainerizeError) as caught:
        lab.start(**spec)
    assert lab.fake.all("jobs") == []
    return caught.value


def test_missing_rights_are_told_with_the_role_that_gives_them(lab):
    lab.fake.denied.add(("patch", "networkpolicies"))
    error = refused(lab)
    assert error.code == "no-rights"
    assert "may not patch networkpolicies" in error.what
    assert "--verb=create,patch --resource=networkpolicies.networking.k8s.io" in error.fix


def test_who_may_only_train_sees_his_runs(lab):
    lab.fake.denied |= {("list", "deployments"), ("list", "jobsets")}
    lab.fake.served |= lab.kit.CARRIERS
    lab.node(lines_then(0))
    run = lab.run()
    assert [one.id for one in lab.runtime.list(store=lab.store)] == [run.id]
    assert lab.runtime.get(run.id, store=lab.store).state is RunState.SUCCEEDED
    with pytest.raises(ContainerizeError) as caught:
        lab.runtime.get("none", store=lab.store)
    assert caught.value.code == "no-such-run"


def test_a_namespace_that_is_not_there(lab):
    lab.fake.namespaces.clear()
    error = refused(lab)
    assert (error.code, "namespace default" in error.what) == ("no-such-namespace", True)


def test_a_quota_and_an_admission_rule(lab):
    StatusError = lab.kit.objects.StatusError  # noqa: N806 - a class

    def quota(method, kind, body):
        if kind == "Job":
            raise StatusError(
                403, "Forbidden", "jobs is forbidden: exceeded quota: team, limited: 1"
            )

    lab.fake.admission.append(quota)
    assert refused(lab).code == "quota-exceeded"
    lab.fake.admission[:] = [lambda *_: (_ for _ in ()).throw(StatusError(400, "BadRequest", 'admission webhook "x" denied the request: no'))]  # fmt: skip
    assert refused(lab).code == "admission-refused"


def test_a_cluster_that_is_too_old(lab):
    lab.fake.version = (1, 28)
    lab.fake.validate = False
    error = refused(lab, workers=2)
    assert error.code == "cluster-too-old"
    assert "1.28" in error.what
    assert "1.31" in error.why


def test_more_workers_than_fit(lab):
    error = refused(lab, workers=9, limits=Limits(memory_bytes=4 << 30))
    assert error.code == "does-not-fit"
    assert "holds 1 of 9 pods" in error.why  # a second one's collector does not
    error = refused(lab, gpus="1")
    assert "nvidia.com/gpu 1" in error.why
    lab.fake.denied.add(("list", "nodes"))
    assert lab.start(gpus="1").id  # who may not see nodes learns it from the scheduler


def test_an_image_that_did_not_reach_every_node(lab, monkeypatch):
    monkeypatch.setattr(presence, "_PATIENCE_S", 0.3)
    monkeypatch.setattr(presence, "_LOOK_S", 0.05)
    marker = lab.folder / "loaded"
    load = placing.Loader("k3s", ("sh", "-c", f"echo x >> {marker}"))
    monkeypatch.setattr(placing, "loader_of", lambda _: load)
    name = placing.local_name(lab.image, lab.spec())
    node, other = lab.fake.nodes[0], json.loads(json.dumps(lab.fake.nodes[0]))
    node["status"]["images"] = [{"names": ["registry.example/pause:1"]}]
    other["metadata"]["name"] = "node-b"
    other["status"]["images"] = [{"names": [name]}]
    lab.fake.nodes.append(other)
    with pytest.raises(ContainerizeError) as caught:
        lab.start()
    assert caught.value.code == "image-not-on-nodes"
    assert "node-a" in caught.value.why
    assert "kubernetes.io/hostname=node-b" in caught.value.fix
    assert marker.read_text() == "x\n"
    assert lab.fake.all("jobs") == []
    # Where it is already, it is not loaded again; a list that may be cut proves nothing.
    node["status"]["images"] = [{"names": [f"registry.example/{n}:1"]} for n in range(50)]
    lab.node(lines_then(0))
    lab.start()
    assert marker.read_text() == "x\n"


@pytest.fixture
def guarded(registries, tmp_path, monkeypatch):
    """A real registry that asks for a password, and a Docker configuration of one's own."""
    monkeypatch.setenv("DOCKER_CONFIG", str(tmp_path / "docker"))
    monkeypatch.setenv("HOME", str(tmp_path))
    monkeypatch.delenv("REGISTRY_AUTH_FILE", raising=False)
    (tmp_path / "docker").mkdir()
    with registries.Registry(tmp_path / "registry", auth=True) as running:
        yield running


def test_a_pull_secret_is_made_of_the_users_own_login(lab, guarded, registries, tmp_path):
    login = base64.b64encode(f"{registries.USER}:{registries.PASSWORD}".encode()).decode()
    config = {"auths": {guarded.url: {"auth": login}, "other.example": {"auth": "b3RoZXI6eA=="}}}
    (tmp_path / "docker" / "config.json").write_text(json.dumps(config))
    lab.node(lines_then(0))
    options = {"registry": f"{guarded.url}/team", "pull_secret": "docker"}
    run = lab.start(cluster=options)
    job, (secret,) = lab.fake.one("jobs"), lab.fake.all("secrets")
    assert secret["type"] == "kubernetes.io/dockerconfigjson"
    told = json.loads(secret["stringData"][".dockerconfigjson"])
    assert told == {"auths": {guarded.url: {"auth": login}}}  # this registry's alone
    assert secret["metadata"]["ownerReferences"][0]["uid"] == job["metadata"]["uid"]
    pod = job["spec"]["template"]["spec"]
    assert pod["imagePullSecrets"] == [{"name": secret["metadata"]["name"]}]
    assert pod["containers"][0]["image"].startswith(f"{guarded.url}/team/iris@sha256:")
    assert login not in json.dumps(job)
    assert registries.PASSWORD not in json.dumps(job)
    lab.runtime.follow(run.id, store=lab.store, emit=lambda _: None)
    lab.runtime.remove(run.id, store=lab.store)
    assert lab.fake.all("secrets") == []


def test_no_login_to_make_a_pull_secret_of(lab, guarded):
    options = {"registry": f"{guarded.url}/team", "pull_secret": "docker"}
    with pytest.raises(ContainerizeError) as caught:
        lab.start(cluster=options)
    assert caught.value.code == "no-docker-credentials"
    assert f"docker login {guarded.url}" in caught.value.fix


def test_nothing_of_another_owner_is_overwritten(lab):
    policies = "/apis/networking.k8s.io/v1/namespaces/default/networkpolicies"

    def squat(method, kind, body):
        name = body["metadata"].get("name")
        if kind == "Job" and (policies, name) not in lab.fake.objects.items:
            theirs = {
                "metadata": {"name": name},
                "spec": {"podSelector": {"matchLabels": {"a": "b"}}, "policyTypes": ["Egress"]},
            }
            lab.fake.objects.apply(policies, name, "somebody", theirs)

    lab.fake.admission.append(squat)
    error = refused(lab)
    assert error.code == "owned-by-another"
    assert "somebody" in error.why
    assert lab.fake.one("networkpolicies")["spec"]["policyTypes"] == ["Egress"]


def test_what_was_made_goes_when_the_rest_cannot_be(lab):
    lab.fake.fail(
        "PATCH", r"/secrets/.*fieldValidation=Strict$", 422, reason="Invalid", message="no"
    )
    error = refused(lab, environment={"TOKEN": "s3cret-value"})
    assert error.code == "cluster-refused"
    assert lab.fake.all("networkpolicies") == []
    assert "s3cret-value" not in str(error)


def test_what_a_cluster_cannot_do_is_refused(lab):
    error = refused(lab, limits=Limits(processes=5))
    assert error.code == "not-with-this-runtime"


def test_no_kubeconfig_an_unknown_context_a_damaged_file(lab, monkeypatch, tmp_path):
    def start(**place):
        spec = RunSpec(image=lab.image.digest, cluster=ClusterOptions(place=Place(**place)))
        with pytest.raises(ContainerizeError) as caught:
            lab.runtime.start(spec, store=lab.store)
        return caught.value.code

    assert start(kubeconfig=str(tmp_path / "nowhere")) == "no-kubeconfig"
    assert start(kubeconfig=str(lab.kubeconfig), context="other") == "unknown-context"
    damaged = tmp_path / "damaged"
    damaged.write_text("clusters: [")
    assert start(kubeconfig=str(damaged)) == "bad-kubeconfig"


def test_a_cluster_that_the_kubeconfig_no_longer_has(lab):
    lab.node(lines_then(0))
    lab.start()
    lab.kubeconfig.write_text(lab.kubeconfig.read_text().replace("kind-test", "kind-other"))
    (problem,) = lab.runtime.problems(store=lab.store)
    assert problem.code == "unknown-context"
    assert "not listed" in problem.fix
    assert lab.runtime.list(store=lab.store) == ()


def test_a_server_that_is_not_there_and_one_with_another_certificate(lab, tmp_path):
    def codes(server):
        document = json.loads(lab.kubeconfig.read_text())
        document["clusters"][0]["cluster"]["server"] = server
        path = tmp_path / "other"
        path.write_text(json.dumps(document))
        spec = RunSpec(
            image=lab.image.digest, cluster=ClusterOptions(place=Place(kubeconfig=str(path)))
        )
        with pytest.raises(ContainerizeError) as caught:
            lab.runtime.start(spec, store=lab.store)
        return caught.value.code

    assert codes("http://127.0.0.1:9") == "cluster-unreachable"
    with tls_server(tmp_path) as port:
        assert codes(f"https://127.0.0.1:{port}") == "cluster-certificate"


def tls_server(folder):
    subprocess.run(
        ["openssl", "req", "-x509", "-newkey", "rsa:2048", "-nodes", "-days", "2", "-subj",
         "/CN=other", "-keyout", "key.pem", "-out", "cert.pem"],
        cwd=folder, check=True, capture_output=True,
    )  # fmt: skip
    context = ssl.SSLContext(ssl.PROTOCOL_TLS_SERVER)
    context.load_cert_chain(folder / "cert.pem", folder / "key.pem")

    @contextlib.contextmanager
    def serve():
        with socket.create_server(("127.0.0.1", 0)) as listener:

            def work():
                with contextlib.suppress(OSError):
                    while True:
                        client, _ = listener.accept()
                        with contextlib.suppress(OSError):
                            context.wrap_socket(client, server_side=True)

            threading.Thread(target=work, daemon=True).start()
            yield listener.getsockname()[1]

    return serve()
