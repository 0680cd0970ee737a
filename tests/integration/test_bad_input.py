"""What users hand in by mistake, through the command line: told plainly, and nothing half-made."""

from __future__ import annotations

import json
import os
import shlex
import shutil
import signal
import socket
import subprocess
import sys
import tempfile
from pathlib import Path

import pytest

from jupyter_containerize.oci.store import Store
from jupyter_containerize.surfaces import cli

TOKEN = "ghp_" + "aB3dE6gH9jK2mN5pQ8rS1tU4vW7xY0zA1bC2"


def notebook(*sources, **metadata):
    cells = [
        {
            "cell_type": "code",
            "id": f"c{number}",
            "metadata": {},
            "source": source,
            "outputs": [],
            "execution_count": None,
        }
        for number, source in enumerate(sources, 1)
    ]
    return json.dumps({"nbformat": 4, "nbformat_minor": 5, "metadata": metadata, "cells": cells})


class Tool:
    """`jupyter containerize … --json` with a store of its own; every line is one event."""

    def __init__(self, folder, python):
        self.folder = folder
        self.store = folder / "store"
        self.python = python

    def failed(self, capsys, *words, code=1):
        """Run in this process what needs no kernel; return the error, checked for its form."""
        handler = signal.getsignal(signal.SIGTERM)
        assert cli.main([*words, "--store", str(self.store), "--json"]) == code
        signal.signal(signal.SIGTERM, handler)
        *_, last = map(json.loads, capsys.readouterr().out.splitlines())
        return checked(last)

    def build(self, path, *words, code=0):
        """Build with a kernel, from another folder; return the last event and all of the output."""
        command = [sys.executable, "-m", "jupyter_containerize", "build", str(path), *words]
        command += ["--store", str(self.store), "--kernel", self.python, "--json"]
        done = subprocess.run(
            command, capture_output=True, cwd=self.folder, timeout=120, check=False
        )
        assert done.returncode == code, done.stdout + done.stderr
        assert b"Traceback (most recent call last)" not in done.stderr
        return [json.loads(line) for line in done.stdout.splitlines()][-1], done.stdout

    def nothing_half_made(self):
        store = Store.open(str(self.store))
        assert os.listdir(store.temporary_folder) == []
        return not os.listdir(self.store / "images") and not os.listdir(self.store / "names")


def checked(last):
    assert last["is"] == "failed"
    error = last["error"]
    for one in (error, *error["also"]):
        assert one["code"]
        assert one["what"]
        assert one["fix"], one
        assert one["code"] != "internal-error", one
    return error


def codes(error):
    return {one["code"] for one in (error, *error["also"])}


@pytest.fixture(scope="module")
def tool(environment):
    with tempfile.TemporaryDirectory() as folder:
        yield Tool(Path(folder), environment("bare"))


CELL = {"cell_type": "code", "id": "a", "metadata": {}, "source": "1", "outputs": []}


@pytest.mark.parametrize(
    ("content", "code"),
    [
        (None, "no-such-notebook"),
        ("", "not-a-notebook"),
        ("print(1)", "not-a-notebook"),
        ("[1, 2]", "not-a-notebook"),
        ("[" * 100_000, "not-a-notebook"),
        (b'{"nbformat": 4, "x": "\xe9"}', "not-a-notebook"),
        ({"nbformat": "4", "metadata": 7, "cells": [3]}, "not-a-notebook"),
        ({"nbformat": 4, "metadata": {}, "cells": "x"}, "not-a-notebook"),
        ({"nbformat": 4, "metadata": {}, "cells": [{**CELL, "source": 5}]}, "not-a-notebook"),
        ({"nbformat": 4, "metadata": {}, "cells": [{**CELL, "outputs": "z"}]}, "not-a-notebook"),
        ({"nbformat": 3, "metadata": {}, "worksheets": []}, "notebook-too-old"),
        ({"nbformat": 5, "metadata": {}, "cells": []}, "notebook-too-new"),
        (notebook(), "notebook-empty"),
        (notebook("", " \n"), "notebook-empty"),
    ],
)
def test_what_is_no_notebook(tool, tmp_path, capsys, content, code):
    path = tmp_path / "n.ipynb"
    if isinstance(content, bytes):
        path.write_bytes(content)
    elif content is not None:
        path.write_text(content if isinstance(content, str) else json.dumps(content))
    assert tool.failed(capsys, "build", str(path))["code"] == code


