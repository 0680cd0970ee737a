"""Notebooks run headless in real kernels that do not have our package."""

from __future__ import annotations

import json
import os
import signal
import subprocess
import sys
import textwrap
import time

import pytest

from jupyter_containerize.capture import kernel, notebook
from jupyter_containerize.errors import ContainerizeError
from jupyter_containerize.model.event import Progress, ignore
from jupyter_containerize.model.options import CaptureOptions


@pytest.fixture(scope="module")
def bare(environment):
    return environment("bare")


@pytest.fixture
def run(bare, tmp_path):
    """`run(cell, ...)`: execute cells (source, or source and tags) in the folder `work`."""

    def execute(*cells, emit=ignore, **options):
        path = write(tmp_path / "work", cells)
        options = CaptureOptions(**{"kernel": bare, **options})
        return kernel.execute(notebook.read(str(path)), options=options, emit=emit)

    return execute


def write(folder, cells):
    folder.mkdir(exist_ok=True)
    document = {"nbformat": 4, "nbformat_minor": 5, "metadata": {}, "cells": []}
    for number, cell in enumerate(cells, 1):
        source, *tags = (cell,) if isinstance(cell, str) else cell
        document["cells"].append(
            {
                "cell_type": "code",
                "id": f"c{number}",
                "metadata": {"tags": tags},
                "source": textwrap.dedent(source),
                "outputs": [],
                "execution_count": None,
            }
        )
    path = folder / "notebook.ipynb"
    path.write_text(json.dumps(document))
    return path


def opens(executed, name):
    return [
        (row["mode"], row["seq"], row["via"])
        for row in executed.record["opens"]
        if row["path"].endswith("/" + name)
    ]


def text_of(executed, number):
    return "".join(
        output.get("text", "") for output in executed.record["executions"][number]["outputs"]
    )


def test_nothing_of_ours_is_seen_by_cells(run):
    executed = run(
        """
        import sys
        print(sorted(name for name in globals() if not name.startswith("_")))
        print(len(In), In[-1][:10], Out, open.__name__, open.__module__)
        print([n for n in sys.modules if n.split(".")[0] == "jupyter_containerize"])
        """,
        """
        import pickle, os, io, builtins
        assert pickle.loads(pickle.dumps(builtins.open)) is builtins.open is io.open
        assert pickle.loads(pickle.dumps(os.open)) is os.open in os.supports_dir_fd
        """,
    )
    names, facts, modules = text_of(executed, 0).splitlines()
    assert names == "['In', 'Out', 'exit', 'get_ipython', 'open', 'quit', 'sys']"
    assert facts.startswith("2 import sys")
    assert facts.endswith("{} open io")
    assert modules == "[]"
    assert executed.record["executions"][1]["success"]
    assert executed.record["problems"] == []


def test_the_user_s_history_is_left_alone(run):
    executed = run("get_ipython().history_manager.hist_file")
    assert "':memory:'" in executed.record["executions"][0]["outputs"][0]["data"]["text/plain"]
    assert not [row for row in executed.record["opens"] if "history.sqlite" in row["path"]]


def test_outputs_ids_and_progress(run):
    events = []
    executed = run(
        "print('a')\n1 + 1", "x = 2", "%matplotlib", emit=events.append, allow_errors=True
    )
    first, second, third = executed.record["executions"]
    assert [output["output_type"] for output in first["outputs"]] == ["stream", "execute_result"]
    assert (first["cell_id"], first["execution_count"], first["seq"]) == ("c1", 1, 1)
    assert second["outputs"] == []
    assert third["success"] is False
    assert executed.document["cells"][0]["outputs"] == first["outputs"]
    assert events[0] == Progress("capture", "cell 1", 0, 3, "cells")
    assert events[-1].done == events[-1].total == 3


def test_relative_paths_after_chdir_and_files_of_its_own(run, tmp_path):
    (tmp_path / "data").mkdir()
    (tmp_path / "data" / "x.txt").write_text("x")
    executed = run(
        "open('own.txt', 'w').write('1')",
        "open('own.txt').read()",
        "import os; os.chdir('../data'); open('x.txt').read()",
    )
    assert opens(executed, "own.txt")[0][:2] == ("w", 1)
    assert opens(executed, "x.txt") == [("r", 3, "open")]
    record = executed.record
    assert record["cwd"] == str(tmp_path / "data")
    assert record["initial_cwd"] == str(tmp_path / "work")
    given = {row["given"] for row in record["opens"] if row["path"].endswith("/x.txt")}
    assert given == {"x.txt"}


