from __future__ import annotations

import json
import math

import pytest

from jupyter_containerize.guest.parameters import fit, read_parameters, source_of
from jupyter_containerize.guest.problem import CannotStart

KNOWN = [
    {"name": "epochs", "default": "3", "type": "int"},
    {"name": "rate", "default": "0.1", "type": "float"},
    {"name": "title", "default": "'a'", "type": "str"},
    {"name": "layers", "default": "[1, 2]", "type": "list"},
    {"name": "where", "default": "Path('x')", "type": ""},
]


@pytest.mark.parametrize(
    ("given", "kind", "value"),
    [
        ("5", "int", 5),
        ("-5", "int", -5),
        ("0x10", "int", 16),
        ("5", "float", 5.0),
        ("1e-3", "float", 0.001),
        ("inf", "float", math.inf),
        ("5", "str", "5"),
        ("a=b 'c'", "str", "a=b 'c'"),
        ("", "str", ""),
        ("true", "bool", True),
        ("False", "bool", False),
        ("[1, 'a']", "list", [1, "a"]),
        ("1, 2", "tuple", (1, 2)),
        ("{'a': 1}", "dict", {"a": 1}),
        ([1, 2], "tuple", (1, 2)),
        (5, "float", 5.0),
        ("None", "NoneType", None),
        ("5", "NoneType", 5),
        ("text", "NoneType", "text"),
        ("3", "", 3),
        ("not a literal", "", "not a literal"),
    ],
)
def test_values_take_the_defaults_type(given, kind, value):
    found = fit(given, kind)
    assert found == value
    assert type(found) is type(value)


@pytest.mark.parametrize(
    ("given", "kind"),
    [
        ("5.5", "int"),
        ("many", "int"),
        ("True", "int"),
        ("", "int"),
        ("fast", "float"),
        ("True", "float"),
        ("1", "bool"),
        ("yes", "bool"),
        ("5", "list"),
        ("a b", "dict"),
        ("None", "int"),
        (None, "float"),
        (5, "str"),
        ("(" * 1000, "list"),
    ],
)
def test_values_that_do_not_fit(given, kind):
    with pytest.raises(ValueError, match="not"):
        fit(given, kind)


def test_arguments_win_over_variables_over_the_file(tmp_path, monkeypatch):
    file = tmp_path / "p.json"
    file.write_text(json.dumps({"epochs": 1, "rate": 0.5, "title": "file"}))
    monkeypatch.setenv("CONTAINERIZE_PARAMETERS_FILE", str(file))
    monkeypatch.setenv("CONTAINERIZE_PARAM_epochs", "2")
    monkeypatch.setenv("CONTAINERIZE_PARAM_rate", "0.7")
    found = read_parameters(["-p", "epochs=3", "-p", "layers=[3]"], KNOWN)
    assert found == {"epochs": 3, "rate": 0.7, "title": "file", "layers": [3]}


def test_a_value_may_hold_an_equals_sign():
    assert read_parameters(["-p", "title=a=b"], KNOWN) == {"title": "a=b"}


def test_all_problems_are_told_at_once():
    with pytest.raises(CannotStart) as caught:
        read_parameters(["-p", "epoch=5", "-p", "rate=fast"], KNOWN)
    text = str(caught.value)
    assert "epoch is unknown" in text
    assert "epochs = 3, rate = 0.1, title = 'a'" in text
    assert "rate: 'fast' does not fit its default's type, float" in text


def test_a_notebook_without_parameters():
    with pytest.raises(CannotStart, match="no cell tagged `parameters`"):
        read_parameters(["-p", "x=1"], [])


def test_a_bad_argument_and_a_bad_file(tmp_path):
    with pytest.raises(CannotStart, match="NAME=VALUE"):
        read_parameters(["-p", "epochs"], KNOWN)
    with pytest.raises(CannotStart, match="cannot be read"):
        read_parameters(["--parameters-file", str(tmp_path / "none")], KNOWN)
    (tmp_path / "list").write_text("[1]")
    with pytest.raises(CannotStart, match="one JSON object"):
        read_parameters(["--parameters-file", str(tmp_path / "list")], KNOWN)


def test_the_injected_cell_gives_the_values_back():
    values = {"a": 1, "b": "x'\n", "c": [1.5], "d": math.inf, "e": -math.inf, "f": None}
    names = {}
    exec(source_of(values), names)
    assert {name: names[name] for name in values} == values
