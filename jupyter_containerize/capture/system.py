"""What base `host` needs beside libraries: interpreter, standard library, certificates, ..."""

from __future__ import annotations

from collections.abc import Collection, Mapping

from ..model.snapshot import Interpreter, SystemFiles
from .packages import Owners


def find(
    interpreter: Interpreter,
    *,
    environment: Mapping[str, str],
    imported: Collection[str],
    packages: Owners,
    mapped: Collection[str] = (),
    cache: str | None = None,
) -> tuple[SystemFiles, ...]:
    """Return the groups of system files, in the order of `SystemGroup`, without empty ones.

    `environment` are the kernel's variables as far as recorded, `imported` names of modules
    that the cells import (`tkinter` goes in only then), `mapped` the record's `maps`,
    `cache` a folder for facts kept between captures.
    """
    del interpreter, environment, imported, packages, mapped, cache
    return ()
