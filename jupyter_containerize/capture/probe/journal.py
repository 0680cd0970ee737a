"""What was opened and called, in order."""

from __future__ import annotations

import itertools
import os
import shutil
import stat
import sys
import threading

MAX_OPENS = 50_000
_MAX_PROBLEMS = 100
_MAX_TEXT = 20_000
_NOT_DATA = ("/proc/", "/sys/", "/dev/")
#: How the names of our own threads begin: what they do is none of the cells' doing.
_OURS = "containerize-"


class Journal:
    """What was opened and called. Appending is atomic, so there is no lock."""

    def __init__(self):
        self.seq = 0
        self.running = False
        self.ticks = itertools.count()
        self.opens = {}
        self.commands = []
        self.problems = []
        self.given = {}

    def problem(self, text):
        if text not in self.problems and len(self.problems) < _MAX_PROBLEMS:
            self.problems.append(text)

    def before_open(self, file, kind):
        """Note the file's size and time before the call; None when there is nothing to tell."""
        try:
            if isinstance(file, int) or _in_our_thread():
                return None
            given = os.fsdecode(file)
            path = os.path.abspath(given)
            key = (path, kind, self.seq)
            if key in self.opens or path.startswith(_NOT_DATA):
                return None
            if len(self.opens) >= MAX_OPENS:
                self.problem(
                    "more than {} files were opened; later ones are not recorded".format(MAX_OPENS)
                )
                return None
            return next(self.ticks), key, given, facts_of(path)
        except Exception:
            return None

    def opened(self, before, via):
        tick, (path, kind, seq), given, facts = before
        if facts is not None and (stat.S_ISDIR(facts.st_mode) or stat.S_ISCHR(facts.st_mode)):
            return
        mode = "w" if kind == "w" or (kind == "rw" and facts is None) else kind
        self.opens[(path, kind, seq)] = (tick, path, given, mode, via, seq, facts)

    def called(self, args, shell, via, cwd=None, env=None):
        try:
            if _in_our_thread():
                return
            text, argv, resolved = "", [], ""
            if shell:
                text = os.fsdecode(args if isinstance(args, (str, bytes)) else args[0])
            else:
                words = (
                    [args]
                    if isinstance(args, (str, bytes)) or hasattr(args, "__fspath__")
                    else args
                )
                argv = [os.fsdecode(word) for word in words]
                if "/" in argv[0]:
                    resolved = os.path.abspath(os.path.join(os.fspath(cwd or ""), argv[0]))
                else:
                    resolved = shutil.which(argv[0], path=(env or os.environ).get("PATH")) or ""
            frame = sys._getframe(2)  # noqa: SLF001 - the only way to know who calls
            while frame and str(frame.f_globals.get("__name__")).startswith(
                ("subprocess", "asyncio.")
            ):
                frame = frame.f_back
            self.commands.append(
                {
                    "kind": "shell" if shell else "argv",
                    "argv": argv,
                    "text": text[:_MAX_TEXT],
                    "via": via,
                    "seq": self.seq,
                    "resolved": resolved,
                    "caller": str(frame.f_globals.get("__name__", "")) if frame else "",
                }
            )
        except Exception as error:
            self.problem("a command could not be recorded: {}".format(type(error).__name__))


def _in_our_thread():
    return threading.current_thread().name.startswith(_OURS)


def facts_of(path):
    """Return the path's `os.stat`, None if there is nothing."""
    try:
        return os.stat(path)
    except (OSError, ValueError):
        return None


def kind_of_mode(mode):
    """Return what `open(..., mode)` does with a file: "r", "w" or "rw"."""
    if "w" in mode or "x" in mode:
        return "w"
    return "rw" if "a" in mode or "+" in mode else "r"
