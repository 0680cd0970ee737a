"""The builders and runtimes there are, by name."""

from __future__ import annotations

from ..builders.daemonless import DaemonlessBuilder
from ..errors import ContainerizeError
from ..runtimes.sandbox import SandboxRuntime


def builders() -> tuple[DaemonlessBuilder, ...]:
    """Return every builder, the default one first."""
    return (DaemonlessBuilder(),)


def runtimes() -> tuple[SandboxRuntime, ...]:
    """Return every runtime, the default one first."""
    return (SandboxRuntime(),)


def builder_named(name: str) -> DaemonlessBuilder:
    """Return a builder, "" for the default one. Errors: `unknown-builder`."""
    for builder in builders():
        if name in ("", builder.name):
            return builder
    raise _unknown("builder", name, [builder.name for builder in builders()])


def runtime_named(name: str) -> SandboxRuntime:
    """Return a runtime, "" for the default one. Errors: `unknown-runtime`."""
    for runtime in runtimes():
        if name in ("", runtime.name):
            return runtime
    raise _unknown("runtime", name, [runtime.name for runtime in runtimes()])


def _unknown(kind: str, name: str, known: list[str]) -> ContainerizeError:
    return ContainerizeError(
        f"unknown-{kind}",
        what=f"There is no {kind} {name!r}.",
        fix=f"Choose one of: {', '.join(known)}.",
    )
