"""`serve` as a user has it: a notebook becomes an image that answers over HTTP, and is proven."""

from __future__ import annotations

import json
import os
import re
import shutil
import socket
import subprocess
import sys
import urllib.request
from pathlib import Path

import pytest

EXAMPLES = Path(__file__).resolve().parents[2] / "examples"
PRICE = """
import helpers
RATE = 25
def price(rooms: int, area: float) -> float:
    return helpers.base(rooms) + RATE * area
def secretly(x: int) -> int:
    token = "ghp_16C7e42F292c6912E7710c838347Ae178B4a"
    return x
"""


class Shell:
    def __init__(self, folder, kernel):
        self.folder, self.kernel = folder, kernel
        self.environment = {
            **os.environ,
            "HOME": str(folder / "home"),
            "JUPYTER_CONTAINERIZE_STORE": str(folder / "store"),
            "JUPYTER_CONFIG_DIR": str(folder / "config"),
        }

    def __call__(self, *words, code=0, within=(), **environment):
        done = subprocess.run(
            [*within, sys.executable, "-m", "jupyter_containerize", *words],
            cwd=self.folder,
            env={**self.environment, **environment},
            capture_output=True,
            text=True,
            timeout=280,
        )
        assert done.returncode == code, done.stdout + done.stderr
        assert "Traceback (most recent call last)" not in done.stderr
        return done.stdout + done.stderr

    def serve(self, notebook, *words, code=0, **environment):
        words = ("serve", str(notebook), "--kernel", self.kernel, *words)
        return self(*words, code=code, **environment)


def ask(endpoint, path, body=None):
    data = None if body is None else json.dumps(body).encode()
    request = urllib.request.Request(
        endpoint + path, data=data, headers={"Content-Type": "application/json"}
    )
    with urllib.request.urlopen(request, timeout=60) as answer:
        return json.loads(answer.read() or b"{}")


def notebook(path, *cells):
    made = [
        {"cell_type": "code", "id": f"c{number}", "metadata": {"tags": tags}, "source": source,
         "outputs": [], "execution_count": None}
        for number, (source, tags) in enumerate(cells, 1)
    ]  # fmt: skip
    path.write_text(json.dumps({"cells": made, "metadata": {}, "nbformat": 4, "nbformat_minor": 5}))
    return path


@pytest.fixture(scope="module")
def shell(tmp_path_factory, environment):
    return Shell(tmp_path_factory.mktemp("serve"), environment("serving"))


@pytest.fixture(scope="module")
def small(tmp_path_factory, environment):
    """A shell with a notebook that needs nothing but Python, and a module beside it."""
    made = Shell(tmp_path_factory.mktemp("small"), environment("bare"))
    (made.folder / "helpers.py").write_text(
        "def base(rooms):\n    return 1000 * rooms + OFFSET\nOFFSET = 1\n"
    )
    made.notebook = notebook(
        made.folder / "flat.ipynb",
        (PRICE, []),
        ("import helpers\nhelpers.OFFSET = 7", ["serve"]),
        ("raise RuntimeError('not run')", ["skip"]),
    )
    return made


def test_a_pipeline_becomes_a_service(shell):
    source = EXAMPLES / "sklearn_pipeline" / "sklearn_pipeline.ipynb"
    shutil.copy(source, shell.folder)
    name = shell.folder / source.name
    said = shell.serve(name, "--object", "pipeline", "--example", "flats.head()", "--run", "-d")
    try:
        assert "Verified" in said
        contains = re.search(r"contains +(.*)", said)[1]
        assert "scikit-learn" in contains
        assert not re.search("matplotlib|tensorflow|ipython|xgboost", contains, re.IGNORECASE)
        endpoint = re.search(r"http://127\.0\.0\.1:\d+", said)[0]
        body = json.loads(re.search(r"-d '(\{.*\})'", said)[1])
        assert set(body["rows"][0]) == {"area", "rooms", "city", "balcony"}
        answer = ask(endpoint, "/predict", body)
        assert len(answer["rows"]) == len(body["rows"])
        metadata = ask(endpoint, "/v2/models/pipeline")
        assert {one["name"] for one in metadata["inputs"]} == set(body["rows"][0])
        listed = shell("runs")
        assert endpoint in listed
        assert "99 % WITHIN" in listed
    finally:
        shell("stop")
    shown = shell("inspect")
    assert "takes area FP64" in shown
    assert "Verified" in shell("verify")


