"""What is left out of an import, and for how long."""

from __future__ import annotations

import subprocess
import sys

import pytest

QUICK = "from jupyter_containerize.capture.quick_import import without_slow_parsers\n"


@pytest.fixture
def loaded():
    """`loaded(code)`: which of the modules a fresh process has afterwards."""

    def run(code):
        report = "; import sys; print(*sys.modules)"
        done = subprocess.run(
            [sys.executable, "-c", f"{QUICK}{code}{report}"],
            capture_output=True, text=True, check=True,
        )  # fmt: skip
        return {"jsonschema", "nbclient", "nbformat", "rfc3987_syntax"} & set(done.stdout.split())

    return run


def test_a_notebook_is_run_without_parsers_of_iris(loaded):
    code = "with without_slow_parsers():\n    import nbformat, nbclient\nimport nbclient"
    assert loaded(code) == {"jsonschema", "nbclient", "nbformat"}
    assert "rfc3987_syntax" in loaded("import nbformat"), (
        "JupyterLab brings it; else nothing is won"
    )


def test_who_asks_for_them_afterwards_gets_them(loaded):
    code = "with without_slow_parsers():\n    import nbformat\nimport rfc3987_syntax"
    assert "rfc3987_syntax" in loaded(code)


def test_where_they_are_already_they_stay(loaded):
    """JupyterLab brings them, and jsonschema takes them where it can: else nothing is won."""
    code = "import jsonschema\nwith without_slow_parsers():\n    import nbformat"
    assert "rfc3987_syntax" in loaded(code)
