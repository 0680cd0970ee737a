"""The modules that a fresh kernel brings by itself: what cells did not import."""

from __future__ import annotations

import contextlib
import glob
import hashlib
import json
import os
import tempfile
from collections.abc import Iterator, Mapping
from typing import Any

from jupyter_core.paths import jupyter_path

from ..errors import ContainerizeError
from .kernel_name import asked_for

_FORMAT = 2
#: What decides which modules start with a kernel, beside its own command line.
_START_UP_VARIABLES = ("PYTHONPATH", "PYTHONHOME", "PYTHONOPTIMIZE")


def modules(
    record: Mapping[str, Any], *, metadata: Mapping[str, Any], cache: str, kernel: str = ""
) -> frozenset[str]:
    """Return the names of the modules that a fresh kernel like the one of `record` has loaded.

    `metadata` is the notebook's, `kernel` as in `CaptureOptions`, `cache` a folder of ours: the
    first time costs the start of a kernel, unless `record` itself began with a fresh one.
    Where no such kernel can be started the answer is empty: then everything that is loaded
    counts as the cells', which makes an image larger, not wrong.
    """
    path = os.path.join(cache, f"baseline-{_key(record, metadata, kernel)}.json")
    known = _read(path)
    if known is None:
        try:
            first = record if _was_fresh(record) else _fresh(record, metadata, kernel)
        except ContainerizeError:
            return frozenset()
        known = frozenset(row[0] for row in first["modules"] if not row[4])
        _write(path, known)
    return known


def _fresh(record: Mapping[str, Any], metadata: Mapping[str, Any], kernel: str) -> dict[str, Any]:
    """Return the record of a fresh kernel like that of `record`, started for it."""
    from .kernel import fresh  # noqa: PLC0415 - only a first capture starts a kernel

    return fresh(metadata, kernel=_like(record, metadata, kernel))


def _was_fresh(record: Mapping[str, Any]) -> bool:
    """Tell whether the probe was the first thing in the kernel, as when we started it."""
    told_by_us: bool = record["session"]["found_by"] == "caller"
    return told_by_us and record["kernel"]["extension_loaded_after"] == 0


def _like(record: Mapping[str, Any], metadata: Mapping[str, Any], kernel: str) -> str:
    """Return the kernelspec that starts the record's interpreter, else that interpreter."""
    from . import kernelspec  # noqa: PLC0415 - imports jupyter_client, for 0.15 s

    executable: str = record["python"]["executable"]
    with contextlib.suppress(ContainerizeError):
        spec = kernelspec.manager(metadata, kernel=kernel).kernel_spec
        if spec is not None and os.path.abspath(spec.argv[0]) == os.path.abspath(executable):
            return kernel
    return executable


def _key(record: Mapping[str, Any], metadata: Mapping[str, Any], kernel: str) -> str:
    """Return a name that changes when a kernel of this kind may start with other modules."""
    python, variables = record["python"], record["environ"]["values"]
    facts = [
        _FORMAT,
        record["version"],
        python["version"],
        kernel,
        [[path, *_facts(path)] for path in _kernelspec_files(kernel or asked_for(metadata))],
        [variables.get(name) for name in _START_UP_VARIABLES],
        [[path, *_facts(path)] for path in _start_up_files(python)],
    ]
    return hashlib.sha256(json.dumps(facts, default=str).encode()).hexdigest()[:32]


def _kernelspec_files(name: str) -> list[str]:
    """Return where a kernelspec of this name may be: whichever is there decides."""
    return [os.path.join(folder, name, "kernel.json") for folder in jupyter_path("kernels")]


def _start_up_files(python: Mapping[str, Any]) -> Iterator[str]:
    yield python["executable"]
    yield python["real_executable"]
    for folder in python["site_packages"]:
        for pattern in ("*.pth", "ipykernel-*", "ipython-*"):
            yield from sorted(glob.glob(os.path.join(glob.escape(folder), pattern)))
    for folder in python["sys_path"]:
        for name in ("sitecustomize.py", "usercustomize.py"):
            if folder:
                yield os.path.join(folder, name)
    profile = os.path.join(python["home"], ".ipython", "profile_default")
    yield from sorted(glob.glob(os.path.join(glob.escape(profile), "startup", "*")))
    for name in ("ipython_config.py", "ipython_kernel_config.py"):
        yield os.path.join(profile, name)


def _facts(path: str) -> tuple[int, int]:
    try:
        found = os.stat(path)
    except OSError:
        return (0, 0)
    return (found.st_size, found.st_mtime_ns)


def _read(path: str) -> frozenset[str] | None:
    try:
        with open(path, encoding="utf-8") as file:
            names = json.load(file)
    except (OSError, ValueError):
        return None
    return frozenset(names) if isinstance(names, list) else None


def _write(path: str, names: frozenset[str]) -> None:
    """Keep the answer; a cache that cannot be written only costs time."""
    with contextlib.suppress(OSError):
        os.makedirs(os.path.dirname(path), exist_ok=True)
        handle, half = tempfile.mkstemp(dir=os.path.dirname(path))
        with open(handle, "w", encoding="utf-8") as file:
            json.dump(sorted(names), file)
        os.replace(half, path)
