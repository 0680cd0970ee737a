"""`%containerize` as something to click: ipywidgets only, so every front end shows it.

`session` knows and does, `view` draws, `saved` is what stays in the notebook's file. ipywidgets
is imported when a widget is first shown; an environment without it loses nothing else.
"""

from __future__ import annotations

import importlib.util
import os
from typing import Any

from ..config import Containerize

_PLACE = "_containerize_widget"


def can_show(shell: Any) -> bool:
    """Tell whether the front end that asked can show a widget, as far as a kernel can know.

    There must be ipywidgets, and somebody to click: programs that execute notebooks forbid
    questions (`allow_stdin`), as Voila does, which shows widgets all the same.
    """
    kernel = getattr(shell, "kernel", None)
    if kernel is None or importlib.util.find_spec("ipywidgets") is None:
        return False
    if os.environ.get("SERVER_SOFTWARE", "").startswith("voila/"):
        return True
    request: dict[str, Any] = getattr(shell, "get_parent", dict)() or {}
    return bool(request.get("content", {}).get("allow_stdin"))


def show(shell: Any, settings: Containerize) -> None:
    """Show the widget under the current cell; what is in work goes on in it."""
    from .display import Shown  # noqa: PLC0415 - this imports ipywidgets

    shown = getattr(shell, _PLACE, None)
    if shown is None:
        shown = Shown(shell, settings)
        setattr(shell, _PLACE, shown)
    shown.display()


def forget(shell: Any) -> None:
    """Close the widget and stop what it does."""
    shown = getattr(shell, _PLACE, None)
    if shown is not None:
        setattr(shell, _PLACE, None)
        shown.close()
