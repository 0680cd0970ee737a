"""The pages made from the source are those that the source makes."""

from __future__ import annotations

import importlib.util
from pathlib import Path

import pytest

DOCS = Path(__file__).parents[2] / "docs"


@pytest.fixture(scope="module")
def generate():
    spec = importlib.util.spec_from_file_location("docs_generate", DOCS / "generate.py")
    module = importlib.util.module_from_spec(spec)
    spec.loader.exec_module(module)
    return module


@pytest.mark.parametrize("page", ["commands", "errors"])
def test_page_is_up_to_date(generate, page):
    made = getattr(generate, f"{page}_page")()
    written = (DOCS / f"{page}.md").read_text("utf-8")
    assert written == made, "run: python docs/generate.py"


def test_errors_are_found_in_every_form(generate, tmp_path):
    source = tmp_path / "x.py"
    source.write_text(
        'ContainerizeError("a", what=f"no {x}", fix="do" + y)\n'
        'errors.ContainerizeError(code="b", what="w")\n'
        'Finding("c", Severity.BLOCKING, "w | x", fix="f")\n'
        'Finding("d", severity=Severity.INFO, what="w")\n'
        "ContainerizeError(finding.code, what=finding.what)\n"
    )
    assert list(generate.rows_of(source)) == [
        ("a", "error", "no …", "do…"),
        ("b", "error", "w", ""),
        ("c", "finding, blocking", "w \\| x", "f"),
        ("d", "finding, info", "w", ""),
    ]


def test_codes_are_kebab_case(generate):
    for path in generate.SOURCE.rglob("*.py"):
        for code, *_ in generate.rows_of(path):
            assert code == code.lower()
            assert code.replace("-", "").isalnum(), code
