"""`make bench`: every promise of speed and memory, measured on the Keras example.

`python benchmarks/run.py [--quick] [PYTHON]`. Compared sides run by turns, the table shows
medians, nothing is left out. PYTHON is a kernel's with what the example requires, bytecode
compiled. The table goes to standard output and to `.artifacts/benchmarks.md`.
"""

from __future__ import annotations

import argparse
import json
import os
import platform
import shutil
import subprocess
import sys
import tempfile
import time

import build_times
import capture_times
import example
import run_times
from table import Row, markdown

from jupyter_containerize.capture import assemble
from jupyter_containerize.capture import record as probe_record
from jupyter_containerize.model.options import CaptureOptions
from jupyter_containerize.model.snapshot import Snapshot
from jupyter_containerize.oci.store import Store

_PROBE_RATIO = 1.02


def measure(python: str, folder: str, *, rounds: int) -> list[Row]:
    """Return the rows of the whole table."""
    _say("running the example in a kernel")
    rows = []
    with example.live_kernel(python, folder) as connection:
        _say("capturing")
        rows += capture_times.rows(connection, folder, rounds=rounds)
    _say("the probe's cost")
    rows.append(_probe())
    snapshot = _snapshot(folder)
    plan = build_times.plan_of(snapshot)
    _say("cold builds and first runs")
    cold, image, store = build_times.cold_and_first_run(plan, folder, _first_run, rounds=rounds)
    rows += cold
    _say("later starts and imports")
    rows += run_times.rows(image, store, python, rounds=rounds)
    for number in range(1, rounds):
        shutil.rmtree(os.path.join(folder, f"store-{number}"))
    _say("changes")
    rows += build_times.changes(snapshot, folder, rounds=rounds)
    _say("memory")
    rows.append(build_times.memory(os.path.join(folder, "record.json"), folder))
    _say("compiling")
    rows.append(build_times.compiling(plan, image, folder))
    return rows


def _snapshot(folder: str) -> Snapshot:
    with open(os.path.join(folder, "record.json"), "rb") as file:
        record = probe_record.parse(file.read())
    store = Store.open(os.path.join(folder, "store-0"))
    return assemble.snapshot(record, notebook="", options=CaptureOptions(), store=store)


def _first_run(image: object, store: Store) -> None:
    run_times.once(image, store)


def _probe() -> Row:
    command = [sys.executable, os.path.join(os.path.dirname(__file__), "probe_overhead.py")]
    done = subprocess.run(command, stdout=subprocess.PIPE, check=True)
    ratios = json.loads(done.stdout)
    ratio = ratios["all of them"]
    parts = [f"{name} {value:.3f}" for name, value in ratios.items() if "microseconds" not in name]
    return Row(
        "pure-Python code with the probe",
        f"{100 * (ratio - 1):+.1f} %",
        "the same without: " + ", ".join(parts[:-1]),
        f"{ratio:.3f}",
        "≤ 2 %",
        ratio <= _PROBE_RATIO,
    )


def _say(what: str) -> None:
    print(f"# {time.strftime('%H:%M:%S')} load {os.getloadavg()[0]:.1f}: {what}", file=sys.stderr)


def main() -> int:
    """Measure, print and keep the table."""
    parser = argparse.ArgumentParser(description=__doc__)
    parser.add_argument("python", nargs="?", help="the kernel's (default: made for it)")
    parser.add_argument("--quick", action="store_true", help="one round of each instead of three")
    parser.add_argument(
        "--folder", help="where to work, with 16 GB free (default: the system's temporary one)"
    )
    args = parser.parse_args()
    # The shell's wishes for its own Python must not slow down anybody's imports here.
    os.environ.pop("PYTHONDONTWRITEBYTECODE", None)
    os.environ["TF_CPP_MIN_LOG_LEVEL"] = "3"
    python = args.python or example.python_of_environment()
    before, started = os.getloadavg()[0], time.monotonic()
    with tempfile.TemporaryDirectory(prefix="containerize-bench-", dir=args.folder) as folder:
        rows = measure(python, folder, rounds=1 if args.quick else 3)
    minutes = (time.monotonic() - started) / 60
    text = (
        f"{markdown(rows)}\n"
        f"`make bench` on {os.cpu_count()} cores, Linux {platform.release()}, Python "
        f"{platform.python_version()}; load average {before:.1f} before, "
        f"{os.getloadavg()[0]:.1f} after {minutes:.1f} minutes"
        f"{', one round' if args.quick else ', medians of three rounds by turns'}.\n"
    )
    artifacts = example.ROOT / ".artifacts"
    artifacts.mkdir(exist_ok=True)
    (artifacts / "benchmarks.md").write_text(text, encoding="utf-8")
    print(text, end="")
    return 0


if __name__ == "__main__":
    sys.exit(main())
