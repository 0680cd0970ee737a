"""Bad input and what a cluster refuses: each has its error, and nothing is left behind."""

from __future__ import annotations

import base64
import contextlib
import json
import socket
import ssl
import subprocess
import threading

import pytest

from jupyter_containerize.errors import ContainerizeError
from jupyter_containerize.model.cluster import ClusterOptions, Place, Scheduling, Serving
from jupyter_containerize.model.run import Limits, RunSpec, RunState
from jupyter_containerize.runtimes.kubernetes import placing, presence


@pytest.fixture
def lab(scripted_lab):
    return scripted_lab


def test_missing_rights_are_told_with_the_role_that_gives_them(lab):
    lab.fake.denied.add(("patch", "networkpolicies"))
    error = lab.refused()
    assert error.code == "no-rights"
    assert "may not patch networkpolicies" in error.what
    assert "--verb=create,patch --resource=networkpolicies.networking.k8s.io" in error.fix


def test_who_may_only_train_sees_his_runs(lab, cluster_lab):
    lab.fake.denied |= {("list", "deployments"), ("list", "jobsets")}
    lab.fake.served |= lab.kit.CARRIERS
    lab.node(cluster_lab.lines_then(0))
    run = lab.run()
    assert [one.id for one in lab.runtime.list(store=lab.store)] == [run.id]
    assert lab.runtime.get(run.id, store=lab.store).state is RunState.SUCCEEDED
    with pytest.raises(ContainerizeError) as caught:
        lab.runtime.get("none", store=lab.store)
    assert caught.value.code == "no-such-run"


def test_a_namespace_that_is_not_there(lab):
    lab.fake.namespaces.clear()
    error = lab.refused()
    assert (error.code, "namespace default" in error.what) == ("no-such-namespace", True)


@pytest.mark.parametrize("name", ["My Team", "team/../kube-system", "übung", "x" * 64])
def test_what_no_namespace_can_be_called(lab, name):
    place = Place(kubeconfig=str(lab.kubeconfig), namespace=name)
    with pytest.raises(ContainerizeError) as caught:
        lab.runtime.look_in(place, store=lab.store)
    assert caught.value.code == "no-such-namespace"
    assert repr(name) in caught.value.what
    assert lab.fake.calls == []


def test_a_quota_and_an_admission_rule(lab):
    StatusError = lab.kit.objects.StatusError  # noqa: N806 - a class

    def quota(method, kind, body):
        if kind == "Job":
            raise StatusError(
                403, "Forbidden", "jobs is forbidden: exceeded quota: team, limited: 1"
            )

    lab.fake.admission.append(quota)
    assert lab.refused().code == "quota-exceeded"
    lab.fake.admission[:] = [lambda *_: (_ for _ in ()).throw(StatusError(400, "BadRequest", 'admission webhook "x" denied the request: no'))]  # fmt: skip
    assert lab.refused().code == "admission-refused"


@pytest.mark.parametrize(
    ("version", "since", "feature", "wishes"),
    [
        ((1, 25), "1.26", "pod failure policy", {}),
        ((1, 28), "1.29", "backoff limit per index", {"cluster": {"sweep": {"lr": ("1", "2")}}}),
        ((1, 30), "1.31", "success policy", {"workers": 2}),
    ],
)
def test_a_cluster_that_is_too_old(lab, version, since, feature, wishes):
    lab.fake.version = version
    # Schemas before 1.29 require what servers never did: onPodConditions.
    lab.fake.validate = False
    error = lab.refused(**wishes)
    assert error.code == "cluster-too-old", error.why
    assert f"Kubernetes {version[0]}.{version[1]}, which has no {feature}" in error.what
    assert since in error.why
    assert error.fix


@pytest.mark.parametrize(
    "message",
    [
        "[minimum cpu usage per Container is 100m, but request is 20m]",
        "cpu max limit to request ratio per Container is 10, but provided ratio is 50.000000",
    ],
)
def test_where_small_containers_are_refused_ours_ask_for_as_much_as_the_work(lab, message):
    """No option of the user's is about them, so he could not mend it."""

    def rule(pod):
        small = any(one["resources"]["requests"]["cpu"] == "20m" for one in pod["spec"]["containers"])  # fmt: skip
        return f'pods "a" is forbidden: {message}' if small else ""

    lab.fake.controllers.pod_admission.append(rule)
    lab.start()
    pod = lab.fake.one("jobs")["spec"]["template"]["spec"]
    work, collector = pod["containers"]
    assert collector["resources"] == work["resources"] == pod["initContainers"][0]["resources"]
    lab.fake.controllers.pod_admission[:] = [lambda _: f'pods "a" is forbidden: {message}']
    with pytest.raises(ContainerizeError) as caught:
        lab.start()  # the work itself is too small: that he can mend
    assert "--cpus within them" in caught.value.fix


def test_a_cluster_that_has_never_heard_of_what_is_used(lab):
    lab.fake.version = (1, 27)
    message = "failed to create typed patch object (default/a; batch/v1, Kind=Job): .spec.successPolicy: field not declared in schema"
    lab.fake.fail("PATCH", "/jobs/", 500, message=message)
    error = lab.refused(workers=2)
    assert error.code == "cluster-too-old"
    assert "1.27, which has no success policy" in error.what


def test_a_jobset_is_not_asked_for_what_its_job_needs(lab):
    lab.fake.version = (1, 30)
    lab.fake.served |= lab.kit.CARRIERS
    error = lab.refused(workers=2, cluster={"scheduling": Scheduling.JOBSET})
    assert error.code == "cluster-too-old"
    assert lab.fake.all("jobsets") == []


