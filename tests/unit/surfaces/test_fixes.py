from __future__ import annotations

import shlex

import pytest

from jupyter_containerize.capture.data_files import _not_regular
from jupyter_containerize.model.reasons import Reason, ReasonKind
from jupyter_containerize.proof.causes import Evidence, likely_cause
from jupyter_containerize.surfaces.arguments import parser
from jupyter_containerize.surfaces.render.fixes import fixes


def words(fix, **problem):
    return [one.words for one in fixes({"fix": fix, "what": "", **problem})]


def test_options_with_their_values():
    found = words("Copy it: --include /a/b.csv; or mount it at run time: --mount /a:/a:ro.")
    assert found == [("--include", "/a/b.csv"), ("--mount", "/a:/a:ro")]
    assert words("or accept it with --allow-secret 'secret-token@cell 3'.") == [
        ("--allow-secret", "secret-token@cell 3")
    ]
    assert words("or build anyway with --allow-errors.") == [("--allow-errors",)]


@pytest.mark.parametrize(
    "path", ["/a/b c.csv", "/a/it's.csv", "/a/x;y.csv", "/a/ends.", "/a/#1.csv", '/a/".csv']
)
def test_every_path_comes_through_its_sentence(path):
    assert words(f"Add it with `--include {shlex.quote(path)}`, or not.") == [("--include", path)]


@pytest.mark.parametrize(
    "sentence",
    [
        "`--include PATH` it",
        "add --env NAME=VALUE when you run",
        "--mount HOST:/data/x.csv:ro",
        "raise `--rtol`",
        "or `--include` the program's path.",
        "--includes /a",
        "Restart the kernel.",
    ],
)
def test_what_the_reader_must_fill_in_is_no_button(sentence):
    assert words(sentence) == []


def test_tags_become_marks_of_the_cells_meant():
    assert words("Run it, or tag it `skip`.", cell=3) == [("--mark-cell", "3=skip")]
    assert words("tag the cell `nondeterministic`", number=2) == [
        ("--mark-cell", "2=nondeterministic")
    ]
    several = fixes({"what": "Cells 3, 5 and 8 did not run.", "cell": 3, "fix": "tag it `skip`"})
    assert several[0].words == tuple(
        word for cell in (3, 5, 8) for word in ("--mark-cell", f"{cell}=skip")
    )
    assert several[0].label == "Leave cells 3, 5, 8 out"
    assert words("Mend it; tag it `skip`.", what="Cell 7 failed: NameError: x.") == [
        ("--mark-cell", "7=skip")
    ]
    assert words("tag it `skip`") == []


def test_a_button_says_what_it_does_in_few_words():
    long = "/data/" + "x" * 300
    assert all(len(one.label) < 60 for one in fixes({"fix": f"--include {long}", "what": ""}))
    assert fixes({"fix": "--include /data/train.csv", "what": ""})[0].label == "Add train.csv"


def test_the_parser_knows_every_word_that_a_button_adds():
    problems = [
        _not_regular("/tmp/a pipe", Reason.cell(ReasonKind.OPENED, 1)).to_json(),
        {"fix": "--include /x or --allow-secret 'a b' --allow-errors --env A=1", "what": ""},
        {"fix": "tag it `skip`, or `raises-exception`", "what": "", "cell": 1},
    ]
    added = [word for one in problems for fix in fixes(one) for word in fix.words]
    assert len(added) == 13
    args = parser(magic=True).parse(["build", *added])
    assert args.mount == ["/tmp/a pipe:/tmp/a pipe"]
    assert args.mark_cell == ["1=skip", "1=raises-exception"]


def test_the_causes_of_a_failed_proof_can_be_clicked_on():
    error = {
        "ename": "FileNotFoundError",
        "evalue": "[Errno 2] No such file or directory: 'a b.csv'",
        "traceback": [],
    }
    cause, fix = likely_cause(Evidence(source="open('a b.csv')", error=error))
    assert "a b.csv" in cause
    assert words(fix, number=1) == [("--include", "a b.csv")]
