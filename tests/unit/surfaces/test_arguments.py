from __future__ import annotations

import os

import pytest

from jupyter_containerize.errors import ContainerizeError
from jupyter_containerize.model.codec import from_json, to_json
from jupyter_containerize.model.request import REQUESTS, BuildRequest
from jupyter_containerize.surfaces.arguments import parser
from jupyter_containerize.surfaces.config import Containerize
from jupyter_containerize.surfaces.requests import request_of

#: One line for each command, with as many of its options as go together.
LINES = {
    "build": "nb.ipynb -t a/b:1 --base host --include x --include y --allow-errors --allow-secret z "
    "--max-file-size 1G -e A=1 -e B --kernel k --cell-timeout 1m -o oci:out --to docker --builder daemonless "
    "--run --verify -p e=5 --network --mount /tmp:/data --memory 1G --processes 9 --timeout 2h "
    "--runtime sandbox --rtol 1e-3 --store s --json",
    "plan": "nb.ipynb --no-execute --include x --mount /tmp:/data --base oci:x --platform linux/arm64 "
    "--pull --slim",
    "serve": "nb.ipynb --object model --example X --compile onnx --batches --package a -t m:1 "
    "--include x -o oci:out --run -d --port 9000 --memory 1G --store s",
    "run": "a:1 -p e=5 -e A=1 --network --memory 1G --detach --port 80 --port 9000:8080 "
    "--cpus 1.5 --gpus all --restart on-failure --workers 2 --context c --namespace n "
    "--registry localhost:5000/a --retries 1 --outputs pvc:1Gi --data pvc:d:/data --sweep lr=1,2 "
    "--node-selector disk=ssd --toleration gpu:NoSchedule --queue q --as job --replicas 3",
    "verify": "a:1 --rtol 0.1 --mount /tmp:/data:ro",
    "runs": "--context c --namespace n",
    "outputs": "1234 -o out",
    "update": "1234 a:2 --registry localhost:5000/a",
    "scale": "1234 3",
    "history": "1234",
    "rollback": "1234 --revision 2",
    "forward": "1234 --port 9000",
    "export": "a:1 --kubernetes out --registry localhost:5000/a -p e=5",
    "logs": "1234 -f",
    "stop": "1234 --grace 3",
    "rm": "a b",
    "ls": "--store s",
    "inspect": "a --remote",
    "diff": "a b",
    "tag": "a b:2",
    "push": "a localhost:5000/a/b:2 --compression zstd --store s",
    "gc": "",
    "validate": "a",
    "doctor": "nb.ipynb",
}


def request(line, **settings):
    args = parser().parse(line.split())
    return request_of(args, Containerize(**settings))


def test_every_command_has_a_line_here():
    assert LINES.keys() == REQUESTS.keys() == parser().subcommands().keys()


@pytest.mark.parametrize("command", LINES)
def test_every_command_becomes_a_request_that_crosses_a_pipe(command):
    made = request(f"{command} {LINES[command]}")
    assert type(made) is REQUESTS[command]
    assert from_json(REQUESTS[command], to_json(made)) == made


def test_build_understands_all_its_options(tmp_path, monkeypatch):
    monkeypatch.chdir(tmp_path)
    made = request(f"build {LINES['build']}")
    assert isinstance(made, BuildRequest)
    assert made.notebook == str(tmp_path / "nb.ipynb")
    assert made.name == "a/b:1"
    assert made.output == f"oci:{tmp_path}/out"
    assert made.store == str(tmp_path / "s")
    assert made.capture.include == (str(tmp_path / "x"), str(tmp_path / "y"))
    assert made.capture.mounts == ("/data",)
    assert made.capture.environment == {"A": "1", "B": None}
    assert made.capture.timeout_s == 60
    assert made.options.parameters == {"e": "5"}
    assert made.options.environment == {}
    assert made.options.limits.memory_bytes == 1 << 30
    assert made.options.limits.timeout_s == 7200
    assert made.rtol == 1e-3
    assert made.run
    assert made.verify


