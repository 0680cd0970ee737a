"""Turn a live notebook kernel into a proven container image.

Importing this package is cheap: everything is imported where it is first used.
"""

from __future__ import annotations

from typing import Any

from ._version import __version__

__all__ = ["__version__", "load_ipython_extension", "unload_ipython_extension"]


def load_ipython_extension(shell: Any) -> None:
    """Register `%containerize` with an IPython shell (the `%load_ext` hook)."""
    from .surfaces import magic, widget  # noqa: PLC0415 - keeps `import jupyter_containerize` light

    magic.load(shell, widget)


def unload_ipython_extension(shell: Any) -> None:
    """Undo `load_ipython_extension` (the `%unload_ext` hook)."""
    from .surfaces import magic  # noqa: PLC0415

    magic.unload(shell)
