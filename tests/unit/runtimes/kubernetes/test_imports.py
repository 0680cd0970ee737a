"""The clusters' client (a second to import) is imported by who speaks with a cluster, and by nobody else."""

from __future__ import annotations

import json
import subprocess
import sys

import pytest

CODE = """
import contextlib, io, json, sys
{before}
found = [name for name in ("kubernetes", "yaml", "websocket") if name in sys.modules]
print(json.dumps(found))
"""
COMMAND = """
from jupyter_containerize.surfaces import cli
with contextlib.redirect_stdout(io.StringIO()), contextlib.suppress(SystemExit):
    cli.main({words!r})
"""
RENDERING = """
from jupyter_containerize.model.run import RunSpec
from jupyter_containerize.model.plan import ImageConfig
from jupyter_containerize.runtimes.kubernetes import exporting, runtime
from jupyter_containerize.runtimes.kubernetes.manifests import pods, training
config = ImageConfig(user="1000:0", working_dir="/", entrypoint=("/bin/python", "/guest/train.py"))
image = pods.PodImage("registry.example/x@sha256:00", config)
training.objects(training.Training("x-1", "1", RunSpec(image="x", workers=100), image))
"""
CLUSTER = """
from jupyter_containerize.model.cluster import Place
from jupyter_containerize.runtimes.kubernetes.connection import Connection
with contextlib.suppress(Exception):
    Connection(Place(kubeconfig="/nowhere"))
"""


def imported(before):
    code = CODE.format(before=before)
    done = subprocess.run([sys.executable, "-c", code], capture_output=True, text=True, check=True)
    return json.loads(done.stdout.splitlines()[-1])


@pytest.mark.parametrize(
    "before",
    [
        "import jupyter_containerize",
        COMMAND.format(words=["--help"]),
        COMMAND.format(words=["runs"]),
        COMMAND.format(words=["ls"]),
        COMMAND.format(words=["run", "none:1"]),
        RENDERING,
    ],
    ids=["import", "help", "runs", "ls", "run", "rendering"],
)
def test_what_asks_no_cluster_imports_no_client(before):
    assert imported(before) == []


def test_what_asks_a_cluster_does():
    assert "kubernetes" in imported(CLUSTER)
