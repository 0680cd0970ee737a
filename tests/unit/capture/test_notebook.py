from __future__ import annotations

import json
import os

import nbformat
import pytest

from jupyter_containerize.capture import notebook
from jupyter_containerize.errors import ContainerizeError


def document(*cells, minor=4, **more):
    return {"nbformat": 4, "nbformat_minor": minor, "metadata": {}, "cells": list(cells), **more}


def code(source, **more):
    return {"cell_type": "code", "source": source, "metadata": {}, "outputs": [], **more}


@pytest.fixture
def save(tmp_path):
    def write(content, name="n.ipynb"):
        path = tmp_path / name
        if isinstance(content, dict):
            content = json.dumps(content)
        path.write_bytes(content if isinstance(content, bytes) else content.encode())
        return str(path)

    return write


def code_of(path):
    with pytest.raises(ContainerizeError) as raised:
        notebook.read(path)
    error = raised.value
    assert error.what
    assert error.fix
    return error.code


def test_texts_are_joined_and_missing_ids_are_derived(save):
    outputs = [
        {"output_type": "stream", "name": "stdout", "text": ["a\n", "b"]},
        {
            "output_type": "display_data",
            "metadata": {},
            "data": {"text/plain": ["x", "y"], "a/json": ["k"]},
        },
    ]
    path = save(
        document(
            {"cell_type": "markdown", "source": ["# T\n", "t"], "metadata": {}},
            code(["a\n", "b"], outputs=outputs, execution_count=3),
            code("c", id="good_Id-1"),
            code("d", id="not good"),
            code("e", id="good_Id-1"),
        ),
        "two words.ipynb",
    )
    read = notebook.read(path)
    cells = read.document["cells"]
    assert [cell["id"] for cell in cells] == ["cell-1", "cell-2", "good_Id-1", "cell-4", "cell-5"]
    assert cells[0]["source"] == "# T\nt"
    assert cells[1]["source"] == "a\nb"
    assert cells[1]["outputs"][0]["text"] == "a\nb"
    assert cells[1]["outputs"][1]["data"] == {"text/plain": "xy", "a/json": ["k"]}
    assert (read.name, read.folder) == ("two words", os.path.dirname(path))
    assert notebook.read(path) == read
    nbformat.validate(nbformat.from_dict(document(*cells, minor=read.document["nbformat_minor"])))


@pytest.mark.parametrize(
    "content",
    [
        "not json",
        b"\xff\xfe",
        "[]",
        "{}",
        '{"nbformat": 4}',
        '{"nbformat": "4", "cells": []}',
        json.dumps(document("text")),
        json.dumps(document(code(5))),
        json.dumps(document({"cell_type": "code"}, code("1", outputs="none"))),
        "[" * 100_000,
    ],
)
def test_what_is_not_a_notebook(save, content):
    assert code_of(save(content)) == "not-a-notebook"


def test_other_formats_and_nothing_inside(save):
    old = {"nbformat": 3, "worksheets": [{"cells": []}]}
    assert code_of(save(old)) == "notebook-too-old"
    assert code_of(save({"nbformat": 5, "cells": []})) == "notebook-too-new"
    assert code_of(save(document())) == "notebook-empty"
    assert (
        code_of(save(document(code("  \n"), {"cell_type": "raw", "source": "x"})))
        == "notebook-empty"
    )


def test_no_file(save, tmp_path):
    save(document(code("1")), "other.ipynb")
    with pytest.raises(ContainerizeError) as raised:
        notebook.read(str(tmp_path / "missing.ipynb"))
    assert raised.value.code == "no-such-notebook"
    assert "other.ipynb" in raised.value.why
    assert code_of(str(tmp_path / "no" / "folder.ipynb")) == "no-such-notebook"
    assert code_of(str(tmp_path / "other.ipynb" / "below")) == "no-such-notebook"
    assert code_of(str(tmp_path)) == "no-such-notebook"
    os.mkfifo(tmp_path / "pipe")
    assert code_of(str(tmp_path / "pipe")) == "no-such-notebook"
    (tmp_path / "loop").symlink_to("loop")
    assert code_of(str(tmp_path / "loop")) == "notebook-unreadable"
    assert code_of(str(tmp_path / "nul\0")) == "notebook-unreadable"


def test_too_large_is_not_read(save, monkeypatch):
    monkeypatch.setattr(notebook, "MAX_BYTES", 10)
    assert code_of(save(document(code("1")))) == "notebook-too-large"


def test_unreadable(save, require):
    require(os.geteuid() != 0 or os.path.exists("/proc/1/mem"), "a file that cannot be read")
    path = "/proc/1/mem" if os.geteuid() == 0 else save(document(code("1")))
    if os.geteuid():
        os.chmod(path, 0)
    assert code_of(path) in ("notebook-unreadable", "no-such-notebook")
