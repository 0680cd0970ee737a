"""Shared libraries outside all distributions: what the files going in need, and what was mapped."""

from __future__ import annotations

from collections.abc import Iterable, Mapping

from ..model.files import FileEntry
from ..model.reasons import Finding
from ..model.snapshot import Interpreter, NativeLibrary
from .packages import Owners


def find(
    files: Iterable[tuple[FileEntry, str]],
    *,
    mapped: Iterable[str],
    interpreter: Interpreter,
    environment: Mapping[str, str],
    packages: Owners,
    cache: str | None = None,
) -> tuple[tuple[NativeLibrary, ...], tuple[Finding, ...]]:
    """Return the libraries to copy, and what to tell about those that are missing or stay behind.

    `files` is every file going into the image (of any kind: the few that may be ELF files are
    opened) with whom it belongs to as a reason names it: `numpy`, `the interpreter`, `git`.
    `mapped` are the paths that the kernel has mapped executable (the record's `maps`),
    `environment` the kernel's variables as far as they are recorded (`LD_LIBRARY_PATH`).
    `cache` is a folder for facts kept between captures. Errors: `musl-not-supported`.
    """
    del files, mapped, interpreter, environment, packages, cache
    return (), ()
