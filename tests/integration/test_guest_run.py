"""The guest as a process: what it leaves, however the run ends."""

from __future__ import annotations

import importlib.util
import json
import os
import signal
import subprocess
import sys
import time
from pathlib import Path

import pytest

SLEEP = "print('sleeping', flush=True)\nimport time\ntime.sleep(60)"


def load(name):
    spec = importlib.util.spec_from_file_location(name, Path(__file__).parent.parent / f"{name}.py")
    module = importlib.util.module_from_spec(spec)
    spec.loader.exec_module(module)
    return module


RUNS = load("guest_runs")


@pytest.fixture
def guest(tmp_path):
    """`guest(cells, **settings)`: a guest run over these cells, in this folder."""

    def make(*cells, **settings):
        return RUNS.GuestRun(
            RUNS.notebook(*cells), python=sys.executable, folder=tmp_path, **settings
        )

    return make


def wait_for(process, text):
    """Read the process' log until `text` comes; return what was read."""
    read = ""
    while text not in read:
        line = process.stdout.readline()
        assert line, read
        read += line
    return read


def texts(executed):
    return ["".join(out.get("text", "") for out in cell.outputs) for cell in executed.cells]


PARAMETERS = [{"name": "epochs", "default": "3", "type": "int"}]


def test_parameters_reach_the_cells(guest):
    run = guest(("epochs = 3", ["parameters"]), "print(epochs * 2)", parameters=PARAMETERS)
    code, log = run.run("-p", "epochs=5")
    assert code == 0, log
    assert [cell.id for cell in run.executed.cells] == ["cell-1", "injected-parameters", "cell-2"]
    assert texts(run.executed)[-1] == "10\n"
    assert "[3/3] cell 2" in log


@pytest.mark.parametrize(
    ("argument", "said"),
    [("epoch=5", "epochs = 3"), ("epochs=many", "does not fit"), ("epochs", "NAME=VALUE")],
)
def test_wrong_parameters_stop_the_run_before_it_starts(guest, argument, said):
    run = guest(("epochs = 3", ["parameters"]), parameters=PARAMETERS)
    code, log = run.run("-p", argument)
    assert code == 2
    assert said in log
    assert not run.outputs.exists()


def test_the_log_tells_cell_by_cell(guest):
    run = guest("print('one')", "import sys; print('two', file=sys.stderr); 1 + 1")
    code, log = run.run()
    assert code == 0
    lines = log.splitlines()
    assert lines[0] == "[1/2] cell 1: print('one')"
    assert lines[1] == "one"
    assert lines[2].startswith("[1/2] cell 1 … 0.")
    assert {"two", "2"} <= set(lines[4:6])
    assert [event["event"] for event in run.trail] == [
        "run-start", "cell-start", "cell-end", "cell-start", "cell-end", "run-end",
    ]  # fmt: skip
    assert run.trail[-1]["exit_code"] == 0


def test_a_failing_cell_ends_the_run(guest):
    run = guest("print('before')", "x = 1\n\nraise ValueError('bad value')", "print('never')")
    code, log = run.run()
    assert code == 1
    assert "[2/3] cell 2 failed at line 3" in log
    assert "ValueError: bad value" in log.splitlines()[-1]
    assert "----> 3 raise ValueError('bad value')" in log
    assert texts(run.executed)[0] == "before\n"
    error = run.executed.cells[1].outputs[0]
    assert (error.output_type, error.ename, error.evalue) == ("error", "ValueError", "bad value")
    assert run.executed.cells[2].execution_count is None
    assert run.trail[-2]["state"] == "failed"


def test_a_syntax_error_has_its_line(guest):
    code, log = guest("x = 1\ny = (").run()
    assert code == 1
    assert "cell 1 failed at line 2" in log


@pytest.mark.parametrize(
    "source",
    [SLEEP, "import asyncio\nprint('sleeping', flush=True)\nawait asyncio.sleep(60)"],
    ids=["blocking", "awaiting"],
)
def test_sigterm_interrupts_the_cell_and_leaves_the_outputs(guest, source):
    run = guest("open('made.txt', 'w').write('x')", source, "print('never')")
    process = run.start()
    wait_for(process, "\nsleeping")
    started = time.monotonic()
    process.send_signal(signal.SIGTERM)
    log, _ = process.communicate(timeout=30)
    assert process.returncode == 143, log
    assert time.monotonic() - started < 10
    assert "sleeping" in texts(run.executed)[1]
    assert run.executed.cells[1].outputs[-1].ename in ("KeyboardInterrupt", "CancelledError")
    assert run.executed.cells[2].execution_count is None
    assert (run.outputs / "files" / "made.txt").read_text() == "x"
    assert run.trail[-1]["exit_code"] == 143


