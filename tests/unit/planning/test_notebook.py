"""The notebook and settings that the guest finds."""

from __future__ import annotations

import dataclasses
import json

import nbformat

from jupyter_containerize.model.plan import ImageKind
from jupyter_containerize.model.snapshot import Cell, CellSource, Parameter, TextCell, Variable
from jupyter_containerize.planning.notebook import guest_config_text, notebook_text


def with_cells(snapshot, *cells):
    return dataclasses.replace(
        snapshot, notebook=dataclasses.replace(snapshot.notebook, cells=cells)
    )


def config(snapshot, mounts=()):
    return json.loads(guest_config_text(snapshot, kind=ImageKind.TRAINING, mounts=mounts))


def test_the_notebook_is_valid_and_holds_cells_tags_and_outputs(small):
    output = {"output_type": "stream", "name": "stdout", "text": "ä\n"}
    snapshot = with_cells(
        small(),
        Cell("a1", 2, "x = 'ü'", CellSource.EXECUTED, ("parameters",), 7, (output,)),
        Cell("b2", 5, "never()", CellSource.FILE),
    )
    document = nbformat.reads(notebook_text(snapshot), as_version=4)
    nbformat.validate(document)
    assert (document.nbformat, document.nbformat_minor) == (4, 5)
    first, second = document.cells
    assert (first.id, first.source, first.execution_count) == ("a1", "x = 'ü'", 7)
    assert first.outputs[0].text == "ä\n"
    assert first.metadata.tags == ["parameters"]
    assert first.metadata.jupyter_containerize == {"number": 2, "recorded": True}
    assert second.metadata.jupyter_containerize == {"number": 5, "recorded": False}
    # Widget state may be large and is of no use here.
    assert set(document.metadata) == {"kernelspec"}


def test_ids_that_nbformat_refuses_are_replaced_the_same_way_each_time(small):
    ids = ("", "a b", "x" * 65, "ok", "ok", "ü")
    snapshot = with_cells(
        small(), *(Cell(i, n, "1", CellSource.HISTORY) for n, i in enumerate(ids, 1))
    )
    text = notebook_text(snapshot)
    document = nbformat.reads(text, as_version=4)
    nbformat.validate(document)
    assert len({cell.id for cell in document.cells}) == len(ids)
    assert document.cells[3].id == "ok"
    assert notebook_text(snapshot) == text


def test_a_source_with_lone_surrogates_survives(small):
    text = notebook_text(with_cells(small(), Cell("a", 1, "'\ud800'", CellSource.EXECUTED)))
    assert json.loads(text)["cells"][0]["source"] == "'\ud800'"


def test_guest_settings(small):
    snapshot = dataclasses.replace(
        small(),
        parameters=(Parameter("epochs", "2", "int"),),
        environment=(Variable("MPLBACKEND", "agg"),),
    )
    data = config(snapshot, mounts=["/data/large.bin"])
    assert data["version"] == 1
    assert data["kind"] == "training"
    assert data["notebook"] == "/opt/jupyter-containerize/notebook.ipynb"
    assert data["folder"] == data["cwd"] == "/home/anna/work"
    assert data["parameters"] == [{"name": "epochs", "default": "2", "type": "int"}]
    assert data["matplotlib_backend"] == "agg"
    assert data["large_files"] == ["/data/large.bin"]
    assert data["sys_path"] == list(snapshot.interpreter.sys_path)
    assert data["outputs"] == "/outputs"


def test_the_inline_backend_is_the_default(small):
    assert config(small())["matplotlib_backend"].endswith("backend_inline")


def test_texts_stand_where_the_author_put_them(small):
    snapshot = with_cells(
        small(),
        Cell("a", 1, "1", CellSource.FILE),
        Cell("c", 3, "3", CellSource.FILE),
    )
    texts = (
        TextCell("t1", 1, "# Title", attachments={"p.png": {"image/png": "aGk="}}),
        TextCell("t2", 3, "before three"),
        TextCell("t2", 3, "same id"),
        TextCell("t3", 4, "raw end", "raw"),
    )
    snapshot = dataclasses.replace(
        snapshot, notebook=dataclasses.replace(snapshot.notebook, texts=texts)
    )
    document = nbformat.reads(notebook_text(snapshot), as_version=4)
    nbformat.validate(document)
    assert [cell.source for cell in document.cells] == [
        "# Title", "1", "before three", "same id", "3", "raw end",
    ]  # fmt: skip
    assert len({cell.id for cell in document.cells}) == 6
    assert document.cells[0].attachments == {"p.png": {"image/png": "aGk="}}
