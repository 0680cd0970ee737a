"""Rules about the code that import-linter cannot see."""

from __future__ import annotations

import ast
import subprocess
import sys
from pathlib import Path

import pytest

PACKAGE = Path(__file__).resolve().parents[2] / "jupyter_containerize"
MODULES = sorted(PACKAGE.rglob("*.py"))

#: What adapters import inside functions, where an object of it is there already.
FRAMEWORKS = {
    *("lightgbm", "numpy", "onnx", "onnxmltools", "onnxruntime", "pandas", "scipy", "skl2onnx"),
    *("skops", "sklearn", "tensorflow", "keras", "torch", "xgboost"),
}
#: What is certain to be where these run, beside the standard library.
ALLOWED = {
    # fsspec only where a run's URL asks for it, and with a sentence where it is not there.
    "guest": {"IPython", "traitlets", "matplotlib", "matplotlib_inline", "fsspec", *FRAMEWORKS},
    "guest/serving": set(),  # an inference image need not even have IPython
    "guest/serve.py": set(),
    "capture/probe.py": {"IPython"},
}


def imported_names(source: str) -> set[str]:
    """Top-level names of absolute imports anywhere in `source`."""
    names = set()
    for node in ast.walk(ast.parse(source)):
        if isinstance(node, ast.Import):
            names.update(alias.name.split(".")[0] for alias in node.names)
        elif isinstance(node, ast.ImportFrom) and node.level == 0:
            names.add((node.module or "").split(".")[0])
    return names


def foreign(path: Path, allowed: set[str]) -> set[str]:
    siblings = {module.stem for module in path.parent.glob("*.py")}
    return imported_names(path.read_text()) - sys.stdlib_module_names - allowed - siblings


@pytest.mark.parametrize("place", sorted(ALLOWED))
def test_what_runs_elsewhere_imports_only_what_is_there(place):
    root = PACKAGE / place
    for path in [root] if root.is_file() else root.rglob("*.py"):
        assert foreign(path, ALLOWED[place]) == set(), path


def test_the_rule_above_can_fail(tmp_path):
    planted = tmp_path / "planted.py"
    planted.write_text("def f():\n    import requests\n")
    assert foreign(planted, ALLOWED["guest"]) == {"requests"}


@pytest.mark.parametrize(
    "path", sorted((PACKAGE / "guest/serving").glob("*.py")), ids=lambda path: path.name
)
def test_nothing_that_comes_over_the_network_can_become_code(path):
    tree = ast.parse(path.read_text())
    code = {"pickle", "marshal", "shelve", "code", "ctypes", "subprocess", "runpy"}
    assert not imported_names(path.read_text()) & code
    calls = {node.func.id for node in ast.walk(tree)
             if isinstance(node, ast.Call) and isinstance(node.func, ast.Name)}  # fmt: skip
    assert not calls & {"eval", "exec", "compile", "__import__"}


@pytest.mark.parametrize(
    "path", [m for m in MODULES if m.parent != PACKAGE], ids=lambda m: str(m.relative_to(PACKAGE))
)
def test_no_submodule_imports_the_package_root(path):
    up = len(path.relative_to(PACKAGE).parts)
    for node in ast.walk(ast.parse(path.read_text())):
        if isinstance(node, ast.ImportFrom) and node.level == up and node.module is None:
            names = {alias.name for alias in node.names}
            assert not names & {"__version__", "load_ipython_extension"}, path


@pytest.mark.parametrize("path", MODULES, ids=lambda path: str(path.relative_to(PACKAGE)))
def test_modules_stay_small(path):
    assert len(path.read_text().splitlines()) <= 400, path


def test_importing_the_package_brings_no_more_than_typing():
    code = (
        "import sys, typing; before = set(sys.modules); import jupyter_containerize; "
        "print(sorted(n for n in set(sys.modules) - before if not n.startswith('jupyter_cont')))"
    )
    done = subprocess.run([sys.executable, "-c", code], capture_output=True, text=True, check=True)
    assert set(ast.literal_eval(done.stdout)) <= {"__future__"}
