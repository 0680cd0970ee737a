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
    ]


def test_runs_of_a_named_place_are_looked_for(server, cluster):
    before = len(cluster.calls)
    answer = server.ask("GET", "runs?context=far&namespace=team-a")
    assert answer.status_code == 200, answer.text
    assert any("/namespaces/team-a/" in str(one) for one in cluster.calls[before:])


def test_an_unknown_context_is_an_error_that_lists_the_known_ones(server):
    answer = server.ask("GET", "runs?context=nowhere")
    assert answer.json()["error"]["code"] == "unknown-context"
    assert "near" in answer.json()["error"]["why"] + answer.json()["error"]["fix"]


def test_a_browser_names_no_kubeconfig_of_its_own(server):
    options = {"image": "x", "options": {"cluster": {"place": {"kubeconfig": "other"}}}}
    answer = server.ask("POST", "jobs", {"command": "run", "options": options})
    assert answer.status_code == 400
    assert "kubeconfig" in answer.json()["error"]["why"]
