"""What a run waits for, as steps."""

from __future__ import annotations

import time

from ...model.event import Emit, StepFinished, StepStarted


class Waits:
    """One step at a time: each ends when another begins."""

    def __init__(self, emit: Emit) -> None:
        self._emit = emit
        self._open: tuple[str, float] | None = None

    def tell(self, text: str) -> None:
        """Begin to wait for something else, if it is something else."""
        if self._open is not None and self._open[0] == text:
            return
        self.close()
        self._emit(StepStarted("cluster", text))
        self._open = (text, time.monotonic())

    def close(self, *, ok: bool = True) -> None:
        """End the wait that goes on, if any."""
        if self._open is not None:
            _, since = self._open
            self._emit(StepFinished("cluster", round(time.monotonic() - since, 3), ok=ok))
            self._open = None
