"""Adapters: how the objects of one framework are saved in a kernel and loaded in a container.

Each is a module with

    knows(value) -> bool                       in the kernel; imports no framework to find out
    save(value, folder, *, example) -> dict    in the kernel; writes files, returns fields of artifact.json
    load(folder, artifact) -> model            in the container
    original(value, artifact) -> model         in the kernel; answers as the kernel does (optional)

where `model.predict(inputs)` takes and returns a dict of arrays by the signature's names.
Others join by the entry point group `jupyter_containerize.adapters`. Nothing here imports a
framework unless an object of it is there, and nothing of ours outside the guest.
"""

from __future__ import annotations

import importlib
import json
import os
from typing import Any

from .asking import answer, asked, complete, original, proofs, questions, saved, speed
from .conversion import CannotConvert, convert
from .problem import CannotServe

__all__ = [
    "ARTIFACT_FILE",
    "ENTRY_POINTS",
    "CannotConvert",
    "CannotServe",
    "answer",
    "asked",
    "complete",
    "convert",
    "find",
    "gather",
    "load",
    "load_saved",
    "named",
    "original",
    "proofs",
    "questions",
    "saved",
    "speed",
    "writer_of",
]

ARTIFACT_FILE = "artifact.json"
ENTRY_POINTS = "jupyter_containerize.adapters"
#: In the order in which they are asked; what takes any function comes last.
NAMES = (
    *("xgboost", "lightgbm", "sklearn", "keras", "tensorflow", "torch", "onnx"),
    "callable",
)


def find(value: Any) -> tuple[str, Any]:
    """Return name and module of the first adapter that knows `value`. Errors: `no-adapter`.

    Those that others installed come first: they know their objects better than we do.
    """
    others = _others()
    for name in (*others, *NAMES):
        adapter = named(name)
        if adapter.knows(value):
            return name, adapter
    kind = type(value)
    fix = "Wrap it in a function and serve that: def predict(x): return ... ; serve predict"
    if hasattr(value, "predict"):
        fix = "Serve its method, with an example: serve NAME.predict --example EXPRESSION"
    known = ", ".join([*NAMES[:-1], *others])
    raise CannotServe(
        "no-adapter",
        what=f"No adapter knows how to serve a {kind.__module__}.{kind.__qualname__}.",
        why=f"There are adapters for {known}, and for any function.",
        fix=fix,
    )


def named(name: str) -> Any:
    """Return the adapter's module: one of ours by its name, else `package.module`."""
    if name in NAMES:
        return importlib.import_module(f".{name}", __name__)
    return importlib.import_module(name)


def load(folder: str) -> tuple[Any, dict[str, Any]]:
    """Return the model that was saved in `folder`, and its artifact.json.

    What cells defined becomes `__main__`, where saved objects expect it.
    """
    with open(os.path.join(folder, ARTIFACT_FILE), encoding="utf-8") as file:
        artifact: dict[str, Any] = json.load(file)
    if artifact.get("definitions"):
        from . import definitions

        definitions.become_main(folder, artifact["definitions"])
    return load_saved(folder, artifact), artifact


def load_saved(folder: str, artifact: dict[str, Any]) -> Any:
    """Return the model of `artifact` in `folder`, once what cells defined is there."""
    return named(artifact["adapter"]).load(folder, artifact)


def writer_of(value: Any) -> tuple[str, Any] | None:
    """Return the adapter that writes `value` where a function uses it, None if there is none."""
    for name in (*_others(), *NAMES):
        adapter = named(name)
        if hasattr(adapter, "write") and adapter.knows(value):
            return name, adapter
    return None


def gather(roots: list[Any], folder: str, namespace: dict[str, Any]) -> Any:
    """Return what cells defined of `roots` with what that uses, not yet written; None for nothing."""
    from . import definitions

    return definitions.gather(roots, folder, namespace)


def _others() -> tuple[str, ...]:
    """Return the modules that installed distributions name as adapters."""
    try:
        from importlib.metadata import entry_points
    except ImportError:
        return ()
    every: Any = entry_points()
    found = (
        every.select(group=ENTRY_POINTS)
        if hasattr(every, "select")
        else every.get(ENTRY_POINTS, ())
    )
    return tuple(sorted({point.value.partition(":")[0] for point in found}))
