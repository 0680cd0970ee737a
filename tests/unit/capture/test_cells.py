from __future__ import annotations

import pytest

from jupyter_containerize.capture import cells, notebook
from jupyter_containerize.capture.own_lines import without_own_lines
from jupyter_containerize.errors import ContainerizeError
from jupyter_containerize.model.options import Mark
from jupyter_containerize.model.snapshot import CellSource, Parameter


def document(*sources, **extra):
    made = []
    for number, source in enumerate(sources, 1):
        cell = source if isinstance(source, dict) else {"source": source}
        made.append(
            {"cell_type": "code", "id": f"c{number}", "metadata": {}, "outputs": [],
             "execution_count": None, **cell}
        )  # fmt: skip
    return notebook.normalise({"nbformat": 4, "metadata": {}, "cells": made, **extra}, name="n")


def file(*sources, **extra):
    return notebook.NotebookFile("/home/ada/n.ipynb", document(*sources, **extra))


def ran(seq, cell_id, source, outputs=None, count=None):
    return {
        "seq": seq, "execution_count": count or seq, "cell_id": cell_id, "source": source,
        "success": True, "error": "", "outputs": outputs,
    }  # fmt: skip


def record(*executions, history=()):
    return {
        "executions": list(executions),
        "history": list(history),
        "cwd": "/w",
        "initial_cwd": "/w",
    }


OUT = [{"output_type": "stream", "name": "stdout", "text": "x"}]
OLD = [{"output_type": "stream", "name": "stdout", "text": "old"}]


def codes(merged):
    return [finding.code for finding in merged.findings]


def test_what_ran_wins_over_what_is_shown_over_the_file():
    merged = cells.merge(
        record(ran(1, "c1", "old"), ran(2, "c1", "ran", OUT)),
        file=file("file 1", "file 2", "file 3"),
        front_end=document("shown 1", "shown 2", "file 3"),
    )
    one, two, three = merged.notebook.cells
    assert (one.source, one.origin, one.outputs) == ("ran", CellSource.EXECUTED, tuple(OUT))
    assert (two.source, two.origin, two.outputs) == ("shown 2", CellSource.FRONT_END, None)
    assert three.source == "file 3"
    assert codes(merged) == ["unsaved-edits", "cell-edited-since-run"]
    assert "1, 2" in merged.findings[0].what
    assert merged.findings[1].cell == 1


def test_agreement_is_no_finding():
    merged = cells.merge(
        record(ran(1, "c1", "a")), file=file("a", "b"), front_end=document("a", "b")
    )
    assert codes(merged) == []
    assert merged.notebook.path == "/home/ada/n.ipynb"


def test_the_document_keeps_outputs_that_belong_to_the_execution():
    shown = {"source": "a", "outputs": OLD, "execution_count": 7}
    kept = cells.merge(record(ran(1, "c1", "a", None, count=7)), file=file(shown))
    stale = cells.merge(record(ran(1, "c1", "a", None, count=8)), file=file(shown))
    unrun = cells.merge(record(), file=file(shown, {"source": "b"}))
    assert kept.notebook.cells[0].outputs == tuple(OLD)
    assert stale.notebook.cells[0].outputs is None
    assert [cell.outputs for cell in unrun.notebook.cells] == [tuple(OLD), None]


def test_executions_whose_id_is_not_in_the_document_are_matched_by_text_then_number():
    merged = cells.merge(
        record(ran(1, "x1", "same", OUT), ran(2, "", "same", OLD), ran(3, "", "edited", OUT)),
        file=file({"source": "same"}, {"source": "text", "execution_count": 3}),
    )
    assert [cell.source for cell in merged.notebook.cells] == ["same", "edited"]
    assert merged.notebook.cells[0].outputs == tuple(OLD)


def test_skipped_and_our_own_cells_stay_out_and_numbers_stay():
    merged = cells.merge(
        record(ran(1, "c1", "%load_ext jupyter_containerize")),
        file=file(
            "%load_ext jupyter_containerize",
            {"source": "secret()", "metadata": {"tags": ["skip"]}},
            "",
            "%containerize build --tag x\nkept()",
            {"source": "last", "metadata": {"tags": ["serve", 5]}},
        ),
    )
    assert [(cell.number, cell.source, cell.tags) for cell in merged.notebook.cells] == [
        (4, "kept()", ()),
        (5, "last", ("serve",)),
    ]
    assert codes(merged) == []


def test_the_history_serves_where_no_file_is_known():
    merged = cells.merge(
        record(ran(1, "", "b", OUT, count=2), history=["a", "b", "%containerize"]), file=None
    )
    assert codes(merged) == ["no-notebook-file"]
    assert [(c.id, c.source, c.origin, c.outputs) for c in merged.notebook.cells] == [
        ("history-1", "a", CellSource.HISTORY, None),
        ("history-2", "b", CellSource.HISTORY, tuple(OUT)),
    ]
    assert (merged.notebook.folder, merged.notebook.path) == ("/w", "")


