"""User, environment, entry point, labels; the system's own small files."""

from __future__ import annotations

import dataclasses
import json

import pytest

from jupyter_containerize.errors import ContainerizeError
from jupyter_containerize.model.reference import Reference
from jupyter_containerize.model.snapshot import (
    Executable,
    Parameter,
    SystemPackage,
    Variable,
)
from jupyter_containerize.planning import plan
from jupyter_containerize.planning.config import created
from jupyter_containerize.planning.system import system_entries, writable_place


def at_home(snapshot, home):
    interpreter = dataclasses.replace(snapshot.interpreter, home=home)
    return dataclasses.replace(snapshot, interpreter=interpreter)


def test_the_kernels_python_runs_the_guest_as_no_root(small, options):
    config = plan(small(), options).config
    assert config.user == "1000:0"
    assert config.entrypoint == (
        "/home/anna/work/.venv/bin/python",
        "/opt/jupyter-containerize/guest/train.py",
    )
    assert config.working_dir == "/home/anna/work"


def test_the_environment_is_the_kernels_as_far_as_recorded(small, options):
    snapshot = dataclasses.replace(
        small(),
        environment=(Variable("TZ", "Asia/Tokyo"), Variable("UNSET"), Variable("HOME", "/x")),
        executables=(Executable("tool", "/opt/tool/bin/tool", ()),),
    )
    environment = plan(snapshot, options).config.environment
    assert environment["TZ"] == "Asia/Tokyo"
    assert "UNSET" not in environment
    assert environment["HOME"] == "/home/anna"
    assert environment["USER"] == environment["LOGNAME"] == "user"
    path = environment["PATH"].split(":")
    assert path[0] == "/home/anna/work/.venv/bin"
    assert path[-1] == "/opt/tool/bin"
    assert len(path) == len(set(path))


def test_labels_name_notebook_versions_and_snapshot(small, options):
    snapshot = dataclasses.replace(small(), parameters=(Parameter("epochs", "2", "int"),))
    result = plan(snapshot, dataclasses.replace(options, mounts=("/data/x",)))
    labels = result.config.labels
    assert labels["org.opencontainers.image.title"] == "Study.ipynb"
    assert labels["org.opencontainers.image.created"] == "1970-01-01T00:00:00Z"
    assert labels["org.opencontainers.image.ref.name"] == result.name == "study:latest"
    assert labels["io.jupyter-containerize.snapshot"] == snapshot.digest()
    assert labels["io.jupyter-containerize.python"] == "3.11.7"
    assert json.loads(labels["io.jupyter-containerize.writable"]) == [
        "/dev/shm", "/home/anna", "/home/anna/work", "/outputs", "/tmp",
    ]  # fmt: skip
    assert json.loads(labels["io.jupyter-containerize.parameters"])[0]["name"] == "epochs"
    assert json.loads(labels["io.jupyter-containerize.mounts"]) == ["/data/x"]
    assert all(isinstance(value, str) for value in labels.values())


@pytest.mark.parametrize(
    ("given", "expected"),
    [
        ("2024-02-29T12:00:00Z", "2024-02-29T12:00:00Z"),
        ("2024-02-29T12:00:00+02:00", "2024-02-29T10:00:00Z"),
        ("2024-02-29T12:00:00.750000+00:00", "2024-02-29T12:00:00Z"),
        ("2024-02-29T12:00:00", "2024-02-29T12:00:00Z"),
    ],
)
def test_the_creation_date_has_one_form(given, expected):
    assert created(given) == expected


@pytest.mark.parametrize("given", ["", "yesterday", "2024-13-01T00:00:00Z", "1700000000"])
def test_no_date_is_an_error(given):
    with pytest.raises(ContainerizeError) as caught:
        created(given)
    assert caught.value.code == "invalid-creation-date"


def test_an_invalid_name_is_an_error(small, options):
    with pytest.raises(ContainerizeError) as caught:
        plan(small(), dataclasses.replace(options, name="Not A Name"))
    assert caught.value.code == "invalid-reference"


@pytest.mark.parametrize(
    ("home", "expected"),
    [("/home/bert", "/home/bert"), ("", "/tmp"), ("/", "/tmp"), ("/nonexistent", "/tmp")],
)
def test_home_is_the_kernels_if_one_may_write_there(small, options, home, expected):
    config = plan(at_home(small(), home), options).config
    assert config.environment["HOME"] == expected


@pytest.mark.parametrize("path", ["/", "", "/usr", "/etc/", "/home", "/proc", "relative"])
def test_system_folders_are_never_given_away(path):
    assert not writable_place(path)


def test_the_root_folder_as_working_directory_stays_roots(small, options):
    snapshot = dataclasses.replace(small(), cwd="/")
    result = plan(snapshot, options)
    assert result.config.working_dir == "/"
    assert "/" not in json.loads(result.config.labels["io.jupyter-containerize.writable"])


def test_package_records_lie_where_scanners_look(small):
    package = SystemPackage(
        "dpkg", "zlib1g", "1:1.2.13", "amd64", status="Package: zlib1g\nVersion: 1:1.2.13"
    )
    rpm = SystemPackage("rpm", "zlib", "1.2", "x86_64")
    snapshot = dataclasses.replace(small(), system_packages=(package, rpm))
    entries = system_entries(snapshot, present=())
    text = entries["/var/lib/dpkg/status.d/zlib1g"].content.text
    assert text == "Package: zlib1g\nVersion: 1:1.2.13\n"
    assert "/var/lib/dpkg/status.d/zlib" not in entries


def test_the_machines_own_name_service_wins(small):
    assert "/etc/nsswitch.conf" in system_entries(small(), present=())
    assert "/etc/nsswitch.conf" not in system_entries(small(), present=["/etc/nsswitch.conf"])


def test_a_home_with_a_colon_breaks_no_user_table(small):
    entries = system_entries(at_home(small(), "/home/a:b\nroot::0:0"), present=())
    lines = entries["/etc/passwd"].content.text.splitlines()
    assert [line.count(":") for line in lines] == [6, 6, 6]
    assert entries["/tmp"].mode == 0o1777


@pytest.mark.parametrize(
    ("given", "tried"),
    [
        ("ghcr.io/Me/My Study:1", "ghcr.io/me/my-study:1"),
        ("Bad_", "bad:latest"),
        ("../x", "x:latest"),
    ],
)
def test_a_bad_name_s_fix_is_the_nearest_good_one(given, tried):
    with pytest.raises(ContainerizeError) as caught:
        Reference.parse(given)
    assert caught.value.fix == f"Try {tried}"
    assert str(Reference.parse(tried)) == tried