def test_plan_never_runs_or_verifies():
    made = request("plan nb.ipynb", run=True, verify=True)
    assert not made.run
    assert not made.verify


def test_settings_are_the_defaults_and_the_line_wins():
    settings = {"memory": "2G", "rtol": "0.5", "store": "/a", "verify": True}
    assert request("build n.ipynb", **settings).options.limits.memory_bytes == 2 << 30
    assert request("build n.ipynb", **settings).verify
    assert request("build n.ipynb --memory 1G", **settings).options.limits.memory_bytes == 1 << 30
    assert request("build n.ipynb --rtol 0.1", **settings).rtol == 0.1
    assert request("ls", **settings).store == "/a"
    assert request("ls --store /b", **settings).store == "/b"


def test_run_takes_the_value_that_a_named_variable_has_here(monkeypatch):
    monkeypatch.setenv("HERE", "yes")
    monkeypatch.delenv("NOT_HERE", raising=False)
    assert request("run x -e HERE").options.environment == {"HERE": "yes"}
    with pytest.raises(ContainerizeError, match="NOT_HERE"):
        request("run x -e NOT_HERE")


def test_a_notebook_stands_for_its_image():
    assert request("run some/My_Work.ipynb").image == "my-work:latest"


def test_a_command_may_follow_the_image():
    assert request("run x --network -- ls --all").entrypoint == ("ls", "--all")
    assert request("run x").entrypoint is None
    with pytest.raises(ContainerizeError, match="--"):
        request("ls -- x")


def test_no_image_means_the_newest():
    assert request("run").image == ""


@pytest.mark.parametrize(
    ("line", "suggestion"),
    [
        ("bulid nb.ipynb", "`build`"),
        ("build --verfy nb.ipynb", "`--verify`"),
        ("build nb.ipynb --includes x", "`--include`"),
        ("logs --folow", "`--follow`"),
        ("frobnicate", "--help"),
        ("ls surplus", "--help"),
        ("build", "NOTEBOOK"),
        ("serve nb.ipynb", "serve notebook.ipynb --object model"),
        ("build nb.ipynb --tag", "--tag"),
        ("build nb.ipynb --output tar:x", "docker-archive:FILE"),
        ("build nb.ipynb --no-execute --verify", "exclude"),
        ("--nonsense", "--help"),
    ],
)
def test_what_cannot_be_understood_says_what_was_meant(line, suggestion):
    with pytest.raises(ContainerizeError) as caught:
        request(line)
    assert caught.value.code == "usage"
    assert suggestion in str(caught.value)


def test_options_are_not_abbreviated():
    with pytest.raises(ContainerizeError):
        request("build nb.ipynb --verif")


def test_a_bad_tag_comes_with_a_good_one():
    with pytest.raises(ContainerizeError, match="my-image") as caught:
        request("build nb.ipynb --tag My_Image!")
    assert caught.value.code == "invalid-reference"


def test_a_parameter_may_look_like_an_option():
    made = request("run x -p rate=-1 -p name=--verify")
    assert made.options.parameters == {"rate": "-1", "name": "--verify"}


def test_the_magic_needs_no_notebook_and_speaks_of_itself():
    args = parser(magic=True).parse(["build"])
    assert args.notebook is None
    with pytest.raises(ContainerizeError, match="%containerize build"):
        parser(magic=True).parse(["build", "--tga", "x"])


def test_help_does_not_depend_on_the_terminal(monkeypatch):
    monkeypatch.setenv("COLUMNS", "40")
    narrow = parser().format_help()
    monkeypatch.setenv("COLUMNS", "200")
    assert parser().format_help() == narrow


def test_output_paths_keep_colons(tmp_path):
    made = request(f"build nb.ipynb -o oci-archive:{tmp_path}/a:b.tar")
    assert made.output == f"oci-archive:{os.fspath(tmp_path)}/a:b.tar"
