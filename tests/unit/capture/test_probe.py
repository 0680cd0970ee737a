"""The probe as text; what it does is tested in real kernels (`tests/integration/test_kernel_*`)."""

from __future__ import annotations

import ast
import sys
from pathlib import Path

import pytest

from jupyter_containerize.capture import injection, probe
from jupyter_containerize.capture.probe import facts, journal, literals
from jupyter_containerize.model.codec import from_json
from jupyter_containerize.model.snapshot import Interpreter

FILES = sorted(Path(probe.__file__).parent.glob("*.py"))


@pytest.mark.parametrize("path", FILES, ids=lambda path: path.stem)
def test_it_reads_as_python_3_8_and_needs_only_the_standard_library(path):
    tree = ast.parse(path.read_text(), feature_version=(3, 8))
    for node in ast.walk(tree):
        if isinstance(node, ast.Import):
            for alias in node.names:
                assert alias.name.partition(".")[0] in sys.stdlib_module_names
        elif isinstance(node, ast.ImportFrom) and not node.level:
            assert node.module.partition(".")[0] in sys.stdlib_module_names


def test_every_module_is_injected():
    assert {f"{name or '__init__'}.py" for name in injection._MODULES} == {p.name for p in FILES}


def test_the_injected_text_is_one_expression():
    code = injection.code("write", '/tmp/it\'s "here"', option=None)
    assert isinstance(ast.parse(code).body[0], ast.Expr)
    assert len(ast.parse(code).body) == 1


def test_the_interpreter_is_what_the_model_expects():
    interpreter = from_json(Interpreter, facts.interpreter())
    assert interpreter.executable == sys.executable
    assert interpreter.version == sys.version.split()[0]
    assert Path(interpreter.stdlib, "os.py").exists()
    assert Path(interpreter.platstdlib, "lib-dynload").exists()
    assert "python_full_version" in interpreter.markers


def test_values_of_variables_that_may_be_secret_stay_in_the_kernel(monkeypatch):
    monkeypatch.setenv("AWS_SECRET_ACCESS_KEY", "s3cret")
    monkeypatch.setenv("OMP_NUM_THREADS", "2")
    monkeypatch.setenv("LC_ALL", "C.UTF-8")
    monkeypatch.setenv("LD_LIBRARY_PATH_TOKEN", "s3cret")
    found = facts.environ()
    assert "AWS_SECRET_ACCESS_KEY" in found["names"]
    assert found["values"]["OMP_NUM_THREADS"] == "2"
    assert found["values"]["LC_ALL"] == "C.UTF-8"
    assert "s3cret" not in str(found)


@pytest.mark.parametrize(
    ("session", "found"),
    [("{folder}/sub/n.ipynb", True), ("sub/n.ipynb", True), ("n.ipynb", True), ("gone.ipynb", False),
     ("0b7b3a2e-8f6e", False), ("", False)],
)  # fmt: skip
def test_the_front_end_tells_the_notebook(tmp_path, monkeypatch, session, found):
    (tmp_path / "sub").mkdir()
    notebook = tmp_path / "sub" / "n.ipynb"
    notebook.write_text("{}")
    monkeypatch.setenv("JPY_SESSION_NAME", session.format(folder=tmp_path))
    told = facts.notebook({}, str(tmp_path / "sub"))
    assert told["notebook_path"] == (str(notebook) if found else "")
    code = facts.notebook({"__vsc_ipynb_file__": str(notebook)}, "/")
    assert code == {"notebook_path": str(notebook), "found_by": "__vsc_ipynb_file__"}


def test_folders_that_a_cell_points_at(tmp_path, monkeypatch):
    (tmp_path / "data" / "deep").mkdir(parents=True)
    (tmp_path / "data" / "x.csv").touch()
    (tmp_path / "work").mkdir()
    (tmp_path / "far").mkdir()
    monkeypatch.setenv("DATA_DIR", str(tmp_path / "far"))
    names = {"BASE": str(tmp_path / "data" / "deep"), "other": 5, "long": "x" * 10_000}
    source = "read('../data/x.csv'); glob('../data/*.csv'); BASE; environ['DATA_DIR']; '/usr/share'; '/proc/self'; 'https://x/y'"
    found = {
        (folder, bool(file), deep)
        for _, folder, file, deep in literals.folders(
            source, names, str(tmp_path / "work"), "/home/ada"
        )
    }
    data = str(tmp_path / "data")
    assert found == {
        (data, True, False),
        (data, False, True),
        (f"{data}/deep", False, True),
        (str(tmp_path / "far"), False, True),
    }


@pytest.mark.parametrize(
    ("mode", "kind"),
    [
        ("r", "r"),
        ("rb", "r"),
        ("w", "w"),
        ("wb+", "w"),
        ("x", "w"),
        ("a", "rw"),
        ("r+b", "rw"),
        ("", "r"),
    ],
)
def test_modes(mode, kind):
    assert journal.kind_of_mode(mode) == kind
