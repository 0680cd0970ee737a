"""tests/fixes.json: every finding, what its fix says, and the buttons that widget and panel make of it.

The panel's half is checked by labextension/src/tests/fixes.test.ts.
"""

from __future__ import annotations

import importlib
import json
import re
from pathlib import Path

import pytest

from jupyter_containerize.surfaces.render.fixes import fixes

ROOT = Path(__file__).parents[3]
TABLE = json.loads((ROOT / "tests" / "fixes.json").read_text())
#: Findings whose code is put together when they are made.
MADE = {"secret-aws-access-key", "name-defined-later", "name-without-cell"}


def _name(row):
    return f"{row['code']}: {row['what'][:12]}"


@pytest.fixture(scope="module")
def told():
    """Code, what and fix of every finding and error as the source has them, `…` for what it fills in."""
    with pytest.MonkeyPatch.context() as patch:
        patch.syspath_prepend(str(ROOT / "docs"))
        generate = importlib.import_module("generate")
    sources = (ROOT / "jupyter_containerize").rglob("*.py")
    return {row for path in sources for row in generate.rows_of(path)}


def test_every_finding_is_in_the_table(told):
    findings = {code for code, kind, *_ in told if kind.startswith("finding")}
    assert findings | MADE | {"file-too-large"} == {row["code"] for row in TABLE}


def _has_buttons(row):
    return row["widget"] or any(one["is"] != "show-cell" for one in row["panel"])


@pytest.mark.parametrize(
    "row", [row for row in TABLE if row["code"] not in MADE and _has_buttons(row)], ids=_name
)
def test_what_the_table_says_is_what_the_source_says(told, row):
    templates = [fix for code, _, _, fix in told if code == row["code"]]
    fix = row["fix"].replace("|", "\\|").replace("<", "&lt;")
    patterns = [re.escape(one).replace("…", ".+") for one in templates]
    assert any(re.fullmatch(pattern, fix) for pattern in patterns), templates


def test_what_has_no_button_names_none(told):
    """A sentence may change without the table, unless it comes to name something to be clicked."""
    plain = {row["code"] for row in TABLE} - {row["code"] for row in TABLE if _has_buttons(row)}
    named = {code: fix for code, _, _, fix in told if code in plain}
    assert [code for code, fix in named.items() if fixes({"what": "", "fix": fix})] == []


@pytest.mark.parametrize("row", TABLE, ids=_name)
def test_the_widget_has_these_buttons(row):
    assert [" ".join(one.words) for one in fixes(row)] == row["widget"]