@pytest.mark.parametrize("kind", ["folder", "fifo", "loop", "long name", "no permission"])
def test_a_notebook_that_is_no_file(tool, tmp_path, capsys, kind, require):
    path = tmp_path / "n.ipynb"
    code = "no-such-notebook"
    if kind == "folder":
        path.mkdir()
    elif kind == "fifo":
        os.mkfifo(path)  # opening it would hang
    elif kind == "loop":
        path.symlink_to(path)
        code = "notebook-unreadable"
    elif kind == "long name":
        path, code = tmp_path / ("n" * 300), "notebook-unreadable"
    else:
        require(os.geteuid() != 0 or os.path.exists("/proc/1/mem"), "a file nobody may read")
        path, code = Path("/proc/1/mem"), "notebook-unreadable"
    assert tool.failed(capsys, "build", str(path))["code"] == code


def test_a_kernel_that_is_not_python(tool, tmp_path, capsys, monkeypatch):
    spec = tmp_path / "kernels" / "ir-fake"
    spec.mkdir(parents=True)
    (spec / "kernel.json").write_text(
        json.dumps({"argv": ["R", "{connection_file}"], "display_name": "R", "language": "R"})
    )
    monkeypatch.setenv("JUPYTER_PATH", str(tmp_path))
    path = tmp_path / "n.ipynb"
    path.write_text(notebook("1", kernelspec={"name": "ir-fake", "display_name": "R"}))
    error = tool.failed(capsys, "build", str(path))
    assert error["code"] == "kernel-not-python"
    path.write_text(notebook("1", kernelspec={"name": "nope", "display_name": "x"}))
    error = tool.failed(capsys, "build", str(path))
    assert error["code"] == "no-such-kernel"
    assert "ir-fake" in error["why"]


@pytest.mark.parametrize(
    ("line", "problem"),
    [
        ("build n.ipynb --tag Bad_", "invalid-reference"),
        ("build n.ipynb --tag ../x", "invalid-reference"),
        ("build n.ipynb --verfy", "usage"),
        ("build n.ipynb extra", "usage"),
        ("build", "usage"),
        ("bild n.ipynb", "usage"),
        ("build n.ipynb -o oci:", "usage"),
        ("build n.ipynb -o tar:x", "usage"),
        ("build n.ipynb --max-file-size -1", "usage"),
        ("build n.ipynb --cell-timeout 0", "usage"),
        ("build n.ipynb --rtol nan", "usage"),
        ("run x --memory much", "usage"),
        ("run x --processes 0", "usage"),
        ("run x -p novalue", "usage"),
        ("run x --mount /nonexistent:/x", "mount-missing"),
        ("stop x --grace soon", "usage"),
    ],
)
def test_a_command_line_that_cannot_be_understood(tool, capsys, line, problem):
    assert tool.failed(capsys, *line.split(), code=2)["code"] == problem


def test_what_cannot_be_written_is_refused_before_the_notebook_runs(tool, tmp_path, capsys):
    path = tmp_path / "n.ipynb"
    path.write_text(notebook("raise SystemExit('this ran')"))
    (tmp_path / "foreign").mkdir()
    (tmp_path / "foreign" / "x").touch()
    for output in (f"oci:{tmp_path}/foreign", f"oci:{path}", f"oci-archive:{tmp_path}"):
        assert tool.failed(capsys, "build", str(path), "-o", output)["code"] == "output-exists"
    assert path.read_text() == notebook("raise SystemExit('this ran')")
    for word in ("--runtime", "--builder"):
        error = tool.failed(capsys, "build", str(path), word, "nope")
        assert error["code"] == f"unknown-{word[2:]}"


@pytest.mark.parametrize(
    ("prepare", "code"),
    [
        (lambda path: path.touch(), "not-a-store"),
        (lambda path: path.mkdir() or (path / "x").touch(), "not-a-store"),
        (lambda path: path.mkdir() or (path / "store.json").write_text("zz"), "not-a-store"),
        (
            lambda path: path.mkdir() or (path / "store.json").write_text('{"version": 99}'),
            "store-too-new",
        ),
    ],
)
def test_a_store_that_is_none(tmp_path, capsys, prepare, code):
    prepare(tmp_path / "store")
    before = sorted(tmp_path.rglob("*"))
    assert Tool(tmp_path, "").failed(capsys, "ls")["code"] == code
    assert sorted(tmp_path.rglob("*")) == before


