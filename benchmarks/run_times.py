"""How long containers take beside the same statements on the host."""

from __future__ import annotations

import os
import subprocess
import time

from table import Row
from timing import by_turns

from jupyter_containerize.errors import ContainerizeError
from jupyter_containerize.model.image import Image
from jupyter_containerize.model.run import Isolation, RunSpec, RunState
from jupyter_containerize.oci.store import Store
from jupyter_containerize.runtimes.sandbox import SandboxRuntime

_IMPORT = """\
import os, sys, time
def written():
    return next(int(line.split()[1]) for line in open("/proc/self/io") if "write_bytes" in line)
before, started = written(), time.perf_counter()
import tensorflow
seconds = time.perf_counter() - started
specs = [getattr(module, "__dict__", {}).get("__spec__") for module in list(sys.modules.values())]
anew = [one.name for one in specs if one and one.cached and not os.path.exists(one.cached)]
print("imported", seconds, written() - before, len(anew))
"""
_LATER_S = 0.3
_IMPORT_RATIO = 1.1
_SANDBOX = SandboxRuntime()


def once(
    image: Image, store: Store, code: str = "pass", *, isolation: Isolation | None = None
) -> tuple[float, str]:
    """Run a statement with the image's interpreter; return the seconds and what it printed."""
    entrypoint = (image.config.entrypoint[0], "-c", code)
    spec = RunSpec(image.digest, entrypoint=entrypoint, isolation=isolation)
    started = time.perf_counter()
    run = _SANDBOX.wait(_SANDBOX.start(spec, store=store).id, store=store)
    seconds = time.perf_counter() - started
    log = "".join(_SANDBOX.logs(run.id, store=store))
    if run.state is not RunState.SUCCEEDED:
        raise RuntimeError(f"{run.state.value}: {run.reason} {log}")
    _removed(run.id, store)
    return seconds, log


def _removed(run_id: str, store: Store) -> None:
    """Forget the run once its supervisor has tidied up, which must not disturb the next one."""
    while True:
        try:
            _SANDBOX.remove(run_id, store=store)
        except ContainerizeError as error:  # noqa: PERF203 - it is retried
            if error.code != "run-is-running":
                raise
        else:
            return


def rows(image: Image, store: Store, python: str, *, rounds: int) -> list[Row]:
    """Measure later starts and TensorFlow's import, host and containers by turns."""
    isolations = {"bubblewrap": Isolation.BUBBLEWRAP}
    missing = next(
        (one for one in _SANDBOX.checks() if "proot" in one.what and not one.works), None
    )
    if missing is None:
        isolations["proot"] = Isolation.PROOT
    found = []
    for name, isolation in isolations.items():
        once(image, store, isolation=isolation)
        # PRoot needs seconds for each: it has a tree of its own to put together.
        starts = by_turns(
            1 if name == "proot" else 4 * rounds,
            host=lambda: _host(python, "pass")[0],
            run=lambda isolation=isolation: once(image, store, isolation=isolation)[0],
        )
        found.append(_later(name, starts["run"], starts["host"]))
    return [*found, *_imports(image, store, python, isolations, rounds=rounds)]


def _later(name: str, seconds: float, host_s: float) -> Row:
    promised = name == "bubblewrap"
    over = seconds - host_s
    return Row(
        f"later start of `python -c pass`, {name}",
        f"{seconds:.3f} s",
        f"host: {host_s:.3f} s",
        f"+ {over:.3f} s",
        f"≤ + {_LATER_S:g} s" if promised else "",
        over <= _LATER_S if promised else None,
    )


def _imports(
    image: Image, store: Store, python: str, isolations: dict[str, Isolation], *, rounds: int
) -> list[Row]:
    written: dict[str, int] = {}
    anew: dict[str, int] = {}

    def inside(name: str, log: str) -> float:
        line = next(line for line in log.splitlines() if line.startswith("imported"))
        seconds, count, modules = line.split()[1:]
        written[name] = max(written.get(name, 0), int(count))
        anew[name] = max(anew.get(name, 0), int(modules))
        return float(seconds)

    sides = {"host": lambda: inside("host", _host(python, _IMPORT)[1])}
    for name, isolation in isolations.items():
        sides[name] = lambda name=name, isolation=isolation: inside(
            name, once(image, store, _IMPORT, isolation=isolation)[1]
        )
    for name in ("host", "bubblewrap"):
        sides[name]()  # every file in memory before it counts
    traced = sides.pop("proot", None)
    times = by_turns(rounds, **sides)
    if traced is not None:  # many times slower: once tells enough
        times["proot"] = traced()
    found = []
    for name in isolations:
        promised = name == "bubblewrap"
        ratio = times[name] / times["host"]
        found.append(
            Row(
                f"`import tensorflow` in the container, {name}",
                f"{times[name]:.2f} s; {anew[name]} modules compiled, {written[name]:,} bytes written",
                f"host: {times['host']:.2f} s; {anew['host']} modules, {written['host']:,} bytes",
                f"{ratio:.2f}",
                f"≤ {_IMPORT_RATIO:g} x, none compiled" if promised else "",
                ratio <= _IMPORT_RATIO and anew[name] == 0 if promised else None,
            )
        )
    return found


def _host(python: str, code: str) -> tuple[float, str]:
    started = time.perf_counter()
    done = subprocess.run(
        [python, "-c", code], capture_output=True, text=True, check=True, env=dict(os.environ)
    )
    return time.perf_counter() - started, done.stdout
