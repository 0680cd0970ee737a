"""Runs and images as manifests are made from."""

from __future__ import annotations

import json

import pytest

from jupyter_containerize.model.cluster import ClusterOptions, Serving
from jupyter_containerize.model.plan import LABEL_KIND, LABEL_WRITABLE, ImageConfig
from jupyter_containerize.model.run import Limits, RunSpec
from jupyter_containerize.runtimes.kubernetes.manifests.pods import PodImage
from jupyter_containerize.runtimes.kubernetes.manifests.serving import Service
from jupyter_containerize.runtimes.kubernetes.manifests.training import Training

DIGEST = "sha256:" + "ab" * 32
WRITABLE = ["/dev/shm", "/home/anna", "/home/anna/work", "/outputs", "/tmp"]
PYTHON = "/home/anna/.venv/bin/python"


def config(script):
    return ImageConfig(
        user="1000:0",
        working_dir="/home/anna/work",
        entrypoint=(PYTHON, f"/opt/jupyter-containerize/guest/{script}"),
        labels={LABEL_WRITABLE: json.dumps(WRITABLE), LABEL_KIND: "training"},
    )


@pytest.fixture
def training():
    """`training(parameters={...}, cluster={...}, ...)`: a training run."""

    def make(*, cluster=None, limits=None, **spec):
        made = RunSpec(
            image=DIGEST,
            image_name="registry.example/team/iris:1",
            cluster=ClusterOptions(**(cluster or {})),
            limits=Limits(**(limits or {})),
            **spec,
        )
        image = PodImage(f"registry.example/team/iris@{DIGEST}", config("train.py"))
        return Training("iris-12ab34cd", "12ab34cd", made, image)

    return make


@pytest.fixture
def service():
    """`service(serving={...}, cluster={...}, ...)`: a service."""

    def make(*, cluster=None, serving=None, limits=None, **spec):
        made = RunSpec(
            image=DIGEST,
            image_name="iris:1",
            cluster=ClusterOptions(serving=Serving(**(serving or {})), **(cluster or {})),
            limits=Limits(**(limits or {})),
            **spec,
        )
        image = PodImage(f"registry.example/team/iris@{DIGEST}", config("serve.py"))
        return Service("iris", "12ab34cd", made, image)

    return make
