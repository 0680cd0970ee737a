"""One shell's widget: its session with the kernel, and where it is displayed."""

from __future__ import annotations

from collections.abc import Sequence
from typing import Any

from ...model.request import Request
from ..arguments import parser
from ..config import Containerize
from ..requests import request_of
from .kernel import LiveKernel
from .saved import Saved
from .session import Session
from .view import View


class Shown:
    """The session of a shell, and the view on it that was displayed last."""

    def __init__(self, shell: Any, settings: Containerize) -> None:
        self.shell = shell
        self.settings = settings
        self.session = Session(ask=self._ask, kernel=LiveKernel(shell))
        self.view: View | None = None

    def display(self) -> None:
        """Display a view under the current cell in place of the last one, and look anew."""
        if self.view is not None:
            self.view.close()
        saved = Saved(self.session)
        self.view = View(self.session, saved)
        self.view.display()
        self.session.look()

    def close(self) -> None:
        """Stop what is in work, and take the view away."""
        self.session.close()
        if self.view is not None:
            self.view.close()

    def _ask(self, words: Sequence[str]) -> Request:
        return request_of(parser(magic=True).parse(words), self.settings)
