"""From inside a real cluster, as in a JupyterHub: a pod with our package, a service account and a Role.

The Role is the one of docs/kubernetes.md. Needs a registry that pods can reach too:
CONTAINERIZE_TEST_REGISTRY, unless that is on loopback.
"""

from __future__ import annotations

import ipaddress
import json
import os
import re
from pathlib import Path

import pytest

REGISTRY = os.environ.get("CONTAINERIZE_TEST_REGISTRY", "")
HOST = REGISTRY.partition("/")[0]


def on_loopback(host):
    name = host.rpartition(":")[0] or host
    try:
        return ipaddress.ip_address(name).is_loopback
    except ValueError:
        return name == "localhost"


pytestmark = [
    pytest.mark.cluster,
    pytest.mark.timeout(900),
    pytest.mark.skipif(
        not os.environ.get("KUBECONFIG"), reason="no cluster: KUBECONFIG is not set"
    ),
    pytest.mark.skipif(not REGISTRY or on_loopback(HOST), reason="no registry that pods can reach"),
]

ROOT = Path(__file__).resolve().parents[2]
DOCS = ROOT / "docs" / "kubernetes.md"
# What the image of a JupyterHub's user holds: our package, a kernel, the client of clusters.
HUB = "import ipykernel, isal, kubernetes, urllib3\nimport jupyter_containerize.__main__\nimport jupyter_containerize.worker"
SCRIPT = """
import os, shutil, subprocess, sys
os.environ |= {"HOME": "/tmp/home", "JUPYTER_CONTAINERIZE_STORE": "/tmp/store"}
os.makedirs("/tmp/home/work")
os.chdir("/tmp/home/work")
shutil.copy("/notebook/inner.ipynb", ".")
def call(*words):
    subprocess.run([sys.executable, "-m", "jupyter_containerize", *words], check=True)
call("build", "inner.ipynb", "--kernel", sys.executable, "--no-execute", "-t", "inner:1")
call("run", "inner:1", "--runtime", "kubernetes", "--registry", os.environ["REGISTRY"],
     "--memory", "300M", "--cpus", "0.2")
call("runs")
for place, _, names in os.walk("/tmp/store/runs"):
    print(*(f"{place}/{name}" for name in names), sep="\\n")
"""


def role():
    """Return the Role of the documentation, as YAML."""
    return re.search(r"```yaml\n(kind: Role\n.*?)```", DOCS.read_text(), re.DOTALL)[1]


@pytest.fixture(scope="module")
def cluster(cluster_runs, tmp_path_factory, environment):
    with cluster_runs.Cluster(tmp_path_factory.mktemp("inside"), environment) as made:
        made.build("hub", cluster_runs.notebook([(HUB, [])]), python="cluster")
        yield made


def test_a_pod_trains_in_its_own_cluster(cluster, cluster_runs):
    pushed = cluster.call("push", "hub:1", f"{REGISTRY}/hub:1")
    assert pushed.returncode == 0, pushed.stderr
    cluster.kubectl("create", "serviceaccount", "hub")
    cluster.kubectl("apply", "-f", "-", text=role())
    cluster.kubectl(
        "create", "rolebinding", "hub", "--role=jupyter-containerize",
        f"--serviceaccount={cluster.namespace}:hub",
    )  # fmt: skip
    inner = cluster_runs.notebook(
        [("print('trained inside')\nopen('done.txt', 'w').write('1')", [])]
    )
    files = {"inner.ipynb": json.dumps(inner)}
    docker = {"daemon.json": json.dumps({"insecure-registries": [HOST]})}
    for name, data in (("notebook", files), ("docker", docker)):
        made = {"apiVersion": "v1", "kind": "ConfigMap", "metadata": {"name": name}, "data": data}
        cluster.kubectl("apply", "-f", "-", text=json.dumps(made))
    cluster.kubectl("apply", "-f", "-", text=json.dumps(pod(cluster.python("cluster"))))
    cluster.kubectl(
        "wait", "--for=jsonpath={.status.containerStatuses[0].state.terminated.reason}",
        "--timeout=600s", "pod/hub",
    )  # fmt: skip
    told = cluster.kubectl("logs", "hub")
    state = json.loads(cluster.kubectl("get", "pod", "hub", "-o", "json"))["status"]
    ended = state["containerStatuses"][0]["state"]["terminated"]
    assert ended["exitCode"] == 0, told
    assert "trained inside" in told
    assert re.search(r"/tmp/store/runs/\w+/outputs/files/done.txt", told)


def pod(python):
    """Return a pod that meets the `restricted` standard, with a token of its service account."""
    return {
        "apiVersion": "v1",
        "kind": "Pod",
        "metadata": {"name": "hub"},
        "spec": {
            "serviceAccountName": "hub",
            "restartPolicy": "Never",
            "securityContext": {
                "runAsNonRoot": True,
                "runAsUser": 1000,
                "seccompProfile": {"type": "RuntimeDefault"},
            },
            "containers": [
                {
                    "name": "hub",
                    "image": f"{REGISTRY}/hub:1",
                    "command": [python, "-c", SCRIPT],
                    "env": [
                        {"name": "REGISTRY", "value": REGISTRY},
                        # An editable install is found by a notebook's cells, not by every python.
                        {"name": "PYTHONPATH", "value": str(ROOT)},
                    ],
                    "resources": {"requests": {"cpu": "200m", "memory": "500Mi"}},
                    "securityContext": {
                        "allowPrivilegeEscalation": False,
                        "capabilities": {"drop": ["ALL"]},
                    },
                    "volumeMounts": [
                        {"name": "notebook", "mountPath": "/notebook"},
                        {"name": "docker", "mountPath": "/etc/docker"},
                        {"name": "tmp", "mountPath": "/tmp"},
                    ],
                }
            ],
            "volumes": [
                {"name": "notebook", "configMap": {"name": "notebook"}},
                {"name": "docker", "configMap": {"name": "docker"}},
                {"name": "tmp", "emptyDir": {}},
            ],
        },
    }
