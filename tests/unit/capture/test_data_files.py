import os
import socket

import pytest

from jupyter_containerize.capture import data_files, data_rules
from jupyter_containerize.capture.record_view import Open
from jupyter_containerize.model.files import FileKind


class Notebook:
    """What cells opened and name, and the rules of a notebook in the world's project."""

    def __init__(self, world, hashes):
        self.world = world
        self.hashes = hashes
        self.opens = []
        self.named = {}
        self.owned = set()

    def open(self, path, *, mode="r", seq=1, given="", via="open", size=..., mtime_ns=...):
        path = os.path.join(self.world.project, path)
        try:
            facts = os.stat(path)
        except OSError:
            facts = None
        if size is ...:
            size = facts.st_size if facts else None
        if mtime_ns is ...:
            mtime_ns = facts.st_mtime_ns if facts else None
        self.opens.append(Open(path, given, mode, via, seq, size, mtime_ns))
        return path

    def collect(self, *, cells=(1, 2, 3), unwatched=(), limit=1000, include=(), mounts=()):
        world = self.world
        return data_files.collect(
            self.opens,
            cell_of_seq={number: number for number in cells},
            named={path: set(numbers) for path, numbers in self.named.items()},
            unwatched=unwatched,
            rules=data_rules.Rules(
                folders=(str(world.project),),
                home=str(world.root / "home"),
                notebook=str(world.project / "n.ipynb"),
                prefixes=(str(world.root / "venv"),),
                owned=lambda path: path in self.owned,
                state=(str(world.root / "home/project/store"),),
            ),
            hashes=self.hashes,
            include=include,
            mounts=mounts,
            max_file_bytes=limit,
        )

    def paths(self, **options):
        found, findings, problems = self.collect(**options)
        assert (findings, problems) == ((), ())
        return [os.path.relpath(one.path, self.world.project) for one in found]


@pytest.fixture
def notebook(world, hashes):
    return Notebook(world, hashes)


def codes(several):
    return [one.code for one in several]


def test_what_a_cell_reads_is_data_with_the_way_it_was_named(world, notebook):
    world.write("../data/x.csv", "1\n")
    notebook.open("../data/x.csv", given="../data/x.csv")
    notebook.open("../data/x.csv", seq=3)
    (found,), findings, problems = notebook.collect()
    assert (findings, problems) == ((), ())
    assert found.path == str(world.root / "home/data/x.csv")
    assert found.given == "../data/x.csv"
    assert [str(reason) for reason in found.reasons] == ["opened by cell 1", "opened by cell 3"]
    assert found.files[0].sha256


def test_what_the_notebook_wrote_first_is_no_input(world, notebook):
    world.write("out.csv", "1")
    world.write("log.txt", "old")
    world.write("new.db", "rows")
    notebook.open("out.csv", mode="w")
    notebook.open("out.csv", seq=2)
    notebook.open("log.txt", mode="rw")
    notebook.open("new.db", mode="rw", size=None, mtime_ns=None)
    notebook.open("new.db", seq=2)
    assert notebook.paths() == ["log.txt"]


def test_what_only_other_cells_opened_stays_out(world, notebook):
    world.write("a.csv")
    notebook.open("a.csv", seq=7)
    assert notebook.paths() == []


def test_what_was_still_mapped_counts_whoever_mapped_it(world, notebook):
    world.write("big.npy")
    notebook.open("big.npy", seq=0, via="mapped")
    (found,), _, _ = notebook.collect()
    assert [str(reason) for reason in found.reasons] == ["mapped by the kernel"]


