"""What a container writes, as lines, while it runs and when it has ended."""

from __future__ import annotations

import codecs
import os
import time
from collections.abc import Callable, Iterator

from ...engine.client import Engine
from ...errors import ContainerizeError
from .. import run_folder

_LINE = 65536
_POLL_S = 0.02


class Lines:
    """Bytes in, lines with their ends out; what is not UTF-8 is shown all the same."""

    def __init__(self) -> None:
        self._decoder = codecs.getincrementaldecoder("utf-8")("replace")
        self._rest = ""
        self.taken_bytes = 0

    def feed(self, data: bytes, *, final: bool = False) -> Iterator[str]:
        """Yield the lines that are whole now; with `final`, the rest too."""
        self.taken_bytes += len(data)
        *lines, self._rest = (self._rest + self._decoder.decode(data, final)).split("\n")
        for line in lines:
            yield from _pieces(f"{line}\n")
        while len(self._rest) >= _LINE:
            yield self._rest[:_LINE]
            self._rest = self._rest[_LINE:]
        if final and self._rest:
            yield self._rest
            self._rest = ""


def _pieces(line: str) -> Iterator[str]:
    for start in range(0, len(line), _LINE):
        yield line[start : start + _LINE]


def follow(
    folder: str, container: str, engine: Engine, *, ended: Callable[[], bool], to_end: bool
) -> Iterator[str]:
    """Yield the run's lines from the engine; with `to_end` until it has `ended`.

    Once it has, its container goes; whatever did not arrive until then is in the log file.
    """
    lines = Lines()
    try:
        for chunk in engine.logs(container, follow=to_end):
            yield from lines.feed(chunk)
    except ContainerizeError as error:
        # The container has just gone, and with it the engine's copy.
        if error.code != "engine-refused" or not ended():
            raise
    if not to_end:
        yield from lines.feed(b"", final=True)
        return
    while not ended():
        time.sleep(_POLL_S)
    with open(os.path.join(folder, run_folder.LOG), "rb") as file:
        file.seek(lines.taken_bytes)
        while data := file.read(1 << 20):
            yield from lines.feed(data)
    yield from lines.feed(b"", final=True)
