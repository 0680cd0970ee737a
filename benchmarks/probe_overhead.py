"""What the probe costs inside a kernel: the same code with and without it, in turns, in one run.

`python benchmarks/probe_overhead.py` prints the ratios; `make bench` includes them.
"""

from __future__ import annotations

import json
import statistics
import sys
import tempfile
import time
from pathlib import Path

from IPython.core.interactiveshell import InteractiveShell

from jupyter_containerize.capture import probe

ROUNDS = 40
#: Pure Python that a process-wide audit hook slows most (`deepcopy` x2.3, `id` x9).
WORK = {
    "deepcopy": "for _ in range(30): copy.deepcopy(nested)",
    "id and calls": "for _ in range(20_000): id(nested), call(1), len(nested)",
    "exec and compile": "for _ in range(800): exec(compile('a = 1', '', 'exec'), {})",
    "import statements": "for _ in range(16_000):\n    import json, os.path",
    "text": "_ = sum(len(str(n).split('1')) for n in range(30_000))",
}
SETUP = """
import copy, time
nested = {n: [str(n), (n, {n: n})] for n in range(150)}
def call(x): return x
"""
OPENS = "for _ in range(500): open(small).close()"


def measure() -> dict[str, float]:
    """Return ratios (with the probe over without) and two costs in microseconds."""
    shell = InteractiveShell.instance()
    shell.run_cell(SETUP)
    with tempfile.TemporaryDirectory() as folder:
        small = Path(folder, "small.txt")
        small.touch()
        shell.user_ns["small"] = str(small)
        times = _in_turns(shell, {**WORK, "opens": OPENS, "an empty cell": "pass"})
    found = {name: _ratio(*times[name]) for name in WORK}
    found["all of them"] = statistics.geometric_mean(found.values())
    for name, number in (("opens", 500), ("an empty cell", 1)):
        without, with_probe = (statistics.median(part) for part in times[name])
        found[f"{name}: microseconds more each"] = (with_probe - without) / number * 1e6
    return found


def _in_turns(shell: InteractiveShell, work: dict[str, str]) -> dict[str, tuple[list[float], ...]]:
    """Time each piece without and with the probe, alternating, so that a noisy machine is fair."""
    times: dict[str, tuple[list[float], ...]] = {name: ([], []) for name in work}
    for turn in range(2 * ROUNDS):
        place = turn % 2
        if place:
            probe.install(shell)
        for name, source in work.items():
            cell = f"started = time.thread_time()\n{source}\nspent = time.thread_time() - started"
            started = time.thread_time()
            shell.run_cell(cell, store_history=True).raise_error()
            whole = time.thread_time() - started
            inside = shell.user_ns["spent"]
            times[name][place].append(inside if name in WORK else whole)
        probe.uninstall(shell)
    return times


def _ratio(without: list[float], with_probe: list[float]) -> float:
    """The fastest round is the one that was disturbed least."""
    return min(with_probe) / min(without)


if __name__ == "__main__":
    json.dump({name: round(value, 3) for name, value in measure().items()}, sys.stdout, indent=2)
    print()
