"""Names always, values rarely, credentials never."""

from __future__ import annotations

import pytest

from jupyter_containerize.capture import environment
from jupyter_containerize.model.reasons import Severity

KEPT = {"LANG": "de_DE.UTF-8", "OMP_NUM_THREADS": "2", "PATH": "/usr/bin", "TZ": "Asia/Tokyo"}


def record(names=(), values=KEPT, read=()):
    return {
        "environ": {"names": sorted({*names, *values}), "values": dict(values)},
        "env_read": list(read),
    }


def test_values_that_programs_depend_on_go_in():
    variables, findings = environment.find(record(), named={}, asked={})
    assert {v.name: v.value for v in variables} == {
        "LANG": "de_DE.UTF-8",
        "OMP_NUM_THREADS": "2",
        "TZ": "Asia/Tokyo",
    }
    assert [str(r) for v in variables for r in v.reasons] == ["read by the kernel's start-up"] * 3
    assert findings == ()


def test_a_variable_that_cells_read_is_named_without_its_value():
    variables, (finding,) = environment.find(
        record(names=["STAGE"], values={}), named={"STAGE": {4, 2}}, asked={}
    )
    assert [(v.name, v.value, [str(r) for r in v.reasons]) for v in variables] == [
        ("STAGE", None, ["read by cell 2", "read by cell 4"])
    ]
    assert (finding.code, finding.cell, finding.severity) == (
        "variable-not-in-image",
        2,
        Severity.INFO,
    )


def test_a_variable_that_is_set_nowhere_is_no_matter():
    variables, findings = environment.find(record(values={}), named={"DEBUG": {1}}, asked={})
    assert [(v.name, v.value) for v in variables] == [("DEBUG", None)]
    assert findings == ()


def test_what_the_user_asks_for_goes_in():
    variables, findings = environment.find(
        record(names=["STAGE"]), named={}, asked={"STAGE": "test", "TZ": None, "EMPTY": ""}
    )
    assert {v.name: v.value for v in variables}["STAGE"] == "test"
    assert {v.name: v.value for v in variables}["TZ"] == "Asia/Tokyo"
    assert findings == ()


def test_a_value_asked_for_that_was_not_recorded_is_told():
    _, (finding,) = environment.find(record(names=["STAGE"]), named={}, asked={"STAGE": None})
    assert finding.code == "variable-unset"


@pytest.mark.parametrize(
    ("name", "value"),
    [
        ("DB_PASSWORD", "x"),
        ("MY_TOKEN", "abc"),
        ("API_KEY", "abc"),
        ("GITHUB_TOKEN", "abc"),
        ("DATABASE", "postgresql://anna:hunter2!@db.internal/sales"),
        ("X", "ghp_" + "aZ3kQ9xW7vB2nM5pL8dF" + "4hJ6gT1yR0cE8sU3"),
    ],
)
def test_a_credential_never_goes_in(name, value):
    variables, (finding,) = environment.find(record(), named={}, asked={name: value})
    assert name not in {v.name for v in variables if v.value is not None}
    assert finding.code == "secret-variable"
    assert value not in repr(finding) or len(value) < 4
    variables, (finding,) = environment.find(record(values={name: value}), named={}, asked={})
    assert [(v.name, v.value) for v in variables] == [(name, None)]


@pytest.mark.parametrize(
    ("name", "value"),
    [("TOKENIZERS_PARALLELISM", "false"), ("KEYBOARD", "de"), ("AUTHOR", "Anna"), ("API_KEY", "")],
)
def test_names_that_only_resemble_one_are_no_credentials(name, value):
    assert not environment.is_secret(name, value)


def test_what_the_image_sets_itself_is_left_to_it():
    variables, findings = environment.find(
        record(names=["HOME", "USER"], values={"PATH": "/x"}), named={"HOME": {1}}, asked={}
    )
    assert variables == ()
    assert findings == ()
