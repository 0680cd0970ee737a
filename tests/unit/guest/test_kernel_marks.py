from __future__ import annotations

import subprocess
import sys

import pytest

from jupyter_containerize.guest import kernel_marks

PROGRAM = """
import importlib, sys
sys.meta_path.insert(0, type("No", (), {"find_spec": staticmethod(
    lambda name, *_: (_ for _ in ()).throw(ImportError(name)) if name.startswith("ipykernel") else None
)}))
from jupyter_containerize.guest import kernel_marks
class Shell: pass
kernel_marks.load_modules(Shell)
import ipykernel
from ipykernel.zmqshell import Shell as known
assert ipykernel.version_info >= (6, 18) and ipykernel.__version__ == "6.29.5"
assert known is Shell
"""


def test_what_stands_for_ipykernel_tells_a_version_as_ipywidgets_asks_for_it():
    done = subprocess.run([sys.executable, "-c", PROGRAM], capture_output=True, text=True)
    assert done.returncode == 0, done.stderr


def test_without_comm_there_is_a_manager_that_takes_everything(monkeypatch):
    monkeypatch.setitem(sys.modules, "comm", None)
    manager = kernel_marks.kernel().comm_manager

    manager.register_target("mine", print)
    assert kernel_marks.kernel().comm_manager.targets == {"mine": print}
    assert manager.unregister_target("mine", print) is print


def test_a_silent_comm_takes_messages_and_nothing_else():
    silent = kernel_marks.SilentComm(target_name="mine", data={}, comm_id="one")

    silent.on_msg(print)
    silent.send({"a": 1})
    silent.close()
    assert (silent.target_name, silent.comm_id) == ("mine", "one")
    with pytest.raises(AttributeError, match="no_such"):
        _ = silent.no_such


def test_libraries_import_the_comm_that_is_offered(monkeypatch):
    monkeypatch.delitem(sys.modules, "ipykernel.comm", raising=False)
    monkeypatch.setitem(sys.modules, "ipykernel.comm", None)
    kernel_marks.offer_comm(kernel_marks.SilentComm)
    from ipykernel.comm import Comm  # noqa: PLC0415 - only now is it there

    assert Comm is kernel_marks.SilentComm
