"""Manifests against the official schemas, the Pod Security Standard, and their own golden files."""

from __future__ import annotations

import json
import os
from pathlib import Path

import pytest
import yaml

from jupyter_containerize.errors import ContainerizeError
from jupyter_containerize.model.cluster import Scheduling
from jupyter_containerize.runtimes.kubernetes.manifests import jobs, kinds, serving
from jupyter_containerize.runtimes.kubernetes.manifests import (
    training as training_manifests,
)
from jupyter_containerize.runtimes.kubernetes.manifests.names import dns_label, run_name
from jupyter_containerize.runtimes.kubernetes.manifests.volumes import source, target
from jupyter_containerize.runtimes.kubernetes.manifests.yaml import dump

GOLDEN = Path(__file__).parents[3] / "golden" / "kubernetes"

EVERYTHING = {
    "retries": 2,
    "pull_secret": "pull",
    "service_account": "runner",
    "priority_class": "low",
    "node_selector": {"disk": "ssd"},
    "tolerations": ("gpu=yes:NoSchedule", "spot"),
    "data": ("pvc:data:/data", "s3://bucket/x.csv:/home/anna/work/x.csv"),
}
TRAININGS = {
    "plain": {},
    "everything": {
        "cluster": EVERYTHING,
        "limits": {"memory_bytes": 4 << 30, "cpus": 1.5, "timeout_s": 3600.0},
        "gpus": "2",
        "parameters": {"epochs": "5", "text": "a $(b) c"},
        "environment": {"TOKEN": "s3cret-value"},
        "network": True,
    },
    "workers": {"workers": 3},
    "sweep": {"cluster": {"sweep": {"lr": ("0.1", "0.01"), "depth": ("2", "3")}, "parallel": 2}},
    "claim": {"cluster": {"outputs": "pvc:10Gi"}},
    "url": {"cluster": {"outputs": "s3://bucket/out", "queue": "team"}},
}
SERVICES = {
    "plain": {},
    "everything": {
        "serving": {
            "replicas": 2, "max_replicas": 9, "target_rps": 50, "host": "iris.example",
            "ingress_class": "nginx",
        },
        "environment": {"TOKEN": "s3cret-value"},
        "limits": {"memory_bytes": 1 << 30},
    },
}  # fmt: skip
CASES = [("training", name) for name in TRAININGS] + [("service", name) for name in SERVICES]


@pytest.fixture
def made(request):
    kind, name = request.param
    if kind == "training":
        return training_manifests.objects(request.getfixturevalue("training")(**TRAININGS[name]))
    return serving.objects(request.getfixturevalue("service")(**SERVICES[name]))


@pytest.fixture(scope="session")
def schemas(fake_cluster):
    return fake_cluster.schemas


@pytest.mark.parametrize("made", CASES, indirect=True, ids="-".join)
@pytest.mark.parametrize("version", [(1, 31), (1, 33), (1, 36)], ids="{0[0]}.{0[1]}".format)
def test_the_official_schemas_take_every_object(made, version, schemas):
    assert [problem for item in made if (problem := schemas.problem(item, version))] == []


def pod_specs(made):
    return [item["spec"]["template"]["spec"] for item in made if "template" in item.get("spec", {})]


@pytest.mark.parametrize("made", CASES, indirect=True, ids="-".join)
def test_pods_meet_the_restricted_standard_and_more(made):
    """Source: the table of the Pod Security Standards, profile `restricted`."""
    (pod,) = pod_specs(made)
    assert not {"hostNetwork", "hostPID", "hostIPC"} & pod.keys()
    assert pod["securityContext"]["runAsNonRoot"] is True
    assert pod["securityContext"]["runAsUser"] > 0
    assert pod["securityContext"]["seccompProfile"] == {"type": "RuntimeDefault"}
    assert pod["automountServiceAccountToken"] is False
    for volume in pod["volumes"]:
        assert set(volume) - {"name"} <= {"emptyDir", "persistentVolumeClaim", "secret"}
    for container in [*pod["containers"], *pod.get("initContainers", ())]:
        assert container["securityContext"] == {
            "allowPrivilegeEscalation": False,
            "readOnlyRootFilesystem": True,
            "capabilities": {"drop": ["ALL"]},
        }
        assert {"cpu", "memory"} <= container["resources"]["requests"].keys()
        assert {"cpu", "memory"} <= container["resources"]["limits"].keys()
        assert "@sha256:" in container["image"]
        mounted = {mount["name"] for mount in container["volumeMounts"]}
        assert mounted <= {volume["name"] for volume in pod["volumes"]}


@pytest.mark.parametrize("made", CASES, indirect=True, ids="-".join)
def test_objects_are_ours_and_hold_no_secret_outside_their_secret(made):
    for item in made:
        assert item["metadata"]["labels"]["app.kubernetes.io/managed-by"] == "jupyter-containerize"
        assert item["metadata"]["labels"]["jupyter-containerize.io/run"] == "12ab34cd"
        if item["kind"] != "Secret":
            assert "s3cret-value" not in json.dumps(item)


