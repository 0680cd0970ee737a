"""`python -m jupyter_containerize` is `jupyter containerize`."""

from __future__ import annotations

import sys

_INTERRUPTED = 130


def main() -> int:
    """Run the command line; Ctrl-C ends it without a traceback while it is still loading too."""
    try:
        from .surfaces.cli import main as command  # noqa: PLC0415 - see above

        return command()
    except KeyboardInterrupt:
        return _INTERRUPTED


if __name__ == "__main__":
    sys.exit(main())
