import base64
import hashlib
import json
import os
import time
from pathlib import Path

import pytest

from jupyter_containerize.capture import distributions
from jupyter_containerize.capture.installed import Environment
from jupyter_containerize.model.files import FileKind
from jupyter_containerize.model.snapshot import OriginKind


@pytest.fixture
def describe(world, hashes):
    def run(key):
        environment = Environment(world.sys_path)
        return distributions.describe(
            environment.by_key[key], interpreter=world.interpreter, hashes=hashes
        )

    return run


def names(world, entries):
    return [os.path.relpath(entry.path, world.site) for entry in entries]


def test_files_come_from_record_with_their_hashes(world, describe):
    world.install("Nice.Name", {"nice/__init__.py": "x = 1\n", "nice/data,1.csv": "1,2\n"})
    found, findings = describe("nice-name")
    assert findings == ()
    assert (found.name, found.key, found.version) == ("Nice.Name", "nice-name", "1.0")
    assert found.location == str(world.site)
    assert found.origin.kind is OriginKind.INDEX
    assert "nice/data,1.csv" in names(world, found.files)
    code = next(entry for entry in found.files if entry.path.endswith("__init__.py"))
    assert code.sha256 == hashlib.sha256(b"x = 1\n").hexdigest()
    assert found.import_names == ("nice",)


def test_a_hash_that_record_vouches_for_is_not_computed(world, describe, hashes, monkeypatch):
    world.install("trusted", {"trusted.py": "x = 1\n"})
    read = []
    real = hashes.entry
    monkeypatch.setattr(hashes, "entry", lambda path: read.append(path) or real(path))
    describe("trusted")
    assert [os.path.basename(path) for path in read] == ["RECORD"]


def test_scripts_outside_the_site_folder_go_in_as_listed(world, describe):
    world.install("tool", {"tool.py": "", "../../../bin/tool": "#!python\n"})
    found, _ = describe("tool")
    assert str(world.root / "venv/bin/tool") in [entry.path for entry in found.files]
    assert found.import_names == ("tool",)


def test_only_this_pythons_bytecode_is_taken_and_needs_no_record(world, describe):
    world.install("fast", {"fast/__init__.py": "", "fast/core.py": ""})
    cache = world.site / "fast/__pycache__"
    cache.mkdir()
    for name in ("core.cpython-311.pyc", "core.cpython-312.pyc", "gone.cpython-311.pyc"):
        (cache / name).write_bytes(b"")
    found, _ = describe("fast")
    assert names(world, found.bytecode) == ["fast/__pycache__/core.cpython-311.pyc"]
    assert not [entry for entry in found.files if "__pycache__" in entry.path]


def test_modules_without_source_are_files(world, describe):
    world.install("sealed", {"sealed/__init__.pyc": b"compiled"})
    found, _ = describe("sealed")
    assert "sealed/__init__.pyc" in names(world, found.files)
    assert found.import_names == ("sealed",)


def test_an_edit_after_installation_is_a_finding_that_names_the_file(world, describe):
    info = world.install("edited", {"edited.py": "x = 1\n", "other.py": "y = 1\n"})
    later = time.time() + 5
    (world.site / "edited.py").write_text("x = 2\n")
    os.utime(world.site / "edited.py", (later, later))
    os.utime(world.site / "other.py", (later, later))  # touched, not changed
    found, findings = describe("edited")
    assert [one.code for one in findings] == ["distribution-edited"]
    assert "edited.py" in findings[0].what
    assert "other.py" not in findings[0].what
    code = next(entry for entry in found.files if entry.path == str(world.site / "edited.py"))
    assert code.sha256 == hashlib.sha256(b"x = 2\n").hexdigest()
    assert info.exists()


def test_an_edit_that_changes_the_size_is_noticed_whatever_the_time(world, describe):
    world.install("edited", {"edited.py": "x = 1\n"})
    (world.site / "edited.py").write_text("x = 1000\n")
    os.utime(world.site / "edited.py", (0, 0))
    _, findings = describe("edited")
    assert [one.code for one in findings] == ["distribution-edited"]


def test_files_that_record_lists_but_are_gone_are_a_finding(world, describe):
    world.install("torn", {"torn.py": "", "torn_data/x.txt": "1"})
    (world.site / "torn_data/x.txt").unlink()
    found, findings = describe("torn")
    assert [one.code for one in findings] == ["record-lists-missing-files"]
    assert "x.txt" in findings[0].what
    assert "torn.py" in names(world, found.files)


