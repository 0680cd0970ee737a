"""What the guest needs in every image, wherever it comes from: IPython."""

from __future__ import annotations

import sys

from ..errors import ContainerizeError
from ..model.snapshot import Interpreter
from .installed import Environment, Installed

_KEY = "ipython"


def find(
    environment: Environment, interpreter: Interpreter
) -> tuple[Installed, Environment | None]:
    """Return IPython, and the environment that serves it where the kernel's has none.

    That is this process's own, if its Python is the same minor version (so that compiled
    modules fit). Errors: `guest-needs-ipython`.
    """
    found = environment.by_key.get(_KEY)
    if found is not None:
        return found, None
    ours = f"{sys.version_info.major}.{sys.version_info.minor}"
    theirs = ".".join(interpreter.version.split(".")[:2])
    own = Environment(path for path in sys.path if path)
    lent = own.by_key.get(_KEY)
    if lent is not None and ours == theirs and interpreter.implementation == "cpython":
        return lent, own
    raise ContainerizeError(
        "guest-needs-ipython",
        what="The kernel's environment has no IPython, which runs the cells in the image.",
        why=f"It has Python {theirs}; jupyter-containerize's own IPython is for Python {ours}.",
        fix=f"{interpreter.executable} -m pip install ipython",
    )
