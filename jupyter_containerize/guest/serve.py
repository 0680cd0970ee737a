"""Entry point of an inference image: `python serve.py` answers over HTTP until it is stopped.

Settings are environment variables (see `serving/settings.py`). Exit codes: 0 stopped by SIGTERM
or SIGINT; 2 the service could not start, told on standard error.

The modules beside this file are loaded as a package of a name of its own, as `train.py` does,
so that nothing here can shadow a module of the user's.
"""

from __future__ import annotations

import os
import sys
import types


def main() -> int:
    """Load the guest as a package, then serve; return the exit code."""
    folder = os.path.dirname(os.path.abspath(__file__))
    sys.path[:] = [path for path in sys.path if os.path.abspath(path or ".") != folder]
    package = types.ModuleType("jupyter_containerize_guest")
    package.__path__ = [folder]
    sys.modules[package.__name__] = package
    global __package__  # noqa: PLW0603 - makes the relative import below mean that package
    __package__ = package.__name__
    from .serving.start import run  # noqa: PLC0415 - only now can it be found

    return run()


if __name__ == "__main__":
    sys.exit(main())
