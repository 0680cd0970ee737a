"""The parts of a probe record that the facts from disk are judged by."""

from __future__ import annotations

import os
from collections.abc import Iterable, Mapping
from dataclasses import dataclass
from typing import Any


@dataclass(frozen=True, slots=True)
class Module:
    """A module in the kernel: its file ("" for none), search path if a package, first execution.

    `seq` 0 is before the first watched execution.
    """

    name: str
    file: str
    search: tuple[str, ...]
    seq: int

    @property
    def top_level(self) -> str:
        """The first part of its name."""
        return self.name.partition(".")[0]


def modules_of(record: Mapping[str, Any]) -> dict[str, Module]:
    """Return the record's modules by name."""
    found = {}
    for name, file, origin, search, seq in record.get("modules", ()):
        path = file or (origin if str(origin).startswith("/") else "")
        found[name] = Module(name, path, tuple(search or ()), int(seq or 0))
    return found


@dataclass(frozen=True, slots=True)
class Open:
    """One opening of a file: `size` is None when the file did not exist before."""

    path: str
    given: str
    mode: str
    via: str
    seq: int
    size: int | None
    mtime_ns: int | None

    @property
    def reads(self) -> bool:
        """Whether what was in the file mattered: it existed and was not simply overwritten."""
        return "r" in self.mode and self.size is not None


def opens_of(record: Mapping[str, Any]) -> tuple[Open, ...]:
    """Return the record's openings in the order in which they happened."""
    return tuple(
        Open(
            path=one["path"],
            given=one.get("given") or "",
            mode=one.get("mode") or "r",
            via=one.get("via") or "",
            seq=int(one.get("seq") or 0),
            size=one.get("size"),
            mtime_ns=one.get("mtime_ns"),
        )
        for one in record.get("opens", ())
    )


def written_first(opens: Iterable[Open]) -> frozenset[str]:
    """Return the paths that were written before anything of them was read: no inputs."""
    read: set[str] = set()
    written: set[str] = set()
    for one in opens:
        path = os.path.normpath(one.path)
        if one.reads:
            read.add(path)
        elif "w" in one.mode and path not in read:
            written.add(path)
    return frozenset(written)
