from __future__ import annotations

import os

import pytest

from jupyter_containerize.errors import ContainerizeError
from jupyter_containerize.model.run import Port, Restart
from jupyter_containerize.surfaces import values


@pytest.mark.parametrize(
    ("text", "expected"),
    [("100", 100), ("1k", 1024), ("512M", 512 << 20), ("4GiB", 4 << 30), ("1.5g", 3 << 29)],
)
def test_sizes(text, expected):
    assert values.size_bytes(text, "--memory") == expected


@pytest.mark.parametrize("text", ["", "0", "-1", "4X", "M", "1e3", "nan"])
def test_what_is_not_a_size_is_named_with_its_option(text):
    with pytest.raises(ContainerizeError, match="--memory") as caught:
        values.size_bytes(text, "--memory")
    assert caught.value.code == "usage"


@pytest.mark.parametrize(
    ("text", "expected"), [("90", 90), ("2s", 2), ("10m", 600), ("10min", 600), ("1.5h", 5400)]
)
def test_times(text, expected):
    assert values.time_s(text, "--timeout") == expected


@pytest.mark.parametrize("text", ["", "0", "soon", "-3", "inf"])
def test_what_is_not_a_time(text):
    with pytest.raises(ContainerizeError):
        values.time_s(text, "--timeout")


@pytest.mark.parametrize("text", ["", "-1", "nan", "inf", "small"])
def test_what_is_not_a_tolerance(text):
    with pytest.raises(ContainerizeError):
        values.tolerance(text, "--rtol")


def test_pairs_keep_everything_behind_the_first_equals_sign():
    assert values.pairs(["a=1", "b=x=y", "c="], "-p") == {"a": "1", "b": "x=y", "c": ""}


@pytest.mark.parametrize("text", ["a", "=1", "1a=1", "a b=1", ""])
def test_what_is_not_a_pair(text):
    with pytest.raises(ContainerizeError):
        values.pairs([text], "-p")


def test_a_value_that_may_be_secret_is_not_in_the_message():
    with pytest.raises(ContainerizeError) as caught:
        values.variables(["MY TOKEN=hunter2"], "--env")
    assert "hunter2" not in str(caught.value)


def test_mounts_become_absolute(tmp_path, monkeypatch):
    (tmp_path / "data").mkdir()
    monkeypatch.chdir(tmp_path)
    (mount,) = values.mounts(["data:/in:ro"], "--mount")
    assert (mount.host, mount.path, mount.read_only) == (str(tmp_path / "data"), "/in", True)
    assert not values.mounts([f"{tmp_path}:there"], "--mount")[0].read_only
    assert values.mounts([f"{tmp_path}:there"], "--mount")[0].path == str(tmp_path / "there")


@pytest.mark.parametrize("text", ["x", "a:b:c", "a:b:ro:d", ":b", "a:", ""])
def test_what_is_not_a_mount(text):
    with pytest.raises(ContainerizeError) as caught:
        values.mounts([text], "--mount")
    assert caught.value.code == "usage"


def test_a_mount_of_nothing():
    with pytest.raises(ContainerizeError) as caught:
        values.mounts(["/no/such/thing:/x"], "--mount")
    assert caught.value.code == "mount-missing"


def test_home_is_expanded():
    assert values.absolute("~/x") == os.path.expanduser("~/x")
    assert values.absolute("") == ""


@pytest.mark.parametrize(
    ("text", "expected"),
    [("8080", Port(0, 8080)), ("9000:80", Port(9000, 80)), ("0:1", Port(0, 1))],
)
def test_ports(text, expected):
    assert values.ports([text], "--port") == (expected,)


@pytest.mark.parametrize(
    "text", ["", "x", ":80", "80:", "0", "1:0", "70000", "1:2:3", "-1", "1:-1"]
)
def test_what_is_not_a_port(text):
    with pytest.raises(ContainerizeError, match="--port"):
        values.ports([text], "--port")


def test_processors_gpus_and_restarts():
    assert values.processors("0.5", "--cpus") == 0.5
    assert [values.gpus(text, "--gpus") for text in ("", "all", "2")] == ["", "all", "2"]
    assert values.restart("", "--restart") is None
    assert values.restart("no", "--restart") is Restart.NEVER
    assert values.restart("always", "--restart") is Restart.ALWAYS


@pytest.mark.parametrize("parse", [values.processors, values.gpus, values.restart])
@pytest.mark.parametrize("text", ["0", "-1", "some", "nan", "1e999"])
def test_what_is_none_of_them(parse, text):
    with pytest.raises(ContainerizeError) as caught:
        parse(text, "--x")
    assert caught.value.code == "usage"


def test_a_kernel_is_a_name_or_the_path_of_a_python(tmp_path, monkeypatch):
    monkeypatch.chdir(tmp_path)

    assert values.kernel("python3") == "python3"
    assert values.kernel("") == ""
    assert values.kernel(".venv/bin/python") == str(tmp_path / ".venv/bin/python")