def test_sigterm_stops_a_cell_that_catches_interrupts(guest):
    cell = f"try:\n    {SLEEP.splitlines()[0]}; import time; time.sleep(60)\nexcept KeyboardInterrupt:\n    print('saved')"
    run = guest(cell, "print('never')")
    process = run.start()
    wait_for(process, "\nsleeping")
    process.send_signal(signal.SIGTERM)
    process.communicate(timeout=30)
    assert process.returncode == 143
    assert texts(run.executed) == ["sleeping\nsaved\n", ""]


def test_a_kill_leaves_what_there_was(guest):
    run = guest("print('done')", SLEEP)
    process = run.start()
    wait_for(process, "\nsleeping")
    process.kill()
    process.communicate(timeout=30)
    assert texts(run.executed) == ["done\n", ""]
    assert run.trail[-1]["event"] == "cell-start"


def test_a_crash_leaves_what_there_was(guest):
    run = guest("print('done')", "import os, signal; os.kill(os.getpid(), signal.SIGSEGV)")
    code, log = run.run()
    assert code == -signal.SIGSEGV
    assert "Segmentation fault" in log
    assert texts(run.executed)[0] == "done\n"


def test_exit_ends_the_run_well(guest):
    run = guest("print('a'); exit()", "print('never')")
    code, log = run.run()
    assert code == 0
    assert "called exit(): 1 more cells did not run" in log
    assert texts(run.executed) == ["a\n", ""]


def test_files_that_cells_make_come_out(guest):
    run = guest(
        "open('old.txt', 'a').write('more'); open('new.bin', 'wb').write(b'1')",
        "kept_open = open('unclosed.txt', 'w'); kept_open.write('buffered')",
        "import os; os.makedirs('deep', exist_ok=True); os.symlink('../old.txt', 'deep/link')",
    )
    (run.work / "old.txt").write_text("some ")
    (run.work / "input.csv").write_text("1,2")
    code, log = run.run()
    assert code == 0, log
    files = run.outputs / "files"
    found = sorted(
        os.path.relpath(os.path.join(at, f), files) for at, _, fs in os.walk(files) for f in fs
    )
    assert found == ["deep/link", "new.bin", "old.txt", "unclosed.txt"]
    assert (files / "old.txt").read_text() == "some more"
    assert (files / "unclosed.txt").read_text() == "buffered"
    assert "4 files are in" in log


def test_a_file_to_be_mounted_is_asked_for_before_the_start(guest, tmp_path):
    run = guest("1", large_files=[str(tmp_path / "huge.bin")])
    code, log = run.run()
    assert code == 2
    assert f"--mount HOST:{tmp_path}/huge.bin:ro" in log
    (tmp_path / "huge.bin").write_text("")
    assert run.run()[0] == 0


def test_outputs_that_cannot_be_written(guest, tmp_path):
    (tmp_path / "file").write_text("")
    code, log = guest("1", outputs=str(tmp_path / "file" / "outputs")).run()
    assert code == 2
    assert "The outputs cannot be written" in log
    assert "Traceback" not in log


def test_outputs_that_become_full_fail_the_run(guest):
    run = guest(
        "import shutil, os; os.rename('../outputs', '../gone'); open('../outputs', 'w')", "1"
    )
    code, log = run.run()
    assert code == 1
    assert "The executed notebook cannot be written" in log


def test_the_process_looks_like_the_kernel(guest, tmp_path):
    (tmp_path / "work").mkdir()
    for name in ("token", "outputs", "log", "session", "streams"):
        (tmp_path / "work" / f"{name}.py").write_text("whose = 'mine'")
    run = guest(
        "import outputs, log, session, streams; print(outputs.whose, log.whose, session.whose)",
        "import sys, os, __main__; print(sys.argv[1], os.path.basename(os.getcwd()), sys.path[0] == '')",
        "print(__name__, hasattr(__main__, '__file__'), [p for p in sys.path if 'guest' in p])",
    )
    code, log = run.run()
    assert code == 0, log
    assert texts(run.executed) == ["mine mine mine\n", "-f work True\n", "__main__ False []\n"]


