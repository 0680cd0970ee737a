"""The pages made from the source are those that the source makes."""

from __future__ import annotations

import importlib
import json
from pathlib import Path

import pytest

DOCS = Path(__file__).parents[2] / "docs"


@pytest.fixture(scope="module")
def generate():
    with pytest.MonkeyPatch.context() as patch:
        patch.syspath_prepend(str(DOCS))
        return importlib.import_module("generate")


@pytest.mark.parametrize("page", ["commands", "errors"])
def test_page_is_up_to_date(generate, page):
    made = getattr(generate, f"{page}_page")()
    written = (DOCS / f"{page}.md").read_text("utf-8")
    assert written == made, "run: python docs/generate.py"


def test_the_panels_catalogue_is_up_to_date(generate):
    written = generate.sayings.CATALOGUE.read_text("utf-8")
    assert written == generate.sayings.catalogue(), "run: python docs/generate.py"


def test_templates_are_what_is_said(generate):
    source = '''
"""A docstring is not said."""
def f(count: "not a type", *, bad, path, is_known="not a name"):
    """Nor is this one."""
    how = "slowly" if bad else "well"
    what = f"{path!r} {'is read' if bad else 'runs'} {how}." + path
    if "is not said" in what or re.search("looked for it", what):
        raise Error("code", what="It is " + str(what), why="{} and so {}".format(a, b), fix=f"Mend {x}.")
    return f"{count} files", f"Cell{'s' * several} ran.", {"a key said": "the value said"}
'''
    found = set(generate.sayings.templates_of(source))
    assert found == {
        *("%1 is read slowly.%2", "%1 is read well.%2", "%1 runs slowly.%2", "%1 runs well.%2"),
        *("is read", "It is %1", "%1 and so %2", "Mend %1.", "%1 files", "the value said"),
        *("Cell ran.", "Cells ran."),
    }


def test_every_finding_of_the_table_is_made_from_a_template(generate):
    rows = json.loads((DOCS.parent / "tests" / "fixes.json").read_text("utf-8"))
    patterns = [generate.sayings.pattern_of(one) for one in generate.sayings.templates()]
    texts = {text for row in rows for text in (row["what"], row["fix"]) if text}
    assert len(texts) > 50
    unknown = [text for text in texts if not any(one.fullmatch(text) for one in patterns)]
    assert unknown == []


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
