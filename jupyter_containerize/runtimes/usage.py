"""What a living run of this machine uses, from `/proc`: whichever process asks may know."""

from __future__ import annotations

import os
from dataclasses import dataclass

from . import processes


@dataclass(frozen=True, slots=True)
class Usage:
    """At one instant: processor time since each process began, memory by proportional share."""

    cpu_s: float
    memory_bytes: int
    processes: int


def usage(run_folder: str) -> Usage | None:
    """Return what the run with this folder uses, None when it does not live here."""
    supervisor = _supervisor(run_folder)
    members = processes.tree(supervisor) if supervisor else []
    if not members:
        return None
    return Usage(
        sum(map(_cpu_s, members)), sum(map(processes.proportional_bytes, members)), len(members)
    )


def _supervisor(run_folder: str) -> int:
    """Return the process whose command line ends with the run's folder, 0 if there is none."""
    ending = b"\0" + os.fsencode(run_folder) + b"\0"
    for name in os.listdir("/proc"):
        if name.isdigit():
            try:
                with open(f"/proc/{name}/cmdline", "rb") as file:
                    if file.read().endswith(ending):
                        return int(name)
            except OSError:
                continue
    return 0


def _cpu_s(pid: int) -> float:
    """Return user and system time. Source: proc(5), `stat`, fields 14 and 15."""
    try:
        with open(f"/proc/{pid}/stat", "rb") as file:
            fields = file.read().rpartition(b") ")[2].split()
    except OSError:
        return 0.0
    return (int(fields[11]) + int(fields[12])) / os.sysconf("SC_CLK_TCK")
