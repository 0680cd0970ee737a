"""The marks by which libraries know that they run in a notebook's kernel.

tqdm looks for `ipykernel.zmqshell` among the loaded modules, ipywidgets asks the shell for the
request it answers, others test for the class' module.
"""

from __future__ import annotations

import importlib
import sys
import types
import uuid
from importlib.machinery import ModuleSpec
from typing import Any

from traitlets.config import Config

#: Libraries ask: from 6.18 on, ipywidgets speaks to `comm` and not to ipykernel.
_VERSION = (6, 29, 5)
REQUEST = {"header": {"msg_id": "cell"}}


class Kernel(types.SimpleNamespace):
    """What stands for the kernel object."""

    @property
    def comm_manager(self) -> Any:
        """Where libraries register what front ends may open: none will, but all may register."""
        try:
            return importlib.import_module("comm").get_comm_manager()
        except ImportError:
            return _COMMS


def kernel() -> Kernel:
    """Return what stands for the kernel object."""
    return Kernel(get_parent=lambda *_: REQUEST, shell=None)


class Comms:
    """What stands for `comm`'s manager where that is not installed."""

    def __init__(self) -> None:
        self.comms: dict[str, Any] = {}
        self.targets: dict[str, Any] = {}

    def register_target(self, target_name: str, f: Any) -> None:
        """Keep it: nobody opens it."""
        self.targets[target_name] = f

    def unregister_target(self, target_name: str, f: Any) -> Any:
        """Forget it."""
        del f
        return self.targets.pop(target_name)


_COMMS = Comms()


class SilentComm:
    """What stands for ipykernel's `Comm` where `comm` is not installed: nobody is at the other end."""

    def __init__(self, target_name: str = "", data: Any = None, **more: Any) -> None:
        del data
        self.target_name = target_name
        self.comm_id: str = more.get("comm_id") or uuid.uuid4().hex

    def __getattr__(self, name: str) -> Any:
        """Take every message and every callback, and do nothing with them."""
        if name not in ("open", "send", "close", "on_msg", "on_close"):
            raise AttributeError(name)
        return lambda *_, **__: None


def offer_comm(comm_class: type) -> None:
    """Put `comm_class` where libraries import ipykernel's `Comm` from."""
    module = _empty("ipykernel.comm")
    vars(module)["Comm"] = comm_class
    sys.modules[module.__name__] = module


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
