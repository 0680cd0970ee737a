import importlib.metadata
import sys

from jupyter_containerize.capture.installed import Environment
from jupyter_containerize.capture.metadata import normalise


def test_sees_what_importlib_metadata_sees():
    path = [entry for entry in sys.path if entry]
    theirs = {}
    for one in importlib.metadata.distributions(path=path):
        theirs.setdefault(normalise(one.metadata["Name"]), one.version)
    ours = {key: one.metadata.version for key, one in Environment(path).by_key.items()}
    assert ours == theirs


def test_the_first_folder_on_the_path_wins(world, tmp_path):
    user = tmp_path / "user"
    world.install("thing", {"thing.py": "2"}, version="2", site=user)
    world.install("thing", {"thing.py": "1"}, version="1")
    first = Environment([str(user), *world.sys_path])
    assert first.by_key["thing"].metadata.version == "2"
    assert first.owners[str(user / "thing.py")].metadata.version == "2"
    assert first.owners[str(world.site / "thing.py")].metadata.version == "1"


def test_several_distributions_share_a_namespace(world):
    world.install("acme-a", {"acme/a/__init__.py": ""})
    world.install("acme-b", {"acme/b.py": ""})
    environment = Environment(world.sys_path)
    assert environment.owners[str(world.site / "acme/b.py")].key == "acme-b"
    assert {one.key for one in environment.import_names["acme"]} == {"acme-a", "acme-b"}


def test_leftovers_of_failed_uninstalls_are_nothing(world):
    (world.site / "~umpy-1.0.dist-info").mkdir()
    (world.site / "empty-1.0.dist-info").mkdir()
    assert "umpy" not in Environment(world.sys_path).by_key
    assert list(Environment(world.sys_path).by_key) == ["empty"]


def test_eggs_and_old_distutils_metadata(world):
    egg = world.site / "old-2.0-py3.11.egg"
    (egg / "EGG-INFO").mkdir(parents=True)
    (egg / "EGG-INFO/PKG-INFO").write_text("Name: old\nVersion: 2.0\n")
    (egg / "old.py").write_text("")
    (world.site / "flat-1.0.egg-info").write_text("Name: flat\nVersion: 1.0\n")
    environment = Environment([str(egg), *world.sys_path])
    assert environment.by_key["old"].metadata.version == "2.0"
    assert environment.owners[str(egg / "old.py")].key == "old"
    assert environment.by_key["flat"].metadata.version == "1.0"


def test_installed_files_txt_serves_where_there_is_no_record(world):
    info = world.site / "legacy-1.0-py3.11.egg-info"
    info.mkdir()
    (info / "PKG-INFO").write_text("Name: legacy\nVersion: 1.0\n")
    (info / "installed-files.txt").write_text(
        "../legacy/__init__.py\n../legacy/__pycache__/x.pyc\nPKG-INFO\n"
    )
    (world.site / "legacy").mkdir()
    (world.site / "legacy/__init__.py").write_text("")
    environment = Environment(world.sys_path)
    listed = [row.path for row in environment.by_key["legacy"].file_list.rows]
    assert listed == [str(world.site / "legacy/__init__.py"), str(info / "PKG-INFO")]


def test_folders_that_are_not_there_are_passed_over(world):
    environment = Environment(["/nowhere", "", str(world.stdlib / "os.py"), *world.sys_path])
    assert environment.installed == ()


def test_rows_of_a_record_however_they_are_written(world):
    """Quoted names, carriage returns, short rows, and what only looks like the end of a line."""
    info = world.site / "odd-1.0.dist-info"
    info.mkdir()
    (info / "METADATA").write_text("Name: odd\nVersion: 1.0\n")
    digest = "sha256=" + "A" * 43
    for ending in ("\n", "\r\n"):
        for quoted in ("", f'"odd/a, b.py",{digest},7{ending}'):
            plain = f"odd/x.py,{digest},5{ending}odd/\x0c\u2028.py,,{ending}odd/short.py{ending}"
            with open(info / "RECORD", "w", encoding="utf-8", newline="") as file:
                file.write(plain + quoted)
            found = Environment(world.sys_path).by_key["odd"]
            rows = {row.path.rpartition("/odd/")[2]: row for row in found.file_list.rows}
            names = {"x.py", "\x0c\u2028.py", "short.py"} | ({"a, b.py"} if quoted else set())
            assert set(rows) == names, (ending, quoted)
            assert (rows["x.py"].sha256, rows["x.py"].size) == ("A" * 43, 5)
            assert (rows["short.py"].sha256, rows["short.py"].size) == ("", -1)
