"""The panel's server and clusters: which there are, what runs in one, whose kubeconfig counts."""

from __future__ import annotations

import json

import pytest


@pytest.fixture(scope="module")
def cluster(fake_cluster):
    with fake_cluster.FakeCluster(namespaces=("default", "lab", "team-a")) as started:
        yield started


@pytest.fixture(scope="module")
def server(tmp_path_factory, jupyter_servers, cluster):
    folder = tmp_path_factory.mktemp("server-cluster")
    path = cluster.kubeconfig(folder, context="near", namespace="lab")
    document = json.loads(path.read_text())
    first = document["contexts"][0]
    document["contexts"].append(
        {**first, "name": "far", "context": {**first["context"], "namespace": ""}}
    )
    document["clusters"].append({"name": "off", "cluster": {"server": "https://127.0.0.1:9"}})
    document["contexts"].append({"name": "off", "context": {**first["context"], "cluster": "off"}})
    path.write_text(json.dumps(document))
    variables = {"KUBECONFIG": str(path)}
    with jupyter_servers.running(folder, environment=variables) as found:
        yield found


def test_contexts_as_kubeconfig_names_them(server):
    answer = server.ask("GET", "contexts")
    assert answer.status_code == 200, answer.text
    assert answer.json()["contexts"] == [
        {"name": "near", "namespace": "lab", "current": True},
        {"name": "far", "namespace": "", "current": False},
        {"name": "off", "namespace": "lab", "current": False},
    ]


def test_runs_of_a_named_place_are_looked_for(server, cluster):
    before = len(cluster.calls)
    answer = server.ask("GET", "runs?context=far&namespace=team-a")
    assert answer.status_code == 200, answer.text
    assert any("/namespaces/team-a/" in str(one) for one in cluster.calls[before:])


def test_a_place_that_does_not_answer_is_told_and_not_asked_again(server):
    answer = server.ask("GET", "runs?context=off")
    assert answer.json()["error"]["code"] == "cluster-unreachable"
    assert server.ask("GET", "runs").json()["problems"] == []


def test_a_known_place_that_has_gone_hides_no_run_and_is_told(server):
    file = server.store / "clusters.json"
    before = file.read_text()
    known = json.loads(before)
    known["places"].insert(0, {"context": "off", "namespace": "lab", "kubeconfig": ""})
    file.write_text(json.dumps(known))
    (problem,) = server.ask("GET", "runs").json()["problems"]
    file.write_text(before)
    assert (problem["code"], problem["severity"]) == ("cluster-unreachable", "warning")


def test_an_unknown_context_is_an_error_that_lists_the_known_ones(server):
    answer = server.ask("GET", "runs?context=nowhere")
    assert answer.json()["error"]["code"] == "unknown-context"
    assert "near" in answer.json()["error"]["why"] + answer.json()["error"]["fix"]


def test_a_browser_names_no_kubeconfig_of_its_own(server):
    options = {"image": "x", "options": {"cluster": {"place": {"kubeconfig": "other"}}}}
    answer = server.ask("POST", "jobs", {"command": "run", "options": options})
    assert answer.status_code == 400
    assert "kubeconfig" in answer.json()["error"]["why"]
