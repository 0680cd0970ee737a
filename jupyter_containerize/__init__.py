"""Turn a live notebook kernel into a proven container image.

Importing this package is cheap: everything is imported where it is first used.
"""

from __future__ import annotations

from typing import Any

from ._version import __version__

__all__ = ["__version__", "load_ipython_extension", "unload_ipython_extension"]

_EXTENSION = "jupyter-containerize"


def load_ipython_extension(shell: Any) -> None:
    """Register `%containerize` with an IPython shell (the `%load_ext` hook)."""
    from .surfaces import magic, widget  # noqa: PLC0415 - keeps `import jupyter_containerize` light

    magic.load(shell, widget)


def unload_ipython_extension(shell: Any) -> None:
    """Undo `load_ipython_extension` (the `%unload_ext` hook)."""
    from .surfaces import magic  # noqa: PLC0415

    magic.unload(shell)


def _jupyter_server_extension_points() -> list[dict[str, str]]:
    """Tell Jupyter Server that this package is an extension."""
    return [{"module": __name__}]


def _load_jupyter_server_extension(server: Any) -> None:
    """Add `/containerize/api` to a Jupyter Server; one that is too old is told so in its log."""
    from .errors import ContainerizeError  # noqa: PLC0415 - as above
    from .surfaces.server import supported  # noqa: PLC0415

    try:
        supported.check(server.version)
    except ContainerizeError as error:
        server.log.warning("jupyter-containerize: %s", error)
        return
    from .surfaces.server import extension  # noqa: PLC0415 - an old server lacks what it imports

    extension.load(server)


def _jupyter_labextension_paths() -> list[dict[str, str]]:
    """Tell `jupyter labextension` where the side panel lies."""
    return [{"src": "labextension", "dest": _EXTENSION}]
