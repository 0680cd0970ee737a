"""Entry point of our own steps in a pod: `python pod.py STEP ...`.

`folders` fills the writable folders (an init container), `attend` runs the image's command
under a lock and a deadline, `collect` keeps the outputs until they are fetched; `list`,
`send`, `release` and `stop` are run in the collector by who fetches. `hold` is `attend` and `collect`
in one, where there is one container only; `ended` asks it whether the training has ended.
"""

from __future__ import annotations

import os
import sys
import types


def main() -> int:
    """Load the guest as a package (see `train`), then do the step; return the exit code."""
    package = types.ModuleType("jupyter_containerize_guest")
    package.__path__ = [os.path.dirname(os.path.abspath(__file__))]
    sys.modules[package.__name__] = package
    global __package__  # noqa: PLW0603 - makes the relative imports below mean that package
    __package__ = package.__name__
    step, *arguments = sys.argv[1:]
    if step == "folders":
        from .folders import fill  # noqa: PLC0415 - only now can it be found

        return fill(arguments)
    if step == "attend":
        from .attendance import attend  # noqa: PLC0415 - as above

        return attend(arguments)
    from . import keeping  # noqa: PLC0415 - as above

    return keeping.STEPS[step](arguments)


if __name__ == "__main__":
    sys.exit(main())