def test_without_record_the_packages_folders_serve(world, describe):
    info = world.install("lost-record", {"lost_record/__init__.py": "", "lost_record/a.dat": "1"})
    (info / "RECORD").unlink()
    found, findings = describe("lost-record")
    assert [one.code for one in findings] == ["record-missing"]
    assert "lost_record/a.dat" in names(world, found.files)
    assert all(entry.sha256 for entry in found.files)


@pytest.mark.parametrize("record", ["", "\x00\x01", 'half,"open', "a,b,c,d,e,f\n,,\n", "/,,\n"])
def test_a_broken_record_is_no_crash(world, describe, record):
    info = world.install("broken", {"broken.py": "x = 1\n"})
    (info / "RECORD").write_text(record)
    found, _ = describe("broken")
    assert found.name == "broken"


def test_a_record_that_points_at_folders_and_devices_takes_neither(world, describe):
    info = world.install("odd", {"odd.py": ""})
    with open(info / "RECORD", "a") as file:
        file.write("odd_folder,,\n/dev/null,,\n")
    (world.site / "odd_folder").mkdir()
    found, _ = describe("odd")
    assert {entry.kind for entry in found.files} == {FileKind.FILE}


def test_installers_that_link_into_a_cache_give_plain_files(world, describe, tmp_path):
    world.install("linked", {"linked.py": "x = 1\n"})
    target = tmp_path / "cache.py"
    (world.site / "linked.py").rename(target)
    (world.site / "linked.py").symlink_to(target)
    found, findings = describe("linked")
    assert findings == ()
    code = next(entry for entry in found.files if entry.path == str(world.site / "linked.py"))
    assert (code.kind, code.size_bytes) == (FileKind.FILE, 6)


def test_what_a_listed_link_leads_to_goes_along(world, describe, tmp_path):
    info = world.install("views", {"views.py": ""})
    data = tmp_path / "share"
    data.mkdir()
    (data / "style.css").write_text("a {}")
    (world.site / "views_data").symlink_to(data)
    with open(info / "RECORD", "a") as file:
        file.write("views_data,,\n")
    found, _ = describe("views")
    assert {"views_data", os.path.relpath(data / "style.css", world.site)} <= set(
        names(world, found.files)
    )


def test_names_that_no_shell_likes(world, describe):
    files = {f"odd/{'x' * 250}.txt": "1", "odd/new\nline.txt": "2", "odd/文.txt": "3", "odd.py": ""}
    world.install("odd", files)
    found, findings = describe("odd")
    assert findings == ()
    assert set(files) <= set(names(world, found.files))


def test_conda_packages_say_so_and_bring_their_other_files(world, describe):
    prefix = world.root / "venv"
    info = world.install(
        "numlib", {"numlib/__init__.py": "here = '/placeholder'\n"}, installer="conda"
    )
    code = Path(world.site / "numlib/__init__.py")
    code.write_text("here = '/real/prefix'\n")  # conda writes its prefix in after RECORD was made
    (prefix / "share/numlib").mkdir(parents=True)
    (prefix / "share/numlib/grid.bin").write_bytes(b"123")
    (prefix / "conda-meta").mkdir()
    site = "lib/python3.11/site-packages"
    listed = [f"{site}/numlib/__init__.py", f"{site}/{info.name}/METADATA", "share/numlib/grid.bin"]
    sha256 = hashlib.sha256(code.read_bytes()).hexdigest()
    meta = {
        "name": "py-numlib",
        "version": "1.0",
        "build": "h1_0",
        "channel": "https://user:secret@conda.example/t/token?x=1",
        "files": listed,
        "paths_data": {"paths": [{"_path": listed[0], "sha256": "0" * 64, "size_in_bytes": 3,
                                  "sha256_in_prefix": sha256}]},
    }  # fmt: skip
    (prefix / "conda-meta/py-numlib.json").write_text(json.dumps(meta))
    later = time.time() + 2
    os.utime(prefix / "conda-meta/py-numlib.json", (later, later))
    os.utime(info / "RECORD", (later, later))
    found, findings = describe("numlib")
    assert findings == ()
    assert found.origin.kind is OriginKind.CONDA
    assert found.origin.package == "py-numlib 1.0 h1_0"
    assert "secret" not in found.origin.url
    assert str(prefix / "share/numlib/grid.bin") in [entry.path for entry in found.files]
    assert next(e for e in found.files if e.path == str(code)).sha256 == sha256


def test_hashes_of_record_are_turned_into_hex():
    digest = hashlib.sha256(b"\xff" * 9).digest()
    text = base64.urlsafe_b64encode(digest).rstrip(b"=").decode()
    assert distributions._hex(text) == digest.hex()
    assert distributions._hex("not base64!") is None
