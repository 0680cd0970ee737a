"""What the supervisor gets to know about one run: pure data, JSON on its standard input.

It never touches the disk: the container's environment may hold secrets.
"""

from __future__ import annotations

from dataclasses import asdict, dataclass, field
from typing import Any

from ..model.run import Limits


@dataclass(frozen=True, slots=True)
class Confinement:
    """What PRoot runs behind: the arguments of `confinement.apply`."""

    internet: bool
    landlock: bool
    readable: tuple[str, ...] = ()
    writable: tuple[str, ...] = ()


@dataclass(frozen=True, slots=True)
class Published:
    """A listening socket of the caller, as a descriptor, and the container's port."""

    listener: int
    container: int


@dataclass(frozen=True, slots=True)
class Launch:
    """How to start a container, and what to watch.

    `program` is the isolating program's argument list; `arguments`, if not None, are handed
    to it as bubblewrap's `--args` instead, so that neither length nor `ps` matter.
    `folder` is where PRoot is started; `linked` are unpacked folders to be restored
    when it has ended. `layers` is how many lower layers each overlay must show, by mount point.
    """

    kind: str
    program: tuple[str, ...]
    command: tuple[str, ...]
    environment: dict[str, str]
    arguments: tuple[str, ...] | None = None
    layers: dict[str, int] = field(default_factory=dict)
    confinement: Confinement | None = None
    folder: str = "/"
    linked: tuple[str, ...] = ()
    own_network: bool = False
    stop_signal: int = 15
    limits: Limits = field(default_factory=Limits)
    lock: int = -1
    ports: tuple[Published, ...] = ()

    def to_json(self) -> dict[str, Any]:
        """Return plain JSON data."""
        return asdict(self)
