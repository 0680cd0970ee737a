"""The hooks around each execution, and the record that they add up to."""

from __future__ import annotations

import os
import platform
import sys
import time
from datetime import datetime, timezone

from . import facts, literals
from .journal import Journal
from .opened import Descriptors, opened
from .outputs import Outputs, finished
from .watch import Watch
from .wrappers import Wrappers

RECORD_VERSION = 1
_CACHES = (
    ".keras",
    "scikit_learn_data",
    "nltk_data",
    "seaborn-data",
    "tensorflow_datasets",
    "statsmodels_data",
    "gensim-data",
    ".cache/huggingface",
    ".cache/torch",
    ".cache/seaborn",
    ".cache/kagglehub",
    ".cache/pooch",
    ".cache/scikit-image",
    ".cache/scipy-data",
)
_CACHE_VARIABLES = ("KERAS_HOME", "SCIKIT_LEARN_DATA", "HF_HOME", "TORCH_HOME", "NLTK_DATA")


class Recorder:
    """One kernel's probe. Nothing here may raise into the user's cells."""

    def __init__(self, shell, notebook, outputs):
        self.shell = shell
        self.journal = Journal()
        self.executions = []
        self.current = None
        self.first_seen = dict.fromkeys(list(sys.modules), 0)
        self.loaded_after = max(_next_count(shell) - 1, 0)
        self.initial_cwd = getattr(shell, "starting_dir", "") or _cwd()
        if "__vsc_ipynb_file__" in shell.user_ns:
            self.initial_cwd = _cwd()  # VS Code changes to the notebook's folder after the start
        self.session = {"notebook_path": notebook, "found_by": "caller"}
        if not notebook:
            self.session = facts.notebook(shell.user_ns, self.initial_cwd)
        self.parts = []
        self.watch = self.part("inotify", lambda: Watch(self.journal))
        if self.watch:
            self.part("inotify", self.start_watching)
        self.part("the wrapped functions", lambda: Wrappers(self.journal))
        kernel = getattr(shell, "kernel", None)
        self.outputs = None
        if outputs and kernel is not None:
            self.outputs = self.part("outputs", lambda: Outputs(kernel.session, self.journal))
        self.descriptors = Descriptors(self.journal)
        shell.events.register("pre_run_cell", self.before)
        shell.events.register("post_run_cell", self.after)

    def part(self, name, make):
        """Make one part; the others must work without it."""
        try:
            made = make()
        except Exception as error:
            self.journal.problem(
                "{} cannot be used: {}: {}".format(name, type(error).__name__, error)
            )
            return None
        if made is not None:
            self.parts.append(made)
        return made

    def restore(self):
        self.shell.events.unregister("pre_run_cell", self.before)
        self.shell.events.unregister("post_run_cell", self.after)
        for part in reversed(self.parts):
            part.restore()

    def start_watching(self):
        home = os.path.expanduser("~")
        notebook = self.session["notebook_path"]
        folder = os.path.dirname(notebook) if notebook else self.initial_cwd
        with self.watch.lock:
            if folder.count("/") > 1:
                self.watch.add(folder, deep=True)
            else:
                self.watch.add(folder, deep=False)
            named = [os.environ.get(name, "").split(os.pathsep)[0] for name in _CACHE_VARIABLES]
            for cache in [os.path.join(home, cache) for cache in _CACHES] + named:
                if os.path.isabs(cache):
                    self.watch.want(cache)
        self.watch.start()

    # -- around each execution ------------------------------------------------------------

    def before(self, info=None):
        try:
            if info is None or not info.store_history:
                return
            self.drain()
            self.begin(info)
            if self.watch:
                with self.watch.lock:
                    for given, folder, file, deep in literals.folders(
                        info.raw_cell, self.shell.user_ns, _cwd(), os.path.expanduser("~")
                    ):
                        self.watch.add(folder, deep=deep, limit=300)
                        path = file or folder
                        self.journal.given.setdefault(path, given)
                        if file:
                            self.watch.link(file)
        except Exception as error:
            self.journal.problem("before a cell: {}: {}".format(type(error).__name__, error))

    def begin(self, info):
        self.journal.seq += 1
        self.journal.running = True
        self.current = {
            "seq": self.journal.seq,
            "execution_count": None,
            "cell_id": getattr(info, "cell_id", None) or "",
            "source": info.raw_cell,
            "success": None,
            "error": "",
            "outputs": None,
            "started_at": _now(),
            "seconds": 0.0,
            "clock": time.monotonic(),
        }
        self.executions.append(self.current)
        request = getattr(self.shell, "get_parent", dict)() or {}
        request = request.get("header", request).get("msg_id")
        if self.outputs and request:
            self.outputs.expect(request, self.current)

    def after(self, result=None):
        try:
            info = getattr(result, "info", None)
            if info is None or not info.store_history:
                return
            if self.current is None:  # the cell that loaded us
                self.begin(info)
                self.current["outputs"] = None
            self.drain()
            self.journal.running = False
            self.descriptors.note(time.monotonic() - self.current["clock"])
            execution, self.current = self.current, None
            failure = result.error_before_exec or result.error_in_exec
            execution["seconds"] = round(time.monotonic() - execution.pop("clock"), 3)
            execution["execution_count"] = result.execution_count
            execution["success"] = failure is None
            execution["error"] = "" if failure is None else type(failure).__name__
            for name in list(sys.modules):
                self.first_seen.setdefault(name, self.journal.seq)
        except Exception as error:
            self.journal.problem("after a cell: {}: {}".format(type(error).__name__, error))

    def drain(self):
        if self.watch:
            self.watch.drain()

    # -- the record -----------------------------------------------------------------------

    def record(self):
        self.drain()
        self.journal.problems = list(self.journal.problems)
        mapped = facts.maps()
        rows = facts.modules(self.first_seen)
        watched = self.watch.rows() if self.watch else ()
        manager = getattr(self.shell, "history_manager", None)
        history = str(getattr(manager, "hist_file", ""))
        apart = {path for row in rows for path in row[1:3]} | {history, history + "-journal"}
        return {
            "version": RECORD_VERSION,
            "created_at": _now(),
            "host": platform.node(),
            "pid": os.getpid(),
            "boot_id": facts.boot_id(),
            "python": facts.interpreter(),
            "platform": {"system": platform.system(), "machine": platform.machine()},
            "cwd": _cwd(),
            "initial_cwd": self.initial_cwd,
            "session": self.session,
            "kernel": {
                "shell": type(self.shell).__name__,
                "extension_loaded_after": self.loaded_after,
                "name": getattr(getattr(self.shell, "kernel", None), "implementation", ""),
            },
            "modules": rows,
            "executions": [self.finished(execution) for execution in self.executions],
            "history": self.history(),
            "names": self.names(),
            "opens": opened(self.journal, watched, mapped, apart),
            "commands": list(self.journal.commands),
            "maps": [path for path, executable in mapped if executable],
            "env_read": [],
            "environ": facts.environ(),
            "static": False,
            "problems": self.journal.problems,
        }

    def finished(self, execution):
        hidden = ("clock", "clear", "size")
        kept = {key: value for key, value in execution.items() if key not in hidden}
        kept["outputs"] = finished(execution["outputs"])
        return kept

    def history(self):
        manager = getattr(self.shell, "history_manager", None)
        return [str(source) for source in getattr(manager, "input_hist_raw", [""])[1:]]

    def names(self):
        hidden = self.shell.user_ns_hidden
        return {
            name: type(value).__name__
            for name, value in list(self.shell.user_ns.items())
            if isinstance(name, str) and not name.startswith("_") and name not in hidden
        }


def _next_count(shell):
    """Return the number of the cell that runs, else of the one that will: newer IPythons count first."""
    running = getattr(shell.displayhook, "exec_result", None)
    if running is not None and running.info.store_history:
        return running.execution_count
    return shell.execution_count


def _cwd():
    try:
        return os.getcwd()
    except OSError:
        return "/"


def _now():
    return datetime.now(timezone.utc).isoformat()
