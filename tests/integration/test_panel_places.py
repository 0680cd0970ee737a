"""The side panel where things run elsewhere: in a cluster."""

from __future__ import annotations

import json
import re
import shutil
import tempfile
from pathlib import Path

import pytest

pytestmark = pytest.mark.timeout(900)


@pytest.fixture(scope="module")
def cluster(fake_cluster, kind_clusters, tmp_path_factory):
    """An API server of our own whose pods are real processes, named `near` and, elsewhere, `kind-test`."""
    folder = tmp_path_factory.mktemp("cluster")
    with fake_cluster.FakeCluster(namespaces=("default", "lab", "team-a")) as fake:
        found = kind_clusters.KindCluster(fake, fake_cluster, folder, networked=True)
        document = json.loads(found.kubeconfig.read_text())
        first = document["contexts"][0]
        document["contexts"].append(
            {**first, "name": "far", "context": {**first["context"], "namespace": "team-a"}}
        )
        found.kubeconfig.write_text(json.dumps(document))
        yield found


@pytest.fixture(scope="module")
def jupyter(browser, environment, panel_environment, side_panel, cluster):
    """A server that knows the cluster, and is set to run there."""
    place = Path(tempfile.mkdtemp(prefix="containerize-places-"))
    with browser.front_end(
        panel_environment,
        place,
        kernel=environment("bare"),
        settings={"jupyter-containerize/panel": {"runtime": "kubernetes", "verify": False}},
        **cluster.variables,
    ) as started:
        yield started
    shutil.rmtree(place, ignore_errors=True)


def test_a_cluster_is_chosen_run_in_and_looked_into(browser, jupyter, panel, cluster):
    view = panel()
    jupyter.save("far away.ipynb", ["print('from a pod', 6 * 7)"])
    view.open(jupyter.address("far away.ipynb"))
    view.view("Build")
    assert view.button("build").inner_text() == "Build and run", "the settings say so"
    where = view.node.get_by_role("radio", name="A cluster")
    where.wait_for()
    view.tab.until(where.is_checked, "the settings' choice is known")
    view.view("Cluster")
    contexts = view.node.get_by_label("Context")
    contexts.wait_for()
    assert contexts.locator("option").all_inner_texts() == ["kind-test", "far"]
    namespace = view.node.get_by_label("Namespace")
    assert namespace.get_attribute("placeholder") == "default"
    contexts.select_option("far")
    view.tab.until(lambda: namespace.get_attribute("placeholder") == "team-a", "its own namespace")
    contexts.select_option("kind-test")
    namespace.fill("lab")
    view.build()
    view.button("show-run").wait_for(timeout=400_000)
    job = cluster.fake.one("jobs", "lab")
    view.view("Cluster")
    listed = view.node.get_by_role("list", name="What runs there")
    listed.get_by_text(re.compile("far-away:latest")).wait_for()
    view.tab.shot("panel-cluster")
    assert browser.barriers(view.tab, "#jupyter-containerize-panel") == []
    listed.get_by_role("button", name="Show").first.click()
    view.node.get_by_text("from a pod 42").wait_for()
    view.node.get_by_role("link", name="executed.ipynb").wait_for()
    assert job["metadata"]["namespace"] == "lab"


def served(cluster):
    """The image that a deployment's pods are to have."""
    deployment = cluster.fake.one("deployments", "default")
    return deployment["spec"]["template"]["spec"]["containers"][0]["image"]


def test_a_service_in_a_cluster_is_scaled_updated_and_rolled_back(jupyter, panel, cluster):
    view = panel()
    jupyter.save("grows.ipynb", ["def grow(x: float) -> float:\n    return 2 * x"])
    view.open(jupyter.address("grows.ipynb"))
    view.view("Notebook")
    view.node.get_by_label("Serves a model").click()
    view.node.get_by_label(re.compile("name in the notebook")).fill("grow")
    view.view("Build")
    options = view.node.locator('[data-code="options"]')
    options.locator("summary").click()
    options.locator('[data-option="--replicas"] input').fill("1")
    view.build()
    view.button("show-run").click(timeout=400_000)
    deployment = cluster.fake.one("deployments", "default")
    assert deployment["spec"]["replicas"] == 1

    def act(name, done):
        view.button(name).click()
        dialog = view.page.locator(".jp-Dialog")
        if name == "scale":
            dialog.locator("input").fill("2")
        if name == "update":
            dialog.locator("select").select_option(index=0)
        dialog.locator(".jp-mod-accept").click()
        view.code(done, timeout=400_000)

    act("scale", "scale-done")
    assert cluster.fake.one("deployments", "default")["spec"]["replicas"] == 2
    asked = view.node.get_by_label("A request to /predict, as JSON")
    view.tab.until(asked.input_value, "the example is there")
    asked.fill('{"inputs": {"x": 21}}')
    view.button("predict").click()
    answered = view.node.get_by_role("region", name="Answer")
    answered.get_by_text(re.compile("42")).wait_for()
    view.view("Build")
    view.tab.cell(0).locator(".cm-content").click()
    view.page.keyboard.press("Control+End")
    view.page.keyboard.type(" + 1")
    view.node.get_by_label("Run the image").uncheck()
    view.build()
    view.code("built", timeout=400_000)
    view.view("Runs")
    first = served(cluster)
    act("update", "update-done")
    assert served(cluster) != first
    act("rollback", "rollback-done")
    assert served(cluster) == first
    view.tab.shot("panel-cluster-service")
    view.button("stop").click()
    view.node.locator("[data-run] .jp-mod-stopped").first.wait_for()