def test_marks_are_tags_that_the_notebook_does_not_give():
    marks = (Mark(1, "skip"), Mark(2, "nondeterministic"))
    marked = file("1", "2").with_marks(marks)
    merged = cells.merge(record(), file=marked)
    assert [(cell.number, cell.tags) for cell in merged.notebook.cells] == [
        (2, ("nondeterministic",))
    ]
    history = cells.merge(record(history=["a", "b"]), file=None, marks=marks)
    assert [(cell.number, cell.tags) for cell in history.notebook.cells] == [
        (2, ("nondeterministic",))
    ]


@pytest.mark.parametrize("number", [0, 3])
def test_a_mark_for_no_cell_is_refused(number):
    with pytest.raises(ContainerizeError) as caught:
        file("1", "2").with_marks([Mark(number, "skip")])
    assert caught.value.code == "no-such-cell"


def test_metadata_that_tells_how_to_run_is_kept():
    kernelspec = {"name": "python3"}
    merged = cells.merge(
        record(), file=file("1", metadata={"kernelspec": kernelspec, "widgets": {}})
    )
    assert merged.notebook.metadata == {"kernelspec": kernelspec}


def test_parameters():
    source = "epochs = 5\nrate: float = 1e-3\nname = 'a' # c\nmany = [1,\n  2]\nx = y = None\n!ls\nf(1)\na.b = 2"
    merged = cells.merge(
        record(), file=file({"source": source, "metadata": {"tags": ["parameters"]}})
    )
    assert merged.parameters == (
        Parameter("epochs", "5", "int"),
        Parameter("rate", "1e-3", "float"),
        Parameter("name", "'a'", "str"),
        Parameter("many", "[1,\n  2]", "list"),
        Parameter("x", "None", ""),
        Parameter("y", "None", ""),
    )


@pytest.mark.parametrize(
    ("source", "kept"),
    [
        ("%load_ext jupyter_containerize", ""),
        ("  %reload_ext jupyter_containerize\n\n", ""),
        ("%containerize", ""),
        ("%%containerize build\nanything", ""),
        ("%config ContainerizeMagics.base = 'host'\n1", "1"),
        ("a = 1\n%containerize run\nb = 2", "a = 1\nb = 2"),
        ("import jupyter_containerize_other", "import jupyter_containerize_other"),
        ("%load_ext jupyter_containerized", "%load_ext jupyter_containerized"),
        ("print('%containerize')", "print('%containerize')"),
    ],
)
def test_own_lines(source, kept):
    assert without_own_lines(source) == kept


def test_texts_keep_their_place_between_the_code_cells():
    picture = {"p.png": {"image/png": "aGk="}}
    merged = cells.merge(
        record(),
        file=file(
            {"cell_type": "markdown", "source": "# Title", "attachments": picture},
            "a = 1",
            {"cell_type": "raw", "source": "raw"},
            {"source": "b = 2", "metadata": {"tags": ["skip"]}},
            {"cell_type": "markdown", "source": "the end", "attachments": "damaged"},
        ),
    )
    texts = [(t.before, t.kind, t.source, dict(t.attachments)) for t in merged.notebook.texts]
    assert texts == [
        (1, "markdown", "# Title", picture),
        (2, "raw", "raw", {}),
        (3, "markdown", "the end", {}),
    ]


def test_what_ran_before_the_extension_was_loaded_ran():
    before = record(
        ran(3, "c9", "%load_ext jupyter_containerize"), history=["a", "b", "%load_ext …", "later"]
    )
    before["kernel"] = {"extension_loaded_after": 2}
    before["executions"][0]["started_at"] = "2020-01-01T00:00:00+00:00"
    shown = [
        {"source": "a", "execution_count": 1, "outputs": OUT},  # saved since it ran
        {"source": "b"},  # not saved since
        {"source": "c", "execution_count": 2, "outputs": OLD},  # of an older session
    ]
    merged = cells.merge(before, file=file(*shown))
    assert [(c.execution_count, c.outputs) for c in merged.notebook.cells] == [
        (1, tuple(OUT)),
        (2, None),
        (2, tuple(OLD)),
    ]
    assert [(f.code, f.cell) for f in merged.findings] == [("outputs-not-saved", 2)]


def test_a_cell_that_was_tried_and_deleted_becomes_no_other_cell():
    tried = record(ran(2, "gone", "scratch", OUT))
    merged = cells.merge(tried, file=file({"source": "kept", "execution_count": 2}))
    assert [cell.source for cell in merged.notebook.cells] == ["kept"]


def test_cells_that_the_file_does_not_have_yet_are_told(tmp_path):
    path = tmp_path / "n.ipynb"
    path.write_text("{}")
    known = notebook.NotebookFile(str(path), document("a", "b"))
    live = record(
        ran(3, "c2", "b"), ran(4, "new", "unsaved = 1\nmore"), ran(5, "x", "%containerize ls"),
        history=["a", "tried = 1", "b"],
    )  # fmt: skip
    live["kernel"] = {"extension_loaded_after": 2}
    for execution in live["executions"]:
        execution["started_at"] = "2999-01-01T00:00:00+00:00"
    (told,) = [f for f in cells.merge(live, file=known).findings if f.code == "notebook-not-saved"]
    assert told.what.endswith("does not have them: `tried = 1`, `unsaved = 1`.")
    for execution in live["executions"]:
        execution["started_at"] = "2020-01-01T00:00:00+00:00"  # saved since: deleted on purpose
    assert "notebook-not-saved" not in codes(cells.merge(live, file=known))
