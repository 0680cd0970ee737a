"""The options of commands as fields of forms, and what the answers change."""

from __future__ import annotations

import pytest

from jupyter_containerize.errors import ContainerizeError
from jupyter_containerize.model.options import DEFAULT_MAX_FILE_BYTES
from jupyter_containerize.surfaces import forms
from jupyter_containerize.surfaces.arguments import parser
from jupyter_containerize.surfaces.server import commands
from jupyter_containerize.surfaces.server.paths import Root

#: Options that a click answers in another way, or that are about a terminal.
ELSEWHERE = {
    "--help", "--store", "--json", "--run", "--verify", "--detach", "--object", "--mark-cell",
    "--kubernetes", "--helm", "--dockerfile",
}  # fmt: skip


@pytest.mark.parametrize("command", forms.FORMS)
def test_every_option_of_the_command_line_is_a_field(command):
    known = parser(magic=True).subcommands()[command].options()
    long = {option for option in known if option.startswith("--")} - ELSEWHERE
    assert long == {field.option for field in forms.fields(command)}


def test_a_field_says_what_it_is():
    fields = {field.option: field for field in forms.fields("build")}
    memory, slim, include, replicas = (
        fields[name] for name in ("--memory", "--slim", "--include", "--replicas")
    )
    assert (memory.label, memory.kind, memory.value, memory.part) == (
        "Memory",
        "text",
        "SIZE",
        "run",
    )
    assert (slim.kind, slim.part) == ("flag", "image")
    assert (include.kind, include.help) == ("many", "put a file or folder into the image")
    assert replicas.part == "cluster"
    assert fields["--cpus"].label == "CPUs"
    compiled = next(field for field in forms.fields("serve") if field.option == "--compile")
    assert (compiled.kind, compiled.choices) == ("choice", ("onnx",))


@pytest.mark.parametrize("command", forms.FORMS)
def test_a_form_that_says_nothing_changes_nothing(command):
    answers = {
        field.option: {"flag": False, "many": ["", " "]}.get(field.kind, "  ")
        for field in forms.fields(command)
    }
    assert forms.options(command, answers) == {}


def test_answers_mean_what_they_mean_on_a_command_line(tmp_path):
    (tmp_path / "more.txt").touch()
    found = forms.options(
        "build",
        {
            "--tag": "mine:2",
            "--slim": True,
            "--memory": "2G",
            "--include": ["more.txt", ""],
            "--mount": ["more.txt:/data/more.txt:ro"],
            "--output": "oci-archive:mine.tar",
            "--env": ["A=1", "HERE"],
            "--replicas": "3",
            "--sweep": ["lr=0.1,0.01"],
        },
        path=lambda text: str(tmp_path / text),
    )
    assert found["name"] == "mine:2"
    assert found["slim"] is True
    assert found["output"] == f"oci-archive:{tmp_path}/mine.tar"
    assert found["capture"] == {
        "include": [f"{tmp_path}/more.txt"],
        "mounts": ["/data/more.txt"],
        "environment": {"A": "1", "HERE": None},
    }
    assert found["options"]["limits"] == {"memory_bytes": 2 << 30}
    mount = {"host": f"{tmp_path}/more.txt", "path": "/data/more.txt", "read_only": True}
    assert found["options"]["mounts"] == [mount]
    cluster = found["options"]["cluster"]
    assert cluster == {"serving": {"replicas": 3}, "sweep": {"lr": ["0.1", "0.01"]}}


def test_an_answer_that_looks_like_an_option_is_none():
    with pytest.raises(ContainerizeError) as caught:
        forms.options("build", {"--memory": "--store=/elsewhere"})
    assert caught.value.code == "usage"
    assert forms.options("build", {"--cell-timeout": "2h"}) == {"capture": {"timeout_s": 7200.0}}


@pytest.mark.parametrize("option", ["--store", "--json", "--object", "-p", "--nothing"])
def test_what_is_no_field_is_refused(option):
    with pytest.raises(ContainerizeError) as caught:
        forms.options("build", {option: "x"})
    assert caught.value.code == "bad-request"


def test_a_wrong_answer_says_what_would_be_right():
    with pytest.raises(ContainerizeError) as caught:
        forms.options("run", {"--memory": "much"})
    assert caught.value.code == "usage"
    assert "512M" in caught.value.fix
    assert forms.options("build", {"--max-file-size": str(DEFAULT_MAX_FILE_BYTES)}) == {}


def test_a_form_from_a_browser_stays_inside_the_servers_folder(tmp_path):
    root = Root(str(tmp_path))
    with pytest.raises(ContainerizeError) as caught:
        commands.filled("build", {}, {"--output": "oci:../elsewhere"}, root=root)
    assert caught.value.code == "outside-root"
    with pytest.raises(ContainerizeError) as caught:
        commands.filled("stop", {}, {"--grace": "1"}, root=root)
    assert caught.value.code == "bad-request"


def test_a_form_adds_to_what_was_clicked(tmp_path):
    clicked = {
        "runtime": "",
        "capture": {"include": ["/a"], "allow_errors": False},
        "options": {"network": False, "environment": {"X": "1"}, "mounts": []},
    }
    (tmp_path / "b").touch()
    form = {"--include": ["b"], "--memory": "1G", "--mount": ["b:/b"], "--tag": "x:1"}
    found = commands.filled("build", clicked, form, root=Root(str(tmp_path)))
    request = commands.parse("build", found, root=Root("/"), ours={})
    assert request.capture.include == ("/a", f"{tmp_path}/b")
    assert request.options.limits.memory_bytes == 1 << 30
    assert request.options.environment == {"X": "1"}
    assert [mount.path for mount in request.options.mounts] == ["/b"]
    assert request.name == "x:1"
