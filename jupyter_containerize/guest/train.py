"""Entry point of a training image: `python train.py [-p name=value]...` runs the notebook.

Exit codes: 0 all cells ran; 1 a cell failed or outputs could not be written; 2 the run could
not start (a parameter, a file to be mounted, `/outputs`); 130 and 143 after SIGINT and SIGTERM.

The modules beside this file are loaded as a package of a name of its own, so that the folder
does not stay on `sys.path` and nothing here can shadow a module of the user's.
"""

from __future__ import annotations

import os
import sys
import types


def main() -> int:
    """Load the guest as a package, then run the notebook; return the exit code."""
    folder = os.path.dirname(os.path.abspath(__file__))
    sys.path[:] = [path for path in sys.path if os.path.abspath(path or ".") != folder]
    package = types.ModuleType("jupyter_containerize_guest")
    package.__path__ = [folder]
    sys.modules[package.__name__] = package
    global __package__  # noqa: PLW0603 - makes the relative import below mean that package
    __package__ = package.__name__
    from .start import run  # noqa: PLC0415 - only now can it be found

    return run(sys.argv[1:])


if __name__ == "__main__":
    sys.exit(main())
