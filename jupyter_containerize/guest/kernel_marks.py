"""The marks by which libraries know that they run in a notebook's kernel.

tqdm looks for `ipykernel.zmqshell` among the loaded modules, ipywidgets asks the shell for the
request it answers, others test for the class' module.
"""

from __future__ import annotations

import importlib
import sys
import types
from importlib.machinery import ModuleSpec
from typing import Any

from traitlets.config import Config

#: Libraries ask: from 6.18 on, ipywidgets speaks to `comm` and not to ipykernel.
_VERSION = (6, 29, 5)
REQUEST = {"header": {"msg_id": "cell"}}


def kernel() -> Any:
    """Return what stands for the kernel object."""
    return types.SimpleNamespace(get_parent=lambda *_: REQUEST, shell=None)


def config() -> Config:
    """Return the shell's configuration, with the section that ipykernel's has."""
    made = Config()
    made.IPKernelApp.connection_file = ""
    made.HistoryManager.enabled = False  # no database in a folder that is thrown away
    return made


def load_modules(shell_class: type) -> None:
    """Put `ipykernel.zmqshell` in place, and `ipykernel` where it is not installed."""
    shell_class.__module__ = "ipykernel.zmqshell"
    try:
        importlib.import_module("ipykernel")
    except ImportError:
        package = _empty("ipykernel")
        vars(package).update(version_info=_VERSION, __version__=".".join(map(str, _VERSION)))
        sys.modules["ipykernel"] = package
    module = _empty("ipykernel.zmqshell")
    vars(module)[shell_class.__name__] = shell_class
    sys.modules[module.__name__] = module


def _empty(name: str) -> types.ModuleType:
    module = types.ModuleType(name)
    module.__spec__ = ModuleSpec(name, None)
    module.__path__ = []
    return module
