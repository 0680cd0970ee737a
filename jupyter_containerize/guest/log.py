"""The container's log for people, and the trail in `cells.jsonl` for programs."""

from __future__ import annotations

import contextlib
import json
import os
import re
import time
from typing import Any

ANSI = re.compile(r"\x1b\[[0-9;?]*[ -/]*[@-~]")


class Log:
    """Writes to copies of standard output and error, made before the cells' streams replace them."""

    def __init__(self, trail: str) -> None:
        self._fds = {"stdout": os.dup(1), "stderr": os.dup(2)}
        self._color = os.isatty(1)
        self._fresh = True
        self._trail = trail

    def say(self, text: str) -> None:
        """Write one line of ours, on a line of its own."""
        self.pass_on("stdout", text + "\n" if self._fresh else "\n" + text + "\n")

    def pass_on(self, name: str, text: str) -> None:
        """Write what a cell wrote, at once; carriage returns and all."""
        if not self._color:
            text = ANSI.sub("", text)
        if not text:
            return
        self._fresh = text.endswith("\n")
        data = memoryview(text.encode(errors="replace"))
        with contextlib.suppress(OSError):  # nobody reads the log any more: the cells go on
            while data:
                data = data[os.write(self._fds[name], data) :]

    def show(self, data: dict[str, Any]) -> None:
        """Write a display as text; of a picture, that there is one."""
        images = [kind for kind in data if kind.startswith("image/")]
        text = data.get("text/plain") or f"<{', '.join(data)}>"
        self.say(f"<{images[0]}> {text}" if images else str(text))

    def trail(self, event: str, **facts: Any) -> None:
        """Append one JSON line: the event, when, and its facts."""
        line = json.dumps({"event": event, "at": round(time.time(), 3), **facts})
        with contextlib.suppress(OSError), open(self._trail, "a", encoding="utf-8") as file:
            file.write(line + "\n")
