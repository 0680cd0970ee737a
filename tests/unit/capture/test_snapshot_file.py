import json
from pathlib import Path

import jsonschema
import pytest

from jupyter_containerize.capture.snapshot_file import read_snapshot, write_snapshot
from jupyter_containerize.errors import ContainerizeError
from jupyter_containerize.model import codec
from jupyter_containerize.model.files import FileEntry
from jupyter_containerize.model.platform import Platform
from jupyter_containerize.model.reasons import Reason, ReasonKind
from jupyter_containerize.model.snapshot import (
    Distribution,
    Notebook,
    Origin,
    OriginKind,
    Snapshot,
)

SCHEMA = Path(__file__).parents[3] / "docs/snapshot.schema.json"


@pytest.fixture
def snapshot(world):
    package = Distribution(
        "a",
        "a",
        "1",
        Origin(OriginKind.INDEX),
        str(world.site),
        (FileEntry("/x/a.py", size_bytes=3, mtime_ns=7, sha256="0" * 64),),
        reasons=(Reason.cell(ReasonKind.IMPORTED, 1),),
    )
    return Snapshot(
        notebook=Notebook("n", "/p/n.ipynb", "/p", ()),
        interpreter=world.interpreter,
        platform=Platform("linux", "amd64"),
        distributions=(package,),
        created_at="2024-01-01T00:00:00Z",
        host="here",
    )


def test_a_snapshot_survives_its_document(snapshot):
    document = json.loads(json.dumps(write_snapshot(snapshot)))
    assert read_snapshot(document) == snapshot
    assert read_snapshot(document).digest() == snapshot.digest()


def test_a_newer_one_is_refused_with_both_versions(snapshot):
    document = {**write_snapshot(snapshot), "version": 99}
    with pytest.raises(ContainerizeError) as caught:
        read_snapshot(document)
    assert caught.value.code == "snapshot-too-new"
    assert "99" in caught.value.what
    assert "1" in caught.value.what


def test_an_older_one_is_migrated_step_by_step(snapshot):
    document = write_snapshot(snapshot)
    document["version"] = -1
    document["note"] = document.pop("notebook")
    steps = {
        -1: lambda old: {**old, "version": 0, "notebook": old["note"]},
        0: lambda old: {**old, "version": 1},
    }
    assert read_snapshot(document, migrations=steps) == snapshot


@pytest.mark.parametrize(
    "document", [None, [], {}, {"version": "1"}, {"version": 0}, {"version": 1}]
)
def test_what_is_no_snapshot_is_refused(document):
    with pytest.raises(ContainerizeError) as caught:
        read_snapshot(document)
    assert caught.value.code == "bad-format"


def test_the_published_schema_is_current():
    current = codec.schema(Snapshot)
    assert json.loads(SCHEMA.read_text()) == current, (
        'Regenerate it: python -c "import json; from jupyter_containerize.model import codec, '
        'snapshot; print(json.dumps(codec.schema(snapshot.Snapshot), indent=2))" '
        "> docs/snapshot.schema.json"
    )


def test_documents_fit_the_published_schema(snapshot):
    schema = json.loads(SCHEMA.read_text())
    jsonschema.Draft202012Validator.check_schema(schema)
    jsonschema.validate(write_snapshot(snapshot), schema)
    broken = {**write_snapshot(snapshot), "distributions": [{"name": "a"}]}
    with pytest.raises(jsonschema.ValidationError):
        jsonschema.validate(broken, schema)
