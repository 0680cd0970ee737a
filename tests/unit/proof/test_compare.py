from __future__ import annotations

import pytest

from jupyter_containerize import proof
from jupyter_containerize.model.verdict import CellOutcome, VerdictState


def cell(source="x", outputs=(), *, tags=(), id_="a", count=1, **ours):
    metadata = {"tags": list(tags)}
    if ours:
        metadata["jupyter_containerize"] = ours
    return {
        "cell_type": "code",
        "id": id_,
        "source": source,
        "metadata": metadata,
        "execution_count": count,
        "outputs": list(outputs),
    }


def stream(text, name="stdout"):
    return {"output_type": "stream", "name": name, "text": text}


def result(data, kind="execute_result"):
    return {"output_type": kind, "data": data, "metadata": {}, "execution_count": 1}


def error(name="ValueError", value="bad", traceback=("tb",)):
    return {"output_type": "error", "ename": name, "evalue": value, "traceback": list(traceback)}


def notebook(*cells, **metadata):
    return {"cells": list(cells), "metadata": metadata, "nbformat": 4, "nbformat_minor": 5}


def only(recorded, executed, **options):
    (found,) = proof.compare(notebook(recorded), notebook(executed), **options)
    return found


def outcome(recorded, executed, **tags):
    return only(cell(outputs=recorded, **tags), cell(outputs=executed, **tags)).outcome


EQUAL, DIFFERENT, UNPROVEN = CellOutcome.EQUAL, CellOutcome.DIFFERENT, CellOutcome.UNPROVEN
FAILED, MISSING = CellOutcome.FAILED, CellOutcome.MISSING


@pytest.mark.parametrize(
    ("recorded", "executed", "expected"),
    [
        ([stream("a\n")], [stream("a\n")], EQUAL),
        ([stream("a\n"), stream("b\n")], [stream(["a\n", "b\n"])], EQUAL),
        ([stream("a"), stream("w", "stderr"), stream("b")], [stream("ab"), stream("w", "stderr")], EQUAL),
        ([stream("a")], [stream("a", "stderr")], DIFFERENT),
        ([stream("a")], [], DIFFERENT),
        ([], [stream("a")], DIFFERENT),
        ([], [], UNPROVEN),
        ([stream("")], [], UNPROVEN),
        ([result({"text/plain": "1"})], [result({"text/plain": "1"})], EQUAL),
        ([result({"text/plain": "1"})], [result({"text/plain": "1"}, "display_data")], DIFFERENT),
        ([result({"text/plain": "1"})], [result({"text/plain": "1", "text/html": "1"})], DIFFERENT),
        ([result({"text/plain": "1"})], [result({"text/plain": "2"})], DIFFERENT),
        ([result({"text/plain": "1"})], [result({"text/plain": "1"}), stream("w", "stderr")], DIFFERENT),
        ([stream("a")], [error()], FAILED),
        ([error()], [error()], FAILED),
    ],
)  # fmt: skip
def test_outcomes(recorded, executed, expected):
    assert outcome(recorded, executed) is expected


def test_errors_of_cells_that_are_meant_to_raise():
    tags = {"tags": ["raises-exception"]}
    assert outcome([error(traceback=["a"])], [error(traceback=["b"])], **tags) is EQUAL
    assert outcome([error("KeyError")], [error()], **tags) is DIFFERENT
    assert outcome([error(value="other")], [error()], **tags) is DIFFERENT
    assert outcome([stream("a")], [error()], **tags) is DIFFERENT


def test_the_guest_knows_whether_a_cell_failed():
    shown = [error()]  # a display whose representation raised: the cell went on
    assert only(cell(outputs=shown), cell(outputs=shown, state="ok")).outcome is EQUAL
    interrupted = cell(outputs=[stream("a")], state="interrupted")
    assert only(cell(outputs=[stream("a")]), interrupted).outcome is FAILED


def test_a_cell_that_never_ran_proves_nothing():
    never = cell(count=None)
    assert only(never, cell(outputs=[stream("a")])).outcome is UNPROVEN
    assert only(cell(recorded=False), cell(outputs=[stream("a")])).outcome is UNPROVEN
    assert only(cell(recorded=True, count=None), cell(outputs=[stream("a")])).outcome is DIFFERENT


