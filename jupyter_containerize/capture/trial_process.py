"""Loads a saved object in a process of its own and tells what that took: run by the kernel's Python.

    python trial_process.py PACKAGE REQUEST ANSWER

Standard library only. It behaves as the guest will: the same folder, the same `sys.path`, the
same adapter. What it imports, opens, maps and calls meanwhile is what serving needs.
"""

from __future__ import annotations

import json
import os
import re
import sys
import time
import traceback
import types
from importlib.machinery import PathFinder
from importlib.metadata import DistributionFinder

_STARTED = time.monotonic()
GUEST, PROBE = "jupyter_containerize_guest", "_jupyter_containerize_probe"


class Hidden:
    """Stands in for Python's path finder and finds nothing of installed packages that are hidden.

    Many packages import what they could use if it happens to be there; without it they serve
    just as well. `keys` are the hidden distributions, `names` their top-level modules.
    """

    def __init__(self, names, keys):
        self.names = frozenset(names)
        self.keys = frozenset(keys)

    def find_spec(self, fullname, path=None, target=None):
        """Find a module as usual, unless it is a hidden one's from among installed packages."""
        found = PathFinder.find_spec(fullname, path, target)
        if found is None or fullname.partition(".")[0] not in self.names:
            return found
        places = [found.origin or "", *(found.submodule_search_locations or ())]
        return None if any("-packages" + os.sep in place for place in places) else found

    def find_distributions(self, context=None):
        """Find installed metadata as usual, unless a hidden one is asked for by its name."""
        context = context or DistributionFinder.Context()
        name = getattr(context, "name", None)
        if name is not None and re.sub(r"[-_.]+", "-", name).lower() in self.keys:
            return iter(())
        return PathFinder.find_distributions(context)

    def invalidate_caches(self):
        """Forget what was found."""
        PathFinder.invalidate_caches()


class Watch:
    """Notes files that are opened and programs that are started, by Python's audit hook."""

    def __init__(self):
        self.opens = []
        self.commands = []
        self.on = False
        self.known = set()
        sys.addaudithook(self.audit)

    def audit(self, event, arguments):
        """Take one event; never raises into what is watched."""
        if not self.on:
            return
        try:
            if event == "open":
                self.opened(arguments[0], arguments[2])
            elif event in ("subprocess.Popen", "os.posix_spawn", "os.exec"):
                self.called(arguments[0], arguments[1])
        except Exception:
            pass

    def opened(self, path, flags):
        """Note a file with what it is like before it is read or written."""
        if isinstance(path, int):
            return
        given = os.fsdecode(path)
        path = os.path.abspath(given)
        writes = bool((flags or 0) & (os.O_WRONLY | os.O_RDWR | os.O_CREAT))
        if (path, writes) in self.known:
            return
        self.known.add((path, writes))
        try:
            found = os.stat(path)
        except OSError:
            found = None
        self.opens.append(
            {
                "path": path,
                "given": given,
                "mode": "w" if writes else "r",
                "via": "audit",
                "seq": 1,
                "size": found.st_size if found else None,
                "mtime_ns": found.st_mtime_ns if found else None,
            }
        )

    def called(self, program, words):
        """Note a program as it was started."""
        argv = (
            [os.fsdecode(word) for word in words]
            if isinstance(words, (list, tuple))
            else [str(words)]
        )
        resolved = os.fsdecode(program) if program else ""
        self.commands.append(
            {"kind": "exec", "argv": argv, "resolved": resolved, "seq": 1, "text": "", "caller": ""}
        )


def main():
    """Do what the request asks, and write the answer."""
    package, request, answer = sys.argv[1:4]
    with open(request, encoding="utf-8") as file:
        asked = json.load(file)
    _packages(package)
    from _jupyter_containerize_probe import facts
    from jupyter_containerize_guest import adapters

    sys.path[:] = asked["sys_path"]
    os.chdir(asked["cwd"])
    sys.argv = [""]
    hidden = Hidden(asked["hidden_names"], asked["hidden_keys"])
    sys.meta_path[:] = [hidden if one is PathFinder else one for one in sys.meta_path]
    before = dict.fromkeys(list(sys.modules), 0)
    watch = Watch()
    watch.on = True
    found = _tried(adapters, asked)
    watch.on = False
    mapped = facts.maps()
    rows = [row for row in facts.modules(before) if not _is_ours(row, package)]
    for row in rows:
        row[4] = 0 if row[0] in before else 1
    found.update(
        modules=rows,
        opens=watch.opens,
        commands=watch.commands,
        maps=[path for path, executable in mapped if executable],
    )
    with open(answer, "w", encoding="utf-8") as file:
        json.dump(found, file)
    sys.stdout.flush()
    os._exit(0)  # threads and exit handlers of frameworks have nothing to tell any more


def _is_ours(row, package):
    """Tell whether a module is this script (also as multiprocessing calls it) or of the guest."""
    return row[0].split(".")[0] == GUEST or row[1].startswith(package + os.sep)


def _packages(folder):
    """Make the guest and the probe's facts importable, and nothing else of ours."""
    for name, place in ((GUEST, "guest"), (PROBE, os.path.join("capture", "probe"))):
        package = types.ModuleType(name)
        package.__path__ = [os.path.join(folder, place)]
        sys.modules[name] = package


def _tried(adapters, asked):
    """Load and ask; return the answers, how long it took, and what went wrong."""
    found = {"answers": [], "error": None, "load_seconds": 0.0}
    try:
        model, artifact = adapters.load(asked["folder"])
        if hasattr(model, "warm_up"):
            model.warm_up()
    except adapters.CannotServe as problem:
        found["error"] = problem.to_json()
        return found
    except BaseException as error:
        found["error"] = {
            "type": type(error).__name__,
            "text": str(error),
            "traceback": traceback.format_exc(),
            "missing": getattr(error, "name", "") if isinstance(error, ImportError) else "",
        }
        return found
    found["load_seconds"] = time.monotonic() - _STARTED
    found["load_cpu_seconds"] = time.process_time()
    found["answers"] = [adapters.answer(model, artifact, body) for body in asked["bodies"]]
    found["memory_bytes"] = _memory_bytes()
    found["calls_per_cpu_second"] = adapters.speed(model, artifact, asked["bodies"][:1])
    return found


def _memory_bytes():
    try:
        with open("/proc/self/status", encoding="ascii") as lines:
            return next(int(line.split()[1]) * 1024 for line in lines if line.startswith("VmRSS"))
    except (OSError, StopIteration):
        return 0


if __name__ == "__main__":
    main()
