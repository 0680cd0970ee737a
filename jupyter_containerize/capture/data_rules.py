"""Which of the files that cells open are data of the notebook, and which belong to the machine."""

from __future__ import annotations

import re
import tempfile
from collections.abc import Callable, Iterable
from dataclasses import dataclass

from . import disk

#: Never files in the sense of data: the kernel's windows on itself.
_NOT_FILES = ("/proc", "/dev", "/sys", "/run")
#: Where a system keeps its own files; data there counts only when a cell names it.
_SYSTEM = ("/usr", "/lib", "/lib32", "/lib64", "/bin", "/sbin", "/etc", "/boot", "/var")
#: Hidden folders of HOME belong to applications, but these hold downloaded data sets.
_DOWNLOADS = (
    ".keras",
    ".cache/huggingface",
    ".cache/torch",
    ".cache/kagglehub",
    ".cache/scikit-learn",
    ".cache/seaborn",
    ".cache/pooch",
    ".surprise_data",
)


_OTHERS_FOLDER = re.compile(r"/(?:\.ipynb_checkpoints|__pycache__|\.git)/")


@dataclass(frozen=True)
class Rules:
    """What counts as data of this notebook.

    `folders` are the notebook's folder and the kernel's; `owned(path)` is true for files of
    distributions, the standard library and local code; `state` are folders with our own and
    the kernel's state.
    """

    folders: tuple[str, ...]
    home: str
    notebook: str
    prefixes: tuple[str, ...]
    owned: Callable[[str], bool]
    state: tuple[str, ...] = ()

    def is_data(self, path: str, *, named: bool) -> bool:
        """Whether a file that a cell read is its data; `named` if the cell names it literally."""
        if path == self.notebook or path.endswith(".pyc") or _OTHERS_FOLDER.search(path):
            return False
        if in_any(path, _NOT_FILES) or in_any(path, self.state) or self.owned(path):
            return False
        return named or in_any(path, self.folders) or not self._belongs_to_machine(path)

    def _belongs_to_machine(self, path: str) -> bool:
        """Whether `path` is the system's, the interpreter's, or an application's state."""
        if in_any(path, _SYSTEM) and not disk.inside(path, tempfile.gettempdir()):
            return True
        own = (f"{prefix}/{name}" for prefix in self.prefixes for name in _PREFIX_PARTS)
        if in_any(path, own):
            # Unlisted data among installed packages: a model that a package downloaded there.
            return "-packages/" not in path
        if not self.home or not disk.inside(path, self.home):
            return False
        below = path[len(self.home.rstrip("/")) + 1 :]
        return below.startswith(".") and not in_any(below, _DOWNLOADS)


_PREFIX_PARTS = ("bin", "lib", "lib64", "share", "etc", "include", "conda-meta", "pyvenv.cfg")


def in_any(path: str, folders: Iterable[str]) -> bool:
    """Whether `path` is one of `folders` or lies below one."""
    return any(disk.inside(path, folder) for folder in folders)
