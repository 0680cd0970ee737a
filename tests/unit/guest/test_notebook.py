from __future__ import annotations

import json

import nbformat
import pytest

from jupyter_containerize.guest.notebook import RunningNotebook
from jupyter_containerize.guest.problem import CannotStart


def opened(tmp_path, *cells, **more):
    path = tmp_path / "n.ipynb"
    path.write_text(
        json.dumps(
            {"cells": list(cells), "metadata": {}, "nbformat": 4, "nbformat_minor": 4, **more}
        )
    )
    return RunningNotebook(str(path))


def code(source, *tags, **more):
    metadata = {"tags": list(tags), **more.pop("metadata", {})}
    return {
        "cell_type": "code", "source": source, "metadata": metadata, "execution_count": 3,
        "outputs": [{"output_type": "stream", "name": "stdout", "text": "old"}], **more,
    }  # fmt: skip


def test_old_outputs_do_not_come_out(tmp_path):
    notebook = opened(
        tmp_path, code("1", id="a"), {"cell_type": "markdown", "source": "x", "metadata": {}}
    )
    out = tmp_path / "out.ipynb"
    notebook.write(str(out))
    read = nbformat.read(out, as_version=4)
    nbformat.validate(read)
    assert (read.nbformat, read.nbformat_minor) == (4, 5)
    assert read.cells[0].outputs == []
    assert read.cells[0].execution_count is None
    assert not (tmp_path / "out.ipynb.partial").exists()


def test_ids_are_there_and_unique(tmp_path):
    notebook = opened(tmp_path, code("1", id="a"), code("2", id="a"), code("3"))
    ids = [cell["id"] for cell in notebook.cells]
    assert ids[0] == "a"
    assert len(set(ids)) == 3


def test_texts_are_written_as_lines(tmp_path):
    notebook = opened(tmp_path, code("a\nb", id="a"))
    data = {"text/html": "<p>\n</p>", "image/png": "AA\n", "application/json": {"a": "x\ny"}}
    notebook.cells[0]["outputs"] = [
        {"output_type": "stream", "name": "stdout", "text": ["x", "y\nz"]},
        {"output_type": "display_data", "data": data, "metadata": {}},
    ]
    out = tmp_path / "out.ipynb"
    notebook.write(str(out))
    cell = json.loads(out.read_text())["cells"][0]
    assert cell["source"] == ["a\n", "b"]
    assert cell["outputs"][0]["text"] == ["xy\n", "z"]
    assert cell["outputs"][1]["data"] == {**data, "text/html": ["<p>\n", "</p>"]}


def test_parameters_are_injected_behind_their_cell(tmp_path):
    notebook = opened(tmp_path, code("0"), code("a = 1", "parameters"), code("print(a)"))
    notebook.inject("# Parameters\na = 2")
    assert [cell["source"] for cell in notebook.cells][1:3] == ["a = 1", "# Parameters\na = 2"]
    assert [notebook.number(cell) for cell in notebook.cells] == [1, 2, 0, 3]


def test_an_earlier_injection_is_replaced(tmp_path):
    notebook = opened(tmp_path, code("a = 1", "parameters"), code("a = 5", "injected-parameters"))
    notebook.inject("a = 2")
    assert [cell["source"] for cell in notebook.cells] == ["a = 1", "a = 2"]


def test_numbers_are_those_of_the_authors_notebook(tmp_path):
    numbered = code("2", metadata={"jupyter_containerize": {"number": 7}})
    notebook = opened(tmp_path, code(" \n"), code("1"), numbered)
    assert [notebook.number(cell) for cell in notebook.cells] == [2, 7]


def test_text_that_is_not_unicode_is_written_all_the_same(tmp_path):
    notebook = opened(tmp_path, code("1", id="a"))
    notebook.cells[0]["outputs"] = [{"output_type": "stream", "name": "stdout", "text": ["\udcff"]}]
    notebook.write(str(tmp_path / "out.ipynb"))
    assert json.loads((tmp_path / "out.ipynb").read_text())["cells"][0]["outputs"]


def test_no_notebook(tmp_path):
    with pytest.raises(CannotStart, match="cannot be read"):
        RunningNotebook(str(tmp_path / "none.ipynb"))