def test_the_kernels_path_is_used(guest, tmp_path):
    elsewhere = tmp_path / "elsewhere"
    elsewhere.mkdir()
    (elsewhere / "only_there.py").write_text("x = 5")
    path = ["", *[p for p in sys.path if p and "tests" not in p], str(elsewhere)]
    run = guest("import only_there, sys; print(only_there.x, len(sys.path))", sys_path=path)
    code, log = run.run()
    assert code == 0, log
    assert texts(run.executed) == [f"5 {len(path)}\n"]


def test_threads_and_tasks_that_never_end_do_not_hold_the_run(guest):
    run = guest(
        "import threading, time\nthreading.Thread(target=lambda: time.sleep(300)).start()",
        "import asyncio\ntask = asyncio.create_task(asyncio.sleep(300))",
        "print('end')",
    )
    started = time.monotonic()
    code, log = run.run()
    assert code == 0, log
    assert time.monotonic() - started < 20
    assert "destroyed" not in log
    assert "Traceback" not in log


def test_late_output_of_a_task_belongs_to_its_cell(guest):
    run = guest(
        "import asyncio\nasync def late():\n    await asyncio.sleep(0.2); print('late')\n"
        "task = asyncio.create_task(late())",
        "print('second')\nawait task",
    )
    assert run.run()[0] == 0
    assert texts(run.executed) == ["late\n", "second\n"]


def test_much_output_comes_whole_and_in_order(guest):
    run = guest(
        "import os\nfor i in range(20000): print('line', i)\nos.system('seq 1 20000'); print('end')"
    )
    code, _ = run.run()
    assert code == 0
    expected = [f"line {i}" for i in range(20000)] + [str(i) for i in range(1, 20001)] + ["end"]
    assert texts(run.executed)[0].splitlines() == expected


def test_progress_bars_reach_the_log_as_they_are(guest):
    run = guest(
        "import time\nfor i in range(3):\n    print(f'\\r{i}/3', end='', flush=True)\n    time.sleep(0.01)"
    )
    code, log = run.run()
    assert code == 0
    assert texts(run.executed) == ["\r0/3\r1/3\r2/3"]
    assert "2/3\n[1/1] cell 1 …" in log


def test_an_image_of_another_version(guest):
    run = guest("1", version=2)
    code, log = run.run()
    assert code == 2
    assert "version 2" in log


def test_a_reader_that_goes_away_does_not_stop_the_cells(guest):
    run = guest("for i in range(50000): print(i)", "open('made.txt', 'w').write('x')")
    process = run.start()
    process.stdout.close()
    assert process.wait(timeout=60) == 0
    assert (run.outputs / "files" / "made.txt").exists()


@pytest.mark.parametrize(
    "cell",
    [
        "import sys; sys.stdout = None",
        "import asyncio; asyncio.get_running_loop().stop()",
        "import asyncio; [task.cancel() for task in asyncio.all_tasks()]",
    ],
)
def test_a_cell_that_reaches_under_the_guest_loses_nothing(guest, cell):
    run = guest("print('a'); open('made.txt', 'w').write('x')", cell, "print('b')")
    code, log = run.run()
    assert code == 1
    assert "The run broke off" in log
    assert texts(run.executed)[0] == "a\n"
    assert (run.outputs / "files" / "made.txt").exists()
    assert run.trail[-1]["event"] == "run-end"


def test_a_cell_may_close_its_descriptors(guest):
    run = guest("import os; os.close(1); os.close(2)", "print('b')")
    code, _ = run.run()
    assert code == 0
    assert texts(run.executed) == ["", "b\n"]


@pytest.mark.parametrize("cells", [(), ("# nothing",), (("x", ["raises-exception"]),)])
def test_runs_with_nothing_to_show(guest, cells):
    code, log = guest(*cells).run()
    assert code == 0, log


def test_it_needs_nothing_but_ipython(tmp_path):
    """In a venv with only IPython, started isolated from the tests' environment."""
    subprocess.run(
        [sys.executable, "-m", "uv", "venv", "-q", "--python", sys.executable, str(tmp_path / "v")],
        check=True,
    )
    python = str(tmp_path / "v" / "bin" / "python")
    subprocess.run(
        [sys.executable, "-m", "uv", "pip", "install", "-q", "--python", python, "ipython"],
        check=True,
    )
    run = RUNS.GuestRun(
        RUNS.notebook("%time 1", "!echo x", "from IPython.display import *; display(HTML('a'))"),
        python=python, folder=tmp_path,
    )  # fmt: skip
    code, log = run.run()
    assert code == 0, log
    assert json.dumps(run.executed.cells[1].outputs).count("x") >= 1
