"""The side panel where things run elsewhere: in a cluster, on a gateway; and where a kernel stays dead."""

from __future__ import annotations

import json
import os
import re
import shutil
import signal
import tempfile
from pathlib import Path

import pytest

pytestmark = pytest.mark.timeout(900)


@pytest.fixture(scope="module")
def cluster(fake_cluster, kind_clusters, tmp_path_factory):
    """An API server of our own whose pods are real processes, named `near` and, elsewhere, `kind-test`."""
    folder = tmp_path_factory.mktemp("cluster")
    with fake_cluster.FakeCluster(namespaces=("default", "lab", "team-a")) as fake:
        found = kind_clusters.KindCluster(fake, fake_cluster, folder)
        document = json.loads(found.kubeconfig.read_text())
        first = document["contexts"][0]
        document["contexts"].append(
            {**first, "name": "far", "context": {**first["context"], "namespace": "team-a"}}
        )
        found.kubeconfig.write_text(json.dumps(document))
        yield found


@pytest.fixture(scope="module")
def jupyter(browser, environment, panel_environment, side_panel, cluster):
    """A server that knows the cluster, is set to run there, and lets dead kernels lie."""
    place = Path(tempfile.mkdtemp(prefix="containerize-places-"))
    with browser.front_end(
        panel_environment,
        place,
        kernel=environment("bare"),
        settings={"jupyter-containerize/panel": {"runtime": "kubernetes", "verify": False}},
        arguments=["--KernelRestarter.restart_limit=0"],
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


def test_a_kernel_that_stays_dead_says_what_can_be_done(jupyter, panel):
    view = panel()
    jupyter.save("dead.ipynb", ["import os\nprint(os.getpid())"])
    view.open(jupyter.address("dead.ipynb"))
    view.tab.run(0)
    output = view.tab.cell(0).locator(".jp-OutputArea-output")
    os.kill(int(output.inner_text()), signal.SIGKILL)
    dead = view.code("kernel-dead")
    view.tab.shot("panel-kernel-dead")
    assert dead.get_by_role("button", name="Restart the kernel and run all cells").is_visible()
    assert view.button("build").is_enabled()