def test_cells_that_the_run_lacks():
    first = cell(outputs=[stream("a")])
    second = cell(outputs=[stream("b")], id_="b")
    not_run = cell(id_="b", count=None)
    found = proof.compare(notebook(first, second), notebook(first, not_run))
    assert [one.outcome for one in found] == [EQUAL, MISSING]
    found = proof.compare(notebook(first, second), notebook(first))
    assert [one.outcome for one in found] == [EQUAL, MISSING]


def test_matching_and_numbers():
    markdown = {"cell_type": "markdown", "id": "m", "source": "x", "metadata": {}}
    empty = cell(" \n", id_="e")
    injected = cell(id_="injected-parameters", outputs=[stream("z")])
    last = cell(outputs=[stream("a")], id_="b", number=9)
    found = proof.compare(
        notebook(markdown, cell(), empty, last), notebook(injected, last, cell(), empty)
    )
    assert [(one.id, one.number, one.outcome) for one in found] == [
        ("a", 1, UNPROVEN),
        ("b", 9, EQUAL),
    ]


def test_nondeterministic_cells_compare_by_shape():
    def shape(one, other):
        return outcome(one, other, tags=["nondeterministic"])

    picture = {"image/png": "iVBORw0KGgo=", "text/plain": "<Figure>"}
    assert shape([stream("0.1\n0.2\n")], [stream("0.7\n0.9\n")]) is EQUAL
    assert shape([stream("0.1\n0.2\n")], [stream("0.7\n")]) is DIFFERENT
    assert shape([stream("0.1\n")], [stream("0.7\n", "stderr")]) is DIFFERENT
    assert (
        shape([result(picture)], [result(dict(picture, **{"text/plain": "<Figure 2>"}))]) is EQUAL
    )
    assert shape([result(picture)], [result({"text/plain": "<Figure>"})]) is DIFFERENT
    assert shape([result(picture)], [error()]) is FAILED


def test_a_difference_shows_both_sides():
    found = only(cell(outputs=[stream("a\nb\n")]), cell(outputs=[stream("a\nc\n")]))
    assert (found.expected, found.actual) == ("a\nb", "a\nc")
    assert found.detail.splitlines()[:2] == ["--- notebook", "+++ image"]
    assert "-b" in found.detail
    assert "+c" in found.detail


def test_a_long_difference_is_cut():
    sides = ["\n".join(f"{word} {n}" for n in range(5000)) for word in ("a", "b")]
    found = only(cell(outputs=[stream(sides[0])]), cell(outputs=[stream(sides[1])]))
    assert len(found.detail.splitlines()) == 31
    assert found.detail.endswith("more lines differ")
    assert len(found.expected) < 4100


def test_rtol_reaches_the_numbers():
    sides = cell(outputs=[stream("0.5")]), cell(outputs=[stream("0.50001")])
    assert only(*sides).outcome is DIFFERENT
    assert only(*sides, rtol=1e-3).outcome is EQUAL


@pytest.mark.parametrize(
    ("outcomes", "exit_code", "static", "state"),
    [
        ([EQUAL, UNPROVEN], 0, False, VerdictState.VERIFIED),
        ([EQUAL, DIFFERENT], 0, False, VerdictState.FAILED),
        ([EQUAL, FAILED], 0, False, VerdictState.FAILED),
        ([EQUAL, MISSING], 0, False, VerdictState.FAILED),
        ([EQUAL], 1, False, VerdictState.FAILED),
        ([EQUAL], None, False, VerdictState.FAILED),
        ([UNPROVEN], 0, False, VerdictState.UNPROVEN),
        ([], 0, False, VerdictState.UNPROVEN),
        ([EQUAL], 0, True, VerdictState.UNPROVEN),
    ],
)
def test_verdicts(outcomes, exit_code, static, state):
    both = cell(outputs=[stream("a")])
    made = {
        EQUAL: (both, both),
        DIFFERENT: (both, cell(outputs=[stream("b")])),
        FAILED: (both, cell(outputs=[error()])),
        MISSING: (both, cell(count=None)),
        UNPROVEN: (cell(), cell()),
    }
    cells = tuple(only(*made[one]) for one in outcomes)
    assert [one.outcome for one in cells] == outcomes
    found = proof.verdict(cells, image="sha256:0", run="r", exit_code=exit_code, static=static)
    assert found.state is state
    assert found.reason