def test_an_input_is_recorded_as_it_was_when_it_was_read(run, tmp_path):
    work = tmp_path / "work"
    work.mkdir()
    (work / "in.txt").write_text("before")
    before = (work / "in.txt").stat()
    executed = run("text = open('in.txt').read()", "open('in.txt', 'w').write(text * 2)")
    first = next(row for row in executed.record["opens"] if row["path"].endswith("/in.txt"))
    assert (first["mode"], first["size"], first["mtime_ns"]) == ("r", 6, before.st_mtime_ns)


def test_threads_children_and_async_cells_are_seen(run, tmp_path):
    work = tmp_path / "work"
    work.mkdir()
    for name in ("thread", "child", "forked", "task", "shell", "hidden"):
        (work / f"{name}.txt").write_text(name)
    (work / "link.txt").symlink_to(tmp_path / "target.txt")
    (tmp_path / "target.txt").write_text("target")
    executed = run(
        "import threading, time\n"
        "def later():\n    time.sleep(0.1); open('thread.txt').read()\n"
        "threading.Thread(target=later).start()",
        "import time; time.sleep(0.3)",
        "import sys, subprocess\n"
        "subprocess.run([sys.executable, '-c', 'open(\"child.txt\").read()'], check=True)",
        "import os\npid = os.fork()\nif not pid:\n    open('forked.txt').read(); os._exit(0)\n_ = os.waitpid(pid, 0)",
        "import asyncio\nawait asyncio.sleep(0)\nopen('task.txt').read()",
        "!cat shell.txt link.txt | wc -c",
    )
    for name, seq in {"child": 3, "forked": 4, "task": 5, "shell": 6, "link": 6}.items():
        assert [found[:2] for found in opens(executed, f"{name}.txt")] == [("r", seq)], name
    assert opens(executed, "thread.txt")[0][0] == "r"
    assert opens(executed, "target.txt")
    assert not opens(executed, "hidden.txt")
    commands = executed.record["commands"]
    assert [c["argv"][0] for c in commands if c["kind"] == "argv"] == [
        executed.record["python"]["executable"]
    ]
    assert [c["text"] for c in commands if c["kind"] == "shell"] == [
        "cat shell.txt link.txt | wc -c"
    ]
    assert executed.record["problems"] == []


def test_commands_of_every_kind(run):
    executed = run(
        "x = 'one'\n!echo $x {x}",
        "y = !echo two",
        "import os, subprocess; os.system('echo three')",
        "subprocess.check_output('echo four', shell=True)",
        "%%bash\necho five | cat",
        "subprocess.Popen(['echo', 'six']).wait()",
    )
    found = [(c["seq"], c["kind"], c["text"] or c["argv"][0]) for c in executed.record["commands"]]
    assert (1, "shell", "echo one one") in found
    assert (2, "shell", "echo two") in found
    assert (3, "shell", "echo three") in found
    assert (4, "shell", "echo four") in found
    assert (5, "argv", "bash") in found
    assert (6, "argv", "echo") in found
    assert all(
        c["resolved"].startswith("/") for c in executed.record["commands"] if c["kind"] == "argv"
    )


def test_what_is_put_out_inside_an_output_widget_stays_out_of_the_cell(run):
    executed = run(
        """
        from comm import create_comm
        model = {"_model_name": "OutputModel", "_model_module": "@jupyter-widgets/output", "outputs": []}
        widget = create_comm(target_name="jupyter.widget", data={"state": {**model, "msg_id": ""}})
        request = get_ipython().kernel.get_parent()["header"]["msg_id"]
        widget.send({"method": "update", "state": {"msg_id": request}})
        print("inside", flush=True)
        widget.send({"method": "update", "state": {"msg_id": ""}})
        print("outside")
        """
    )
    texts = [output.get("text") for output in executed.record["executions"][0]["outputs"]]
    assert texts == ["outside\n"]


def test_a_failing_cell_names_cell_and_line(run):
    with pytest.raises(ContainerizeError) as raised:
        run("x = 1", "y = 2\n\nx / 0")
    assert raised.value.code == "cell-failed"
    assert "Cell 2 failed in line 3: ZeroDivisionError" in raised.value.what
    assert "--allow-errors" in raised.value.fix
    assert "skip" in raised.value.fix


def test_the_line_is_the_cell_s_own_however_deep_the_error_lies(run):
    with pytest.raises(ContainerizeError) as raised:
        run("import urllib.request\n\n\nurllib.request.urlopen('http://127.0.0.1:1')")
    assert "Cell 1 failed in line 4: URLError" in raised.value.what


