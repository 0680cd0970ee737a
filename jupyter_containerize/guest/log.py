"""The container's log for people, and the trail in `cells.jsonl` for programs."""

from __future__ import annotations

import contextlib
import json
import os
import re
import threading
import time
from typing import Any

ANSI = re.compile(r"\x1b\[[0-9;?]*[ -/]*[@-~]")
LONGEST_HELD = 4096


class Log:
    """Writes to copies of standard output and error, made before the cells' streams replace them."""

    def __init__(self, trail: str) -> None:
        self._fds = {"stdout": os.dup(1), "stderr": os.dup(2)}
        self._color = os.isatty(1)
        self._fresh = True
        self._held = ""
        self._held_name = "stdout"
        self._lock = threading.RLock()
        os.register_at_fork(after_in_child=self._renew_lock)  # another thread may have held it
        self._trail = trail

    def _renew_lock(self) -> None:
        self._lock = threading.RLock()

    def say(self, text: str) -> None:
        """Write one line of ours, on a line of its own."""
        with self._lock:
            self.flush()
            self.pass_on("stdout", text + "\n" if self._fresh else "\n" + text + "\n")

    def pass_on(self, name: str, text: str) -> None:
        """Write what a cell wrote, carriage returns and all; the start of a line waits for more."""
        with self._lock:
            if self._held and name != self._held_name:
                self.flush()
            if "\x1b" in text and not self._color:
                text = ANSI.sub("", text)
            self._held += text
            self._held_name = name
            if text.endswith("\n") or "\r" in text or len(self._held) > LONGEST_HELD:
                self.flush()

    def flush(self) -> None:
        """Write what waits."""
        with self._lock:
            text, self._held = self._held, ""
            self._fresh = text.endswith("\n") if text else self._fresh
            data = memoryview(text.encode(errors="replace"))
            with contextlib.suppress(OSError):  # nobody reads the log any more: the cells go on
                while data:
                    data = data[os.write(self._fds[self._held_name], data) :]

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