def test_what_cannot_be_validated(tool, tmp_path, capsys):
    (tmp_path / "random").write_bytes(os.urandom(2000))
    for name in ("random", "absent"):
        error = tool.failed(capsys, "validate", f"oci-archive:{tmp_path}/{name}")
        assert error["code"] == "not-a-layout"
    (tmp_path / "docker").touch()
    error = tool.failed(capsys, "validate", f"docker-archive:{tmp_path}/docker")
    assert error["code"] == "not-a-layout"
    # "oci:" inside a name is no layout.
    assert tool.failed(capsys, "validate", "my-oci:v1")["code"] == "image-not-found"


READS = """\
import os
print(os.read(os.open('fifo', os.O_RDONLY | os.O_NONBLOCK), 10))
print(len(open('large.bin', 'rb').read(10)))
try:
    open('loop')
except OSError as error:
    print(error.errno)
open('/dev/urandom', 'rb').read(1), open('/proc/self/stat').read()
"""


def test_data_that_cannot_be_copied_and_the_answers(tool, tmp_path):
    """All problems at once; then each way out that the messages name works."""
    os.mkfifo(tmp_path / "fifo")
    (tmp_path / "loop").symlink_to("loop")
    (tmp_path / "large.bin").write_bytes(bytes(200_000))
    (tmp_path / "n.ipynb").write_text(notebook(READS))
    limit = ("--max-file-size", "100K")
    last, _ = tool.build(tmp_path / "n.ipynb", *limit, code=1)
    error = checked(last)
    assert codes(error) == {"not-a-regular-file", "file-too-large"}
    large = next(one for one in (error, *error["also"]) if one["code"] == "file-too-large")
    for way in ("--include", "--mount"):
        assert f"{way} {tmp_path / 'large.bin'}" in large["fix"]
    assert tool.nothing_half_made()

    fifo, path = str(tmp_path / "fifo"), str(tmp_path / "large.bin")
    words = ("--mount", f"{fifo}:{fifo}", "--include", path)
    last, _ = tool.build(tmp_path / "n.ipynb", *limit, *words)
    assert last["data"]["contents"]["data_files"] == 1
    words = ("--mount", f"{fifo}:{fifo}", "--mount", f"{path}:{path}:ro")
    last, _ = tool.build(tmp_path / "n.ipynb", *limit, *words)
    assert last["data"]["contents"]["data_files"] == 0


def test_names_that_trip_programs(tool):
    """Spaces, newlines, quotes, other bytes, 255 bytes, paths over 300: verified in a container."""
    names = ["a b", "ünï日本", "new\nline", "n" * 255, "q\"'$(id)`", "tab\t", "-dash", "a,b:c=d"]
    names += ["%(x)s", os.fsdecode(b"lat\xe9")]
    deep = "/".join(["d" * 60] * 5)
    with tempfile.TemporaryDirectory(dir="/var/tmp") as place:
        folder = Path(place) / deep / "fo lder\nü:,="
        folder.mkdir(parents=True)
        for name in names:
            (folder / name).write_text("data")
        (folder / "shop.py").write_text("x = 5\n")
        path = folder / os.fsdecode(b"my\n nb \xe9.ipynb")
        path.write_text(
            notebook(
                "import shop\nprint(shop.x)",
                f"print([len(open(name).read()) for name in {names!r}])",
            )
        )
        last, _ = tool.build(path, "--verify")
    assert last["data"]["verdict"]["state"] == "verified"
    assert last["data"]["contents"]["data_files"] == len(names)


def test_no_secret_in_a_message_or_an_event_or_the_store(tool, tmp_path):
    (tmp_path / ".env").write_text(f"GITHUB_TOKEN={TOKEN}\n")
    (tmp_path / "mod.py").write_text(f"KEY = '{TOKEN}'\n")
    path = tmp_path / "n.ipynb"
    path.write_text(
        notebook(f"import mod\nprint(mod.KEY)\nx = '{TOKEN}'", "print(len(open('.env').read()))")
    )
    last, output = tool.build(path, code=1)
    assert codes(checked(last)) == {"secret-github-token"}
    assert len(last["error"]["also"]) >= 3  # the cell, its output, the module, the file
    assert TOKEN.encode() not in output

    path.write_text(notebook("import mod\nraise ValueError(mod.KEY)"))
    last, output = tool.build(path, code=1)
    assert last["error"]["code"] == "cell-failed"
    assert "line 2" in last["error"]["what"]
    assert "--allow-errors" in last["error"]["fix"]
    assert TOKEN.encode() not in output
    for inside, _, files in os.walk(tool.store):
        for file in (Path(inside, name) for name in files):
            assert not file.is_file() or TOKEN.encode() not in file.read_bytes()


