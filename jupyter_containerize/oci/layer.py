"""`LayerPlan` to an uncompressed tar: parents once and explicit, times 0, order as planned."""

from __future__ import annotations

import base64
import os
from collections.abc import Iterator, Mapping, Sequence
from dataclasses import dataclass, field

from ..model.plan import (
    BinaryContent,
    BytecodeContent,
    Entry,
    FileContent,
    FolderContent,
    InlineContent,
    LayerPlan,
    LinkContent,
    RewrittenContent,
)
from . import tar
from .bytecode import Bytecode
from .pipeline import Outlet
from .sources import check_unchanged, file_changed, open_source, read_source, source_error

#: Goes into the cache key: to be raised whenever the same plan gives other bytes.
LAYER_FORMAT = 2
_FOLDER_MODE = 0o755


@dataclass(slots=True)
class LayerPacker:
    """Writes the entries of one layer to `outlet`.

    `uid` owns what is group-writable. `folders` are the explicit folders of the whole
    image: a layer that only passes through one must repeat its mode, for a later layer's
    header wins. `bytecode` gives the data of the bytecode entries in order.
    """

    outlet: Outlet
    uid: int
    folders: Mapping[str, Entry]
    bytecode: Iterator[Bytecode]
    compiled: int = 0
    left_out: list[str] = field(default_factory=list)
    _made: set[str] = field(default_factory=lambda: {"/", ""})

    def pack(self, entries: Sequence[Entry]) -> None:
        """Write all entries and the end of the archive. Errors: as `sources` and `bytecode`."""
        for entry in entries:
            self._entry(entry)
        self.outlet.write(tar.END)

    def _entry(self, entry: Entry) -> None:
        content = entry.content
        if isinstance(content, FileContent):
            self._file(entry, content)
        elif isinstance(content, BytecodeContent):
            self._bytecode(entry)
        elif isinstance(content, LinkContent):
            self._header(
                entry, kind=tar.LINK, mode=0o777, link=content.to.encode("utf-8", "surrogateescape")
            )
        elif isinstance(content, FolderContent):
            self._folder(entry.target, entry)
        elif isinstance(content, InlineContent):
            self._data(entry, content.data)
        elif isinstance(content, BinaryContent):
            self._data(entry, base64.b64decode(content.base64))
        else:
            self._data(entry, _rewritten(content))

    def _bytecode(self, entry: Entry) -> None:
        made = next(self.bytecode)
        self.compiled += made.compiled
        if made.data is None:
            self.left_out.append(entry.target)
        else:
            self._data(entry, made.data)

    def _data(self, entry: Entry, data: bytes) -> None:
        self._header(entry, kind=tar.FILE, size_bytes=len(data))
        self.outlet.write(data)
        self.outlet.write(tar.padding(len(data)))

    def _file(self, entry: Entry, content: FileContent) -> None:
        descriptor = open_source(content)
        try:
            self._header(entry, kind=tar.FILE, size_bytes=content.size_bytes)
            left = content.size_bytes
            while left:
                space = self.outlet.space()
                count = os.readv(descriptor, [space[:left]])
                if count == 0:
                    raise file_changed(content.path)
                self.outlet.filled(count)
                left -= count
            check_unchanged(content, descriptor)
        except OSError as error:
            raise source_error(content.path, error) from error
        finally:
            os.close(descriptor)
        self.outlet.write(tar.padding(content.size_bytes))

    def _folder(self, target: str, entry: Entry | None) -> None:
        """Write a folder, its parents first; each at most once."""
        if target in self._made:
            return
        self._parents(target)
        self._made.add(target)
        mode, uid = _FOLDER_MODE, 0
        if entry is not None:
            mode, uid = self._rights(entry, entry.mode)
        self.outlet.write(tar.header(_name(target) + b"/", kind=tar.FOLDER, mode=mode, uid=uid))

    def _parents(self, target: str) -> None:
        parent = target.rpartition("/")[0]
        if parent not in self._made:
            self._folder(parent, self.folders.get(parent))

    def _header(
        self,
        entry: Entry,
        *,
        kind: bytes,
        mode: int | None = None,
        size_bytes: int = 0,
        link: bytes = b"",
    ) -> None:
        self._parents(entry.target)
        mode, uid = self._rights(entry, entry.mode if mode is None else mode)
        name = _name(entry.target)
        self.outlet.write(
            tar.header(name, kind=kind, mode=mode, uid=uid, size_bytes=size_bytes, link=link)
        )

    def _rights(self, entry: Entry, mode: int) -> tuple[int, int]:
        if not entry.group_writable:
            return mode, 0
        return mode | (mode & 0o700) >> 3, self.uid


def explicit_folders(layers: Sequence[LayerPlan]) -> dict[str, Entry]:
    """Return every folder that some layer asks for, by target; later layers win."""
    return {
        entry.target: entry
        for layer in layers
        for entry in layer.entries
        if isinstance(entry.content, FolderContent)
    }


def _rewritten(content: RewrittenContent) -> bytes:
    data = read_source(content.source)
    line, line_end, rest = data.partition(b"\n")
    if not line.startswith(b"#!") or b"python" not in line:
        return data
    return content.first_line.encode("utf-8", "surrogateescape") + line_end + rest


def _name(target: str) -> bytes:
    return target[1:].encode("utf-8", "surrogateescape")
