"""Real kernels, real environments: from a notebook to a snapshot."""

import json
import os
import sys
import textwrap

import jsonschema
import nbformat
import pytest

from jupyter_containerize.capture import assemble, kernel
from jupyter_containerize.capture import notebook as notebook_file
from jupyter_containerize.capture.snapshot_file import read_snapshot, write_snapshot
from jupyter_containerize.errors import ContainerizeError
from jupyter_containerize.model.options import CaptureOptions
from jupyter_containerize.model.snapshot import SnapshotMode
from jupyter_containerize.oci.store import Store


def notebook(folder, *sources, tags=None):
    """Write a notebook of these code cells; return its path."""
    cells = []
    for number, source in enumerate(sources, 1):
        cell = nbformat.v4.new_code_cell(textwrap.dedent(source).strip(), id=f"c{number}")
        if tags and number in tags:
            cell["metadata"]["tags"] = tags[number]
        cells.append(cell)
    os.makedirs(folder, exist_ok=True)
    path = os.path.join(folder, "n.ipynb")
    nbformat.write(nbformat.v4.new_notebook(cells=cells), path)
    return path


@pytest.fixture
def capture(tmp_path):
    store = Store.open(str(tmp_path / "store"))

    def run(path, *, record=None, **options):
        chosen = CaptureOptions(**options)
        record = record or kernel.record(notebook_file.read(path), options=chosen)
        return assemble.snapshot(record, notebook=path, options=chosen, store=store), record

    return run


def by_key(snapshot):
    return {one.key: one for one in snapshot.distributions}


def test_a_notebook_with_code_and_data_of_its_own(tmp_path, capture):
    project = tmp_path / "project"
    (project / "tools").mkdir(parents=True)
    (project / "tools/__init__.py").write_text("from .late import load\n")
    (project / "tools/late.py").write_text(
        "def load(path):\n    import packaging.version\n    return open(path).read()\n"
    )
    (project / "tools/table.json").write_text("{}")
    (tmp_path / "data").mkdir()
    (tmp_path / "data/x y.csv").write_text("1,2\n")
    path = notebook(
        project,
        "import tools, json, os",
        "print(tools.load('../data/x y.csv'))\nopen('out.txt', 'w').write('1')",
        "print(open('out.txt').read())",
        "import markdown_it",
        tags={4: ["skip"]},
    )
    snapshot, record = capture(path)
    assert snapshot.mode is SnapshotMode.LIVE
    packages = by_key(snapshot)
    assert [str(r) for r in packages["packaging"].reasons] in (
        ["imported by tools.late"],
        ["imported by cell 2", "imported by tools.late"],
        ["imported by tools", "imported by tools.late"],
    )
    assert "required by the guest" in map(str, packages["ipython"].reasons)
    assert "ipykernel" not in packages
    assert "markdown-it-py" not in packages
    (code,) = snapshot.local_code
    assert [os.path.basename(one.path) for one in code.files] == [
        "__init__.py",
        "late.py",
        "table.json",
    ]
    (data,) = snapshot.data_files
    assert (data.path, data.given) == (str(tmp_path / "data/x y.csv"), "../data/x y.csv")

    again, _ = capture(path, record=record)
    assert again.digest() == snapshot.digest()
    document = json.loads(json.dumps(write_snapshot(snapshot)))
    assert read_snapshot(document) == snapshot
    schema = os.path.join(os.path.dirname(__file__), "../../docs/snapshot.schema.json")
    with open(schema) as file:
        jsonschema.validate(document, json.load(file))


def test_static_snapshots_name_what_is_not_installed(tmp_path, capture):
    path = notebook(
        tmp_path / "p", "import json, packaging", "import surely_not_installed_anywhere"
    )
    with pytest.raises(ContainerizeError) as caught:
        capture(path, execute=False)
    assert caught.value.code == "import-without-distribution"
    assert "Cell 2" in caught.value.what
    fine = notebook(tmp_path / "q", "import packaging\nraise SystemError", "open('data.csv')")
    (tmp_path / "q/data.csv").write_text("1")
    snapshot, _ = capture(fine, execute=False)
    assert snapshot.mode is SnapshotMode.STATIC
    assert "packaging" in by_key(snapshot)
    assert [one.given or one.path for one in snapshot.data_files] == [str(tmp_path / "q/data.csv")]


def test_what_stops_a_build_is_reported_together(tmp_path, capture):
    project = tmp_path / "p"
    path = notebook(project, "a = open('a.bin').read()", "b = open('b.bin').read()")
    for name in ("a.bin", "b.bin"):
        (project / name).write_text("x" * 100)
    with pytest.raises(ContainerizeError) as caught:
        capture(path, max_file_bytes=50)
    assert [caught.value.code, *(one.code for one in caught.value.also)] == ["file-too-large"] * 2
    snapshot, _ = capture(
        path,
        max_file_bytes=50,
        include=(str(project / "a.bin"),),
        mounts=(str(project / "b.bin"),),
    )
    assert [os.path.basename(one.path) for one in snapshot.data_files] == ["a.bin"]


def test_names_that_cells_brought_and_secrets_are_findings(tmp_path, capture):
    token = "ghp_" + "a1B2" * 9
    path = notebook(tmp_path / "p", f"token = '{token}'", "import ipykernel")
    snapshot, _ = capture(path)
    assert any(one.code.startswith("secret-") for one in snapshot.findings)
    assert token not in json.dumps([one.what for one in snapshot.findings])
    assert [str(r) for r in by_key(snapshot)["ipykernel"].reasons] == ["named in cell 2"]


def test_the_record_may_come_from_another_python(tmp_path, capture, environment, monkeypatch):
    python = environment("bare")
    spec = tmp_path / "jupyter/kernels/bare"
    spec.mkdir(parents=True)
    argv = [python, "-m", "ipykernel_launcher", "-f", "{connection_file}"]
    (spec / "kernel.json").write_text(
        json.dumps({"argv": argv, "display_name": "bare", "language": "python"})
    )
    monkeypatch.setenv("JUPYTER_PATH", str(tmp_path / "jupyter"))
    snapshot, _ = capture(notebook(tmp_path / "p", "import traitlets"), kernel="bare")
    prefix = os.path.dirname(os.path.dirname(python))
    assert snapshot.interpreter.prefix == prefix
    assert all(one.location.startswith(prefix) for one in snapshot.distributions)
    assert not any(entry.path.startswith(sys.prefix + "/lib") for one in snapshot.distributions
                   for entry in one.files)  # fmt: skip
