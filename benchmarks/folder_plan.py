"""Image plans made directly from a folder of installed packages, for measuring builders."""

from __future__ import annotations

import os
import stat
from collections.abc import Iterator

from jupyter_containerize.model.plan import (
    Base,
    BytecodeContent,
    Entry,
    FileContent,
    ImageConfig,
    ImageKind,
    ImagePlan,
    InlineContent,
    LayerKind,
    LayerPlan,
    LinkContent,
)
from jupyter_containerize.model.platform import Platform

PREFIX = "/opt/jupyter-containerize/env"
LARGE_BYTES = 50 << 20


def folder_plan(
    site: str, *, interpreter: str, only: tuple[str, ...] = (), cell: str = "print(1)\n"
) -> ImagePlan:
    """Plan an image of the packages in `site`: the large ones one layer each, a cells layer."""
    layers, rest = [], []
    for name in sorted(os.listdir(site)):
        if only and name.partition("-")[0].lower() not in only:
            continue
        entries = sorted(_entries(site, name), key=lambda entry: entry.target)
        layer = LayerPlan(LayerKind.DISTRIBUTION, name, tuple(entries))
        if layer.size_bytes > LARGE_BYTES:
            layers.append(layer)
        else:
            rest += entries
    rest.sort(key=lambda entry: entry.target)
    layers.append(LayerPlan(LayerKind.DISTRIBUTIONS, "other packages", tuple(rest)))
    cells = (Entry("/opt/jupyter-containerize/notebook.ipynb", InlineContent(cell)),)
    layers.append(LayerPlan(LayerKind.NOTEBOOK, "the notebook", cells))
    return ImagePlan(
        kind=ImageKind.TRAINING,
        name="bench:latest",
        platform=Platform("linux", "amd64"),
        base=Base(),
        layers=tuple(layers),
        config=ImageConfig(user="1000:0", working_dir="/", entrypoint=("python",)),
        snapshot_digest="sha256:" + "0" * 64,
        interpreter=interpreter,
        pyc_magic="",
    )


def _entries(site: str, name: str) -> Iterator[Entry]:
    top = os.path.join(site, name)
    if not os.path.isdir(top):
        yield from _entry(site, top)
        return
    for folder, _, files in os.walk(top):
        for file in files:
            yield from _entry(site, os.path.join(folder, file))


def _entry(site: str, path: str) -> Iterator[Entry]:
    if path.endswith(".pyc"):
        return
    target = PREFIX + path[len(site) :]
    status = os.lstat(path)
    if stat.S_ISLNK(status.st_mode):
        yield Entry(target, LinkContent(os.readlink(path)))
        return
    content = FileContent(path, status.st_size, status.st_mtime_ns)
    yield Entry(target, content, 0o755 if status.st_mode & 0o100 else 0o644)
    if path.endswith(".py"):
        yield from _bytecode(path, target, content)


def _bytecode(path: str, target: str, source: FileContent) -> Iterator[Entry]:
    folder, _, file = path.rpartition("/")
    cached = f"__pycache__/{file.removesuffix('.py')}.cpython-311.pyc"
    try:
        status = os.lstat(f"{folder}/{cached}")
    except FileNotFoundError:
        return
    pyc = FileContent(f"{folder}/{cached}", status.st_size, status.st_mtime_ns)
    content = BytecodeContent(source, filename=target, pyc=pyc)
    yield Entry(f"{target.rpartition('/')[0]}/{cached}", content)