@pytest.mark.parametrize(
    "path",
    [
        "/proc/self/maps", "/dev/null", "/sys/kernel/notes", "/etc/hostname", "/usr/bin/env",
        "../.config/matplotlib/matplotlibrc", "../.cache/fontconfig/x", "../.ipython/profile/db",
        "n.ipynb", ".ipynb_checkpoints/n-checkpoint.ipynb", "store/blob", "a.pyc", "owned.txt",
        "../../venv/lib/python3.11/x.txt", "__pycache__/f.nbi", ".git/HEAD",
    ],
)  # fmt: skip
def test_what_belongs_to_the_machine_or_the_kernel_is_no_data(world, notebook, path):
    if not path.startswith("/"):
        world.write(path, "x")
    notebook.owned.add(str(world.project / "owned.txt"))
    notebook.open(path)
    assert notebook.paths() == []


def test_data_that_a_package_downloaded_beside_itself_is_data(world, notebook):
    model = "../../venv/lib/python3.11/site-packages/speech/model.bin"
    world.write(model)
    notebook.open(model)
    assert notebook.paths() == [model]


def test_but_what_a_cell_names_is_data_wherever_it_lies(world, notebook):
    notebook.open("/etc/hostname")
    notebook.named["/etc/hostname"] = {1}
    assert [os.path.join(world.project, path) for path in notebook.paths()] == [
        os.path.join(world.project, os.path.relpath("/etc/hostname", world.project))
    ]


def test_download_caches_in_home_are_data(world, notebook):
    for path in ("../.keras/datasets/mnist.npz", "../scikit_learn_data/x.pkz"):
        world.write(path)
        notebook.open(path)
    assert notebook.paths() == ["../.keras/datasets/mnist.npz", "../scikit_learn_data/x.pkz"]


def test_paths_that_unwatched_cells_name_count_as_read(world, notebook):
    csv, folder = world.write("a.csv"), os.path.dirname(world.write("images/1.png"))
    notebook.named = {csv: {1}, folder: {2}, str(world.project): {1}, str(world.root): {1}}
    assert notebook.paths() == []
    assert notebook.paths(unwatched=(1, 2)) == ["a.csv", "images"]


def test_an_input_that_changed_since_is_a_finding(world, notebook):
    world.write("a.csv", "1")
    notebook.open("a.csv")
    world.write("a.csv", "22")
    (found,), findings, _ = notebook.collect()
    assert codes(findings) == ["input-changed"]
    assert "opened by cell 1" in findings[0].what
    assert found.size_bytes == 2


def test_an_input_that_the_notebook_changed_itself_says_so(world, notebook):
    world.write("notes.txt", "1")
    notebook.open("notes.txt", mode="rw")
    world.write("notes.txt", "12")
    _, findings, _ = notebook.collect()
    assert codes(findings) == ["input-changed"]
    assert "the notebook itself" in findings[0].what


def test_an_input_that_is_gone_is_a_finding(notebook, tmp_path, monkeypatch):
    monkeypatch.setattr(data_files.tempfile, "gettempdir", lambda: str(tmp_path / "tmp"))
    notebook.open("gone.csv", size=3, mtime_ns=1)
    notebook.open(str(tmp_path / "tmp/scratch"), size=3, mtime_ns=1)
    found, findings, problems = notebook.collect()
    assert (found, problems) == ((), ())
    assert codes(findings) == ["missing-input"]


def test_a_large_file_stops_the_build_and_both_answers_are_honoured(world, notebook):
    large = world.write("large.bin", b"x" * 2000)
    notebook.open("large.bin")
    _, _, problems = notebook.collect()
    assert codes(problems) == ["file-too-large"]
    assert f"--include {large}" in problems[0].fix
    assert f"--mount {large}:{large}:ro" in problems[0].fix
    (found,), _, problems = notebook.collect(include=[large])
    assert problems == ()
    assert sorted(map(str, found.reasons)) == ["asked for by the user", "opened by cell 1"]
    for mount in (large, str(world.project)):
        assert notebook.collect(mounts=[mount]) == ((), (), ())