@pytest.fixture(scope="module")
def odd(tool):
    """A copy of the bare environment in which packages are damaged."""
    bare = Path(tool.python).parents[1]
    folder = tool.folder / "odd env"
    shutil.copytree(bare, folder, symlinks=True)
    [site] = folder.glob("lib/python3.*/site-packages")
    (site / "stray.py").write_text("x = 1\n")
    [pygments] = site.glob("[Pp]ygments-*.dist-info")
    (pygments / "RECORD").unlink()
    [parso] = site.glob("parso-*.dist-info")
    with (parso / "RECORD").open("a") as record:
        record.write("parso/gone.py,,\n")
    [wcwidth] = site.glob("wcwidth-*.dist-info")
    shutil.rmtree(wcwidth)
    return Tool(tool.folder, str(folder / "bin" / "python")), site


def test_packages_that_are_not_what_they_list(odd, tmp_path):
    """An import from no distribution stops; a missing RECORD, or missing files, are findings."""
    broken, site = odd
    path = tmp_path / "n.ipynb"
    path.write_text(notebook("import stray, pygments, parso\nprint(stray.x)"))
    last, _ = broken.build(path, code=1)
    error = checked(last)
    assert error["code"] == "import-without-distribution"
    assert "stray" in error["what"]
    assert f"--include {shlex.quote(str(site / 'stray.py'))}" in error["fix"]

    last, _ = broken.build(path, "--include", str(site / "stray.py"), "--verify")
    assert last["data"]["verdict"]["state"] == "verified"
    found = {one["code"] for one in last["data"]["findings"]}
    assert {"record-missing", "record-lists-missing-files"} <= found


def test_a_package_whose_metadata_is_gone(odd, tmp_path):
    """Nobody knows its version or files any more: the build stops, and the way out works."""
    broken, site = odd
    path = tmp_path / "n.ipynb"
    path.write_text(notebook("import wcwidth\nprint(wcwidth.wcswidth('ab'))"))
    last, _ = broken.build(path, code=1)
    error = checked(last)
    assert error["code"] == "import-without-distribution"
    assert "wcwidth" in error["what"]
    last, _ = broken.build(path, "--include", str(site / "wcwidth"), "--verify")
    assert last["data"]["verdict"]["state"] == "verified"


def test_what_is_mounted_read_only_refuses_to_be_written(tool, tmp_path):
    (tmp_path / "in").mkdir()
    (tmp_path / "in" / "data.txt").write_text("before")
    path = tmp_path / "n.ipynb"
    path.write_text(
        notebook(
            "try:\n    open('/mnt/in/data.txt', 'w').write('after')\n    print('written')\n"
            "except OSError as error:\n    print(type(error).__name__, error.errno)"
        )
    )
    mount = f"{tmp_path / 'in'}:/mnt/in"
    last, output = tool.build(path, "--run", "--mount", f"{mount}:ro")
    assert last["data"]["run"]["state"] == "succeeded"
    assert b"OSError 30" in output  # EROFS
    assert (tmp_path / "in" / "data.txt").read_text() == "before"
    tool.build(path, "--run", "--mount", mount)
    assert (tmp_path / "in" / "data.txt").read_text() == "after"


def test_a_socket_that_cells_only_look_at(tool, tmp_path):
    """It is no data: a thousand cells beside it are built as ever."""
    server = socket.socket(socket.AF_UNIX)
    folder = tempfile.mkdtemp(dir=tmp_path)
    server.bind(os.path.relpath(os.path.join(folder, "s")))
    path = Path(folder) / "n.ipynb"
    path.write_text(notebook("import os; print(os.path.exists('s'))", *["x = 1"] * 1000))
    last, _ = tool.build(path, "--no-execute")
    assert last["data"]["contents"]["cells"] == 1001
