"""`doctor`: what works on this machine, which part suits, and what to do about the rest."""

from __future__ import annotations

import os
import platform
import sys
from collections.abc import Callable
from typing import Any

from ..errors import ContainerizeError
from ..model.check import Check
from ..model.codec import to_json
from ..model.event import Emit
from ..model.request import DoctorRequest
from .records import open_store


def doctor(request: DoctorRequest, *, emit: Emit) -> dict[str, Any]:
    """Return what works here. Never fails because something does not work."""
    del emit
    builders = _checks(lambda: _of("builders"))
    runtimes = _checks(lambda: _of("runtimes"))
    return {
        "machine": {
            "system": platform.system(),
            "release": platform.release(),
            "machine": platform.machine(),
            "python": platform.python_version(),
            "executable": sys.executable,
        },
        "platform": [to_json(item) for item in _platform()],
        "builders": [to_json(item) for item in builders],
        "runtimes": [to_json(item) for item in runtimes],
        "store": [to_json(item) for item in _checks(lambda: (_store(request.store),))],
        "notebook": [to_json(item) for item in _notebook(request.notebook)],
        "suits": {
            "builder": _first(builders),
            "runtime": _first(runtimes),
        },
    }


def _first(checks: tuple[Check, ...]) -> str:
    """Return the part that `--builder` or `--runtime` names: `sandbox` of `sandbox/proot`."""
    return next((check.name.partition("/")[0] for check in checks if check.works), "")


def _of(kind: str) -> tuple[Check, ...]:
    from . import choices  # noqa: PLC0415 - doctor must speak where the parts cannot be imported

    parts = choices.builders() if kind == "builders" else choices.runtimes()
    return tuple(check for part in parts for check in _checks(part.checks))


def _checks(look: Callable[[], tuple[Check, ...]]) -> tuple[Check, ...]:
    """Return the checks; where looking itself fails, that is the finding."""
    try:
        return look()
    except ContainerizeError as error:
        return (Check(error.code, works=False, what=error.what, why=error.why, fix=error.fix),)
    except Exception as error:  # noqa: BLE001 - a doctor that dies of the illness helps nobody
        why = f"{type(error).__name__}: {error}"
        return (Check("unknown", works=False, what="Looking at it failed.", why=why),)


def _platform() -> tuple[Check, ...]:
    system = platform.system()
    if system == "Linux":
        return (Check("linux", works=True, what="Building and running work on Linux."),)
    return (
        Check(
            system.lower(),
            works=False,
            what=f"On {system} images of base `host` can neither be built nor run.",
            why="Such an image is made of this machine's own files, and they are not Linux's.",
            fix=(
                "Use jupyter containerize on Linux (a JupyterHub, Binder, WSL 2 or a virtual "
                "machine). `ls`, `inspect`, `diff` and `validate` work here."
            ),
        ),
    )


def _store(path: str) -> Check:
    store = open_store(path)
    free = os.statvfs(store.root)
    if not os.access(store.root, os.W_OK):
        return Check(
            "store",
            works=False,
            what=f"The store {store.root} is read-only for you.",
            fix="Choose another with --store or JUPYTER_CONTAINERIZE_STORE.",
        )
    gigabytes = free.f_bavail * free.f_frsize / 1e9
    return Check("store", works=True, what=f"{store.root}, {gigabytes:.1f} GB free.")


def _notebook(path: str) -> tuple[Check, ...]:
    if not path:
        return ()
    return _checks(lambda: (_kernel(path),))


def _kernel(path: str) -> Check:
    from jupyter_client.kernelspec import (  # noqa: PLC0415 - as above
        KernelSpecManager,
        NoSuchKernel,
    )

    from ..capture import notebook  # noqa: PLC0415 - as above

    name = notebook.read(path).document["metadata"].get("kernelspec", {}).get("name", "python3")
    try:
        spec = KernelSpecManager().get_kernel_spec(name)
    except NoSuchKernel:
        return Check(
            "kernel",
            works=False,
            what=f"There is no kernel {name!r} here, which this notebook asks for.",
            fix="Install it (`jupyter kernelspec list` shows what is there), or give --kernel NAME.",
        )
    return Check("kernel", works=True, what=f"{name}: {spec.argv[0]}")
