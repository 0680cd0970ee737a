from __future__ import annotations

import subprocess
import sys

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