@pytest.mark.parametrize("made", CASES, indirect=True, ids="-".join)
def test_manifests_are_the_golden_ones(made, request):
    name = request.node.callspec.id
    text = "---\n".join(dump(item) for item in made)
    path = GOLDEN / f"{name}.yaml"
    if os.environ.get("UPDATE_GOLDEN"):
        path.parent.mkdir(exist_ok=True)
        path.write_text(text)
    assert path.read_text() == text


@pytest.mark.parametrize("made", CASES, indirect=True, ids="-".join)
def test_the_yaml_says_what_the_dicts_say(made):
    assert list(yaml.safe_load_all("---\n".join(dump(item) for item in made))) == made


def test_gpus_belong_to_the_training_alone(training):
    (job, *_) = training_manifests.objects(training(gpus="2"))
    pod = job["spec"]["template"]["spec"]
    with_gpus = [
        container["name"]
        for container in [*pod["containers"], *pod["initContainers"]]
        if "nvidia.com/gpu" in container["resources"]["limits"]
    ]
    assert with_gpus == ["training"]


def test_the_deadline_and_the_failures_are_the_trainings(training):
    job = jobs.job(training(limits={"timeout_s": 60.0}))
    words = next(
        one["command"] for one in job["spec"]["template"]["spec"]["containers"]
        if one["name"] == "training"
    )  # fmt: skip
    assert words[words.index("--deadline") + 1] == "60"
    # The cluster's own deadline leaves the collector all the time it may take.
    assert job["spec"]["activeDeadlineSeconds"] >= 60 + 3600
    rules = job["spec"]["podFailurePolicy"]["rules"]
    assert rules[0]["action"] == "Ignore"
    assert rules[1]["onExitCodes"]["containerName"] == "training"


def test_workers_find_one_another_and_the_chief_decides(training):
    made = training_manifests.objects(training(workers=3))
    job, service, policy = (
        next(item for item in made if item["kind"] == kind)
        for kind in ("Job", "Service", "NetworkPolicy")
    )
    assert job["spec"]["completions"] == job["spec"]["parallelism"] == 3
    assert job["spec"]["successPolicy"] == {"rules": [{"succeededIndexes": "0"}]}
    assert service["spec"]["clusterIP"] == "None"
    assert job["spec"]["template"]["spec"]["subdomain"] == service["metadata"]["name"]
    peers = {"podSelector": {"matchLabels": {"jupyter-containerize.io/run": "12ab34cd"}}}
    assert policy["spec"]["ingress"] == [{"from": [peers]}]
    assert {"to": [peers]} in policy["spec"]["egress"]


def test_a_run_without_network_may_ask_for_names_only(training):
    policy = training_manifests.objects(training())[-1]
    assert policy["spec"]["ingress"] == []
    assert [sorted(rule) for rule in policy["spec"]["egress"]] == [["ports"]]


def test_the_number_of_pods_is_the_autoscalers_where_there_is_one(service):
    made = serving.objects(service(serving={"replicas": 2, "max_replicas": 5}))
    assert "replicas" not in made[0]["spec"]
    scaler = next(item for item in made if item["kind"] == "HorizontalPodAutoscaler")
    assert (scaler["spec"]["minReplicas"], scaler["spec"]["maxReplicas"]) == (2, 5)
    with pytest.raises(ContainerizeError, match="less than"):
        serving.objects(service(serving={"replicas": 3, "max_replicas": 2}))


def test_other_kinds_of_objects_hold_the_same_pod(training, service):
    plain = jobs.pod_template(training())["spec"]["containers"][0]
    jobset = kinds.jobset(training())
    template = jobset["spec"]["replicatedJobs"][0]["template"]
    assert template["spec"]["template"]["spec"]["containers"][0] == plain
    # The Job that the JobSet makes is found as the run.
    assert template["metadata"]["labels"] == jobset["metadata"]["labels"]
    trainjob = kinds.trainjob(training(workers=2, cluster={"scheduling": Scheduling.TRAINJOB}))
    assert trainjob["spec"]["trainer"]["numNodes"] == 2
    kserve = serving.objects(service(cluster={"scheduling": Scheduling.KSERVE}))[0]
    assert kserve["spec"]["predictor"]["containers"][0]["name"] == "kserve-container"


@pytest.mark.parametrize(
    ("text", "name"),
    [
        ("My Notebook (final).v2", "my-notebook-final-v2"),
        ("2024 data", "n-2024-data"),
        ("Üñï", "uni"),
        ("模型", "run"),
        ("x" * 90, "x" * 42),
        ("-a-", "a"),
    ],
)
def test_names_are_made_valid(text, name):
    assert dns_label(text) == name


def test_a_runs_name_leaves_room_for_its_pods():
    name = run_name("registry.example:5000/team/" + "long-" * 20 + "name:tag", "12ab34cd")
    assert len(name) <= 42
    assert name.endswith("-12ab34cd")


@pytest.mark.parametrize("text", ["pvc:", "nowhere", "pvc:Not_Valid", "/folder"])
def test_no_place_for_outputs(text):
    with pytest.raises(ContainerizeError, match="no place for outputs"):
        target(text)


@pytest.mark.parametrize("text", ["pvc:data", "s3://bucket/x", "x:/y", "pvc:data:relative"])
def test_no_data(text):
    with pytest.raises(ContainerizeError, match="what to put where"):
        source(text)