def test_more_workers_than_fit(lab):
    error = lab.refused(workers=9, limits=Limits(memory_bytes=4 << 30))
    assert error.code == "does-not-fit"
    assert "holds 1 of 9 pods" in error.why  # a second one's collector does not
    error = lab.refused(gpus="1")
    assert "nvidia.com/gpu 1" in error.why
    lab.fake.denied.add(("list", "nodes"))
    assert lab.start(gpus="1").id  # who may not see nodes learns it from the scheduler


def test_an_image_that_did_not_reach_every_node(lab, monkeypatch, cluster_lab):
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
    lab.node(cluster_lab.lines_then(0))
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


@pytest.fixture
def logged_in(guarded, registries, tmp_path):
    """The options of who is logged in there, and makes a pull secret of it."""
    login = base64.b64encode(f"{registries.USER}:{registries.PASSWORD}".encode()).decode()
    config = {"auths": {guarded.url: {"auth": login}, "other.example": {"auth": "b3RoZXI6eA=="}}}
    (tmp_path / "docker" / "config.json").write_text(json.dumps(config))
    return {"registry": f"{guarded.url}/team", "pull_secret": "docker"}


def test_a_pull_secret_is_made_of_the_users_own_login(
    lab, guarded, logged_in, registries, cluster_lab
):
    login = base64.b64encode(f"{registries.USER}:{registries.PASSWORD}".encode()).decode()
    lab.node(cluster_lab.lines_then(0))
    run = lab.start(cluster=logged_in)
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
    error = lab.refused()
    assert error.code == "owned-by-another"
    assert "somebody" in error.why
    assert lab.fake.one("networkpolicies")["spec"]["policyTypes"] == ["Egress"]


def test_a_secret_of_another_owner_is_not_mixed_with_ours(lab):
    """An apply would add our keys to it: nothing of his says otherwise."""
    secrets = "/api/v1/namespaces/default/secrets"
    theirs = {"metadata": {"name": "iris-env"}, "data": {"PASSWORD": "eA=="}}
    lab.fake.objects.apply(secrets, "iris-env", "kubectl-create", theirs)
    lab.image = lab.shared("inference")
    error = lab.refused(environment={"TOKEN": "s3cret-value"})
    assert error.code == "owned-by-another"
    assert "Secret iris-env" in error.what
    assert "kubectl-create" in error.why
    assert lab.fake.one("secrets")["data"] == {"PASSWORD": "eA=="}
    assert lab.fake.all("deployments") == []


def test_what_another_made_under_a_name_that_was_ours_is_not_deleted(lab):
    run = lab.start()
    jobs = "/apis/batch/v1/namespaces/default/jobs"
    name = lab.fake.one("jobs")["metadata"]["name"]
    there = lab.runtime._in_cluster(run.id, lab.store)
    lab.fake.objects.delete(jobs, name)
    theirs = {"metadata": {"name": name}, "spec": {"suspend": True}}
    lab.fake.objects.apply(jobs, name, "somebody", theirs)
    there.remove()
    assert lab.fake.one("jobs")["metadata"]["name"] == name


@pytest.mark.parametrize("carrier", [Scheduling.DEPLOYMENT, Scheduling.KSERVE])
def test_a_service_of_ours_is_not_overwritten_by_another_of_its_name(lab, carrier):
    lab.fake.served |= lab.kit.CARRIERS
    lab.image = lab.shared("inference")
    first = lab.start(cluster={"scheduling": carrier})
    with pytest.raises(ContainerizeError) as caught:
        lab.start(cluster={"scheduling": carrier})
    assert caught.value.code == "name-taken"
    assert first.id in caught.value.what
    assert first.id in caught.value.fix


def test_the_name_that_it_got_is_shown(lab):
    lab.image = lab.shared("inference")
    wishes = {"serving": Serving(name="Mein Modell (Übung) " + "x" * 60)}
    lab.runtime.start(lab.spec(cluster=wishes), store=lab.store, emit=lab.events.append)
    name = lab.fake.one("deployments")["metadata"]["name"]
    assert name.startswith("mein-modell-ubung-xxx")
    assert f"Creating Deployment {name} in namespace default" in lab.story


def test_what_was_made_goes_when_the_rest_cannot_be(lab):
    lab.fake.fail(
        "PATCH", r"/secrets/.*fieldValidation=Strict$", 422, reason="Invalid", message="no"
    )
    error = lab.refused(environment={"TOKEN": "s3cret-value"})
    assert error.code == "cluster-refused"
    assert lab.fake.all("networkpolicies") == []
    assert "s3cret-value" not in str(error)


def test_a_claim_is_made_only_when_nothing_else_can_fail(lab, logged_in):
    """Outputs outlive their run, so nobody would delete it."""
    lab.fake.fail(
        "PATCH", r"/secrets/.*fieldValidation=Strict$", 422, reason="Invalid", message="no"
    )
    lab.refused(cluster={**logged_in, "outputs": "pvc:1Gi"})
    assert lab.fake.all("persistentvolumeclaims") == []


def test_what_a_cluster_cannot_do_is_refused(lab):
    error = lab.refused(limits=Limits(processes=5))
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


def test_a_cluster_that_the_kubeconfig_no_longer_has(lab, cluster_lab):
    lab.node(cluster_lab.lines_then(0))
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