def test_a_function_brings_its_modules_and_cells_tagged_serve_run_first(small):
    said = small.serve(small.notebook, "--object", "price", "-o", "oci:out")
    assert "Verified" in said
    assert "nothing but Python" in said
    config = small("inspect", "--json")
    data = json.loads(config.splitlines()[-1])["data"]
    labels = data["config"]["labels"]
    signature = json.loads(labels["io.jupyter-containerize.signature"])
    assert [one["name"] for one in signature["inputs"]] == ["rooms", "area"]
    assert [one["path"].rpartition("/")[2] for one in data["files"]] == ["helpers"]
    assert data["packages"] == []
    assert data["config"]["exposed_ports"] == ["8080/tcp"]


@pytest.mark.parametrize("where", ["proot", "docker"])
def test_where_there_is_no_bubblewrap(where, small, require, request):
    """Under PRoot, without network, and in a real Docker engine: proven, asked, listed, stopped."""
    words, inside = (), lambda work: work()
    if where == "proot":
        require(shutil.which("proot"), "proot (Debian: proot)")
        place = {"CONTAINERIZE_ISOLATION": "proot"}
    else:
        engine = request.getfixturevalue("docker_engine")
        words, inside = ("--runtime", "docker"), engine.inside  # its network is its own
        network = ("nsenter", "-t", str(engine.process.pid), "-n")
        place = {"DOCKER_HOST": engine.socket, "within": network}
    said = small.serve(
        small.notebook, "--object", "price", "-t", f"flat:{where}", *words, "--run", "-d", **place
    )
    try:
        assert "Verified" in said
        endpoint = re.search(r"http://127\.0\.0\.1:\d+", said)[0]
        body = {"rows": [{"rooms": 2, "area": 10.0}]}
        answer = inside(lambda: ask(endpoint, "/predict", body))
        assert answer == {"rows": [{"prediction": 2257.0}]}
        assert inside(lambda: ask(endpoint, "/v2/health/ready")) == {"ready": True}
        assert endpoint in small("runs", **place)
    finally:
        said = small("stop", **place)
    assert "stopped" in said


@pytest.mark.parametrize(
    ("words", "code"),
    [
        (("--object", "prize"), "no-such-object"),
        (("--object", "price", "--example", "(1,"), "bad-expression"),
        (("--object", "secretly"), "secret"),
        (("--object", "secretly", "-t", "flat-price"), "secret"),
        (("--object", "price", "--package", "nonesuch"), "package-not-installed"),
    ],
)
def test_what_cannot_be_served_stops_the_build(small, words, code):
    said = small.serve(small.notebook, *words, code=1)
    assert code in said
    assert "fix" in said


def test_a_port_that_is_taken_is_told_before_anything_is_built(small):
    with socket.create_server(("127.0.0.1", 0)) as taken:
        port = str(taken.getsockname()[1])
        words = ("--object", "price", "-t", "taken", "--run", "--port", port)
        said = small.serve(small.notebook, *words, code=1)
    assert "port-in-use" in said
    assert port in said
    assert "taken" not in small("ls")


def test_two_models_of_one_name(small):
    other = notebook(small.folder / "other.ipynb", ("def f(x: int): return x", []))
    assert "Verified" in small.serve(other, "--object", "f", "-t", "shared")
    again = notebook(small.folder / "third.ipynb", ("def g(x: int): return x", []))
    said = small.serve(again, "--object", "g", "-t", "shared", code=1)
    assert "name-taken" in said
    assert "Serves f of other" in said


def test_keras_served_by_onnxruntime(shell):
    source = json.loads((EXAMPLES / "keras_classifier" / "keras_classifier.ipynb").read_text())
    source["cells"][1]["source"] = "epochs = 8\nlearning_rate = 0.003\nsamples = 2000"
    path = shell.folder / "keras.ipynb"
    path.write_text(json.dumps(source))
    said = shell.serve(path, "--object", "model", "--example", "x_test[:3]", "--compile", "onnx")
    assert "Verified" in said
    contains = re.search(r"contains +(.*)", said)[1]
    assert re.fullmatch(r"numpy \S+, onnxruntime \S+", contains.strip())
    size = re.search(r"size +(\d+) MB", said)[1]
    assert int(size) < 200
