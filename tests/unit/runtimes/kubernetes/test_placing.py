"""How images reach nodes: which program loads them, under which name."""

from __future__ import annotations

import os

import pytest

from jupyter_containerize.model.image import Image
from jupyter_containerize.model.plan import ImageConfig
from jupyter_containerize.model.platform import Platform
from jupyter_containerize.model.run import RunSpec
from jupyter_containerize.runtimes.kubernetes import placing


@pytest.fixture
def installed(tmp_path, monkeypatch):
    """`installed("kind")`: only these programs are here."""
    monkeypatch.delenv("CONTAINERIZE_CONTAINERD", raising=False)
    monkeypatch.setenv("MINIKUBE_HOME", str(tmp_path / "home-of-minikube"))
    monkeypatch.setenv("PATH", str(tmp_path))

    def put(*names):
        for name in names:
            (tmp_path / name).write_text("#!/bin/sh\n")
            (tmp_path / name).chmod(0o755)

    put.minikube = tmp_path / "home-of-minikube"
    return put


@pytest.mark.parametrize(
    ("context", "command"),
    [
        ("kind-lab", ("kind", "load", "image-archive", "--name", "lab")),
        ("k3d-lab", ("k3d", "image", "import", "--cluster", "lab")),
        ("minikube", ("minikube", "image", "load", "--profile", "minikube")),
        ("team", ("minikube", "image", "load", "--profile", "team")),
    ],
)
def test_the_context_tells_whose_cluster_it_is(installed, context, command):
    installed("kind", "k3d", "minikube")
    (installed.minikube / "profiles" / "team").mkdir(parents=True)
    assert placing.loader_of(context).command == command
    assert placing.loader_of("gke_project_zone_name") is None


def test_without_its_program_a_cluster_is_one_like_any_other(installed):
    installed()
    assert placing.loader_of("kind-lab") is None
    assert placing.loader_of("minikube") is None


def test_k3s_is_known_by_its_file_and_a_containerd_by_its_address(installed, monkeypatch):
    installed("k3s", "ctr")
    there = os.path.exists
    monkeypatch.setattr(
        os.path, "exists", lambda path: path == "/etc/rancher/k3s/k3s.yaml" or there(path)
    )
    words = ("k3s", "ctr", "--namespace", "k8s.io", "images", "import")
    assert placing.loader_of("default").command == words
    monkeypatch.setattr(os.path, "exists", there)
    monkeypatch.setenv("CONTAINERIZE_CONTAINERD", "/run/containerd.sock")
    assert placing.loader_of("default").command[:3] == ("ctr", "--address", "/run/containerd.sock")


def test_an_image_that_is_loaded_has_a_tag_of_its_digest():
    config = ImageConfig(user="1000:0", working_dir="/", entrypoint=("/bin/python", "train.py"))
    image = Image(
        digest="sha256:" + "ab" * 32,
        config_digest="",
        platform=Platform("linux", "amd64"),
        config=config,
        layers=(),
    )
    spec = RunSpec(image=image.digest, image_name="registry.example:5000/team/Übung 1:7")
    assert placing.local_name(image, spec) == f"containerize.local/ubung-1:{'ab' * 8}"
