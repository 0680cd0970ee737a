"""The builders and runtimes there are, by name; each is imported when it is first asked for.

A further one joins by a function that makes it and a line in the table. Its clients (an SDK,
say) are imported when it first needs them, and only there: looking for a run asks every runtime.
"""

from __future__ import annotations

from collections.abc import Callable, Iterable

from ..builders.protocol import Builder
from ..errors import ContainerizeError
from ..runtimes.protocol import Runtime


def _daemonless() -> Builder:
    from ..builders.daemonless import DaemonlessBuilder  # noqa: PLC0415 - see above

    return DaemonlessBuilder()


def _docker_builder() -> Builder:
    from ..builders.docker import DockerBuilder  # noqa: PLC0415 - see above

    return DockerBuilder()


def _sandbox() -> Runtime:
    from ..runtimes.sandbox import SandboxRuntime  # noqa: PLC0415 - see above

    return SandboxRuntime()


def _docker() -> Runtime:
    from ..runtimes.docker import DockerRuntime  # noqa: PLC0415 - see above

    return DockerRuntime()


def _kubernetes() -> Runtime:
    from ..runtimes.kubernetes.runtime import KubernetesRuntime  # noqa: PLC0415 - see above

    return KubernetesRuntime()


#: Name to maker, the default one first.
_BUILDERS: dict[str, Callable[[], Builder]] = {"daemonless": _daemonless, "docker": _docker_builder}
#: Likewise; a run is looked for in this order, so those that answer from the store come first.
_RUNTIMES: dict[str, Callable[[], Runtime]] = {
    "sandbox": _sandbox,
    "docker": _docker,
    "kubernetes": _kubernetes,
}


def builders() -> tuple[Builder, ...]:
    """Return every builder, the default one first."""
    return tuple(make() for make in _BUILDERS.values())


def runtimes() -> tuple[Runtime, ...]:
    """Return every runtime, the default one first."""
    return tuple(make() for make in _RUNTIMES.values())


def builder_named(name: str) -> Builder:
    """Return a builder, "" for the default one. Errors: `unknown-builder`."""
    make = _BUILDERS.get(name or next(iter(_BUILDERS)))
    if make is None:
        raise _unknown("builder", name, _BUILDERS)
    return make()


def runtime_named(name: str) -> Runtime:
    """Return a runtime, "" for the default one. Errors: `unknown-runtime`."""
    make = _RUNTIMES.get(name or next(iter(_RUNTIMES)))
    if make is None:
        raise _unknown("runtime", name, _RUNTIMES)
    return make()


def _unknown(kind: str, name: str, known: Iterable[str]) -> ContainerizeError:
    return ContainerizeError(
        f"unknown-{kind}",
        what=f"There is no {kind} {name!r}.",
        fix=f"Choose one of: {', '.join(known)}.",
    )