def test_problems_do_not_hide_one_another(world, notebook):
    world.write("large.bin", b"x" * 2000)
    world.write("fine.csv", "1")
    os.mkfifo(world.project / "pipe")
    for name in ("large.bin", "pipe", "fine.csv"):
        notebook.open(name)
    found, _, problems = notebook.collect()
    assert [os.path.basename(one.path) for one in found] == ["fine.csv"]
    assert codes(problems) == ["file-too-large", "not-a-regular-file"]


def test_sockets_pipes_and_circles_are_errors(world, notebook):
    with socket.socket(socket.AF_UNIX) as listening:
        listening.bind(os.path.relpath(world.project / "s"))
    os.mkfifo(world.project / "p")
    (world.project / "loop").symlink_to("loop")
    include = [str(world.project / name) for name in ("s", "p", "loop", "nothing")]
    _, _, problems = notebook.collect(include=include)
    assert codes(problems) == [
        "not-a-regular-file",
        "not-a-regular-file",
        "symlink-loop",
        "include-not-found",
    ]


def test_an_unreadable_file_is_an_error(world, notebook, monkeypatch):
    path = world.write("secret.csv", "1")

    def refuse(_path):
        raise data_files.disk.unreadable(path, PermissionError(13, "Permission denied"))

    monkeypatch.setattr(notebook.hashes, "entry", refuse)
    notebook.open("secret.csv")
    _, _, problems = notebook.collect()
    assert codes(problems) == ["unreadable-file"]
    assert "Permission denied" in problems[0].why


def test_links_on_the_way_are_entries_of_their_own(world, notebook, tmp_path):
    (tmp_path / "big").mkdir()
    (tmp_path / "big/x.csv").write_text("1")
    (world.project / "data").symlink_to(tmp_path / "big")
    notebook.open("data/x.csv")
    (found,), _, _ = notebook.collect()
    assert [(one.kind, one.path) for one in found.files] == [
        (FileKind.SYMLINK, str(world.project / "data")),
        (FileKind.FILE, str(tmp_path / "big/x.csv")),
    ]


def test_a_folder_asked_for_comes_whole(world, notebook, tmp_path):
    world.write("images/a/1.png", "1")
    world.write("images/__pycache__/x.pyc", "1")
    (world.project / "images/empty").mkdir()
    (tmp_path / "outside.png").write_text("2")
    (world.project / "images/link.png").symlink_to(tmp_path / "outside.png")
    (found,), _, problems = notebook.collect(include=[str(world.project / "images")])
    assert problems == ()
    inside = {os.path.relpath(one.path, world.project / "images"): one.kind for one in found.files}
    assert inside == {
        ".": FileKind.DIRECTORY,
        "a": FileKind.DIRECTORY,
        "a/1.png": FileKind.FILE,
        "empty": FileKind.DIRECTORY,
        "link.png": FileKind.SYMLINK,
        os.path.relpath(tmp_path / "outside.png", world.project / "images"): FileKind.FILE,
    }


def test_a_pipe_in_a_folder_asked_for_is_an_error_that_names_it(world, notebook):
    world.write("images/1.png")
    os.mkfifo(world.project / "images/pipe")
    _, _, problems = notebook.collect(include=[str(world.project / "images")])
    assert codes(problems) == ["not-a-regular-file"]
    assert "images/pipe" in problems[0].what


def test_folders_that_were_opened_are_what_was_opened_in_them(world, notebook):
    world.write("images/1.png")
    world.write("images/2.png")
    notebook.open("images")
    notebook.open("images/2.png")
    assert notebook.paths() == ["images/2.png"]


@pytest.mark.parametrize("name", ["a b.csv", "naïve-文.csv", "new\nline.csv", "x" * 255])
def test_names_of_every_kind(world, notebook, name):
    world.write(name, "1")
    notebook.open(name)
    assert notebook.paths() == [name]


def test_paths_of_over_300_bytes(world, notebook):
    name = "/".join(["d" * 60] * 8) + "/x.csv"
    world.write(name, "1")
    notebook.open(name)
    assert notebook.paths() == [name]