def test_a_missing_module_is_to_be_installed(run):
    with pytest.raises(ContainerizeError) as raised:
        run("import no_such_module.part")
    assert "install what provides 'no_such_module'" in raised.value.fix


@pytest.mark.parametrize("source", ["x = (", "input('?')"])
def test_other_failures(run, source):
    with pytest.raises(ContainerizeError) as raised:
        run(source)
    assert raised.value.code == "cell-failed"
    assert "Cell 1 failed" in raised.value.what


def test_allowed_errors_tags_and_our_own_magics(run):
    executed = run(
        "%load_ext jupyter_containerize",
        ("raise ValueError", "raises-exception"),
        ("raise SystemError", "skip"),
        "%containerize build\nprint('after')",
    )
    sources = [execution["source"] for execution in executed.record["executions"]]
    assert sources == ["raise ValueError", "print('after')"]
    assert run("1 / 0", "2", allow_errors=True).record["executions"][1]["success"]


@pytest.mark.parametrize(
    ("source", "why"),
    [
        ("import os; os._exit(3)", "exit code: 3"),
        ("import os; os.kill(os.getpid(), 9)", "memory"),
        ("import ctypes; ctypes.string_at(0)", "SIGSEGV"),
    ],
)
def test_a_kernel_that_dies(run, source, why):
    with pytest.raises(ContainerizeError) as raised:
        run(source)
    assert raised.value.code == "kernel-died"
    assert why in raised.value.why


def test_a_cell_that_takes_too_long(run):
    with pytest.raises(ContainerizeError) as raised:
        run("import time; time.sleep(60)", timeout_s=1)
    assert raised.value.code == "cell-timed-out"


def test_a_python_without_ipykernel(run, tmp_path):
    subprocess.run([sys.executable, "-m", "venv", "--without-pip", tmp_path / "venv"], check=True)
    with pytest.raises(ContainerizeError) as raised:
        run("1", kernel=str(tmp_path / "venv" / "bin" / "python"))
    assert raised.value.code == "kernel-died"
    assert "ipykernel" in raised.value.why


def test_an_unknown_kernel_names_the_known(run):
    with pytest.raises(ContainerizeError) as raised:
        run("1", kernel="no-such-thing")
    assert raised.value.code == "no-such-kernel"
    assert "python3" in raised.value.why


def test_a_kernel_that_is_not_python(run, tmp_path, monkeypatch):
    folder = tmp_path / "share" / "kernels" / "ir"
    folder.mkdir(parents=True)
    spec = {"argv": ["R"], "display_name": "R", "language": "R"}
    (folder / "kernel.json").write_text(json.dumps(spec))
    monkeypatch.setenv("JUPYTER_PATH", str(tmp_path / "share"))
    with pytest.raises(ContainerizeError) as raised:
        run("1", kernel="ir")
    assert raised.value.code == "kernel-not-python"


def test_static_capture_imports_and_runs_nothing(bare, tmp_path):
    path = write(
        tmp_path / "work",
        ["import tabnanny\nopen('made', 'w')", "import no_such_module\nfrom xml import sax, other"],
    )
    record = kernel.record(
        notebook.read(str(path)), options=CaptureOptions(kernel=bare, execute=False)
    )
    seqs = {row[0]: row[4] for row in record["modules"]}
    assert record["static"]
    assert seqs["tabnanny"] == seqs["xml.sax"] == 1
    assert any("no_such_module" in problem for problem in record["problems"])
    assert not (tmp_path / "work" / "made").exists()
    assert record["executions"] == []


def test_interrupting_ends_the_kernel_too(bare, tmp_path):
    path = write(
        tmp_path / "work",
        ["import os, time; open('pid', 'w').write(str(os.getpid())); time.sleep(60)"],
    )
    program = (
        "import sys; from jupyter_containerize.capture import kernel, notebook;"
        "from jupyter_containerize.model.options import CaptureOptions;"
        "kernel.record(notebook.read(sys.argv[1]), options=CaptureOptions(kernel=sys.argv[2]))"
    )
    command = [sys.executable, "-c", program, str(path), bare]
    with subprocess.Popen(command, stderr=subprocess.PIPE, text=True) as process:
        pid_file = tmp_path / "work" / "pid"
        deadline = time.monotonic() + 30
        while not (pid_file.exists() and pid_file.read_text()) and time.monotonic() < deadline:
            time.sleep(0.05)
        process.send_signal(signal.SIGINT)
        _, errors = process.communicate(timeout=20)
    assert "KeyboardInterrupt" in errors
    assert "kernel-died" not in errors
    with pytest.raises(ProcessLookupError):
        os.kill(int(pid_file.read_text()), 0)
