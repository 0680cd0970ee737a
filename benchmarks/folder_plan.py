"""Image plans straight from installed distributions, to measure builders without capture."""

from __future__ import annotations

import os
import re
import stat
from collections.abc import Iterator
from importlib import metadata

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


def distributions_of(site: str, *roots: str) -> list[metadata.Distribution]:
    """The distributions `roots` in `site` and what they require there, without extras."""
    known = {_normal(one.metadata["Name"]): one for one in metadata.distributions(path=[site])}
    found: dict[str, metadata.Distribution] = {}
    pending = list(roots)
    while pending:
        name = _normal(pending.pop())
        if name in known and name not in found:
            found[name] = known[name]
            required = [line for line in known[name].requires or () if "extra ==" not in line]
            pending += [re.split(r"[^A-Za-z0-9._-]", line)[0] for line in required]
    return [found[name] for name in sorted(found)]


def _normal(name: str) -> str:
    return re.sub(r"[-_.]+", "-", name).lower()


def plan_of(
    distributions: list[metadata.Distribution],
    *,
    interpreter: str,
    cell: str = "print(1)\n",
    bytecode: bool = True,
) -> ImagePlan:
    """Plan an image: large distributions one layer each, the rest in one, then a notebook.

    Without `bytecode` the existing `.pyc` files are not used, so that all are compiled.
    """
    layers, rest = [], []
    for one in distributions:
        entries = sorted(_entries(one, bytecode=bytecode), key=lambda entry: entry.target)
        layer = LayerPlan(LayerKind.DISTRIBUTION, one.metadata["Name"], tuple(entries))
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


def _entries(distribution: metadata.Distribution, *, bytecode: bool) -> Iterator[Entry]:
    site = str(distribution.locate_file(""))
    for file in distribution.files or ():
        path = os.path.normpath(os.path.join(site, str(file)))
        if path.endswith(".pyc") or not path.startswith(site) or not os.path.lexists(path):
            continue
        target = PREFIX + "/" + os.path.relpath(path, site)
        status = os.lstat(path)
        if stat.S_ISLNK(status.st_mode):
            yield Entry(target, LinkContent(os.readlink(path)))
            continue
        content = FileContent(path, status.st_size, status.st_mtime_ns)
        yield Entry(target, content, 0o755 if status.st_mode & 0o100 else 0o644)
        if path.endswith(".py"):
            yield from _bytecode(path, target, content, use=bytecode)


def _bytecode(path: str, target: str, source: FileContent, *, use: bool) -> Iterator[Entry]:
    folder, _, file = path.rpartition("/")
    start = file.removesuffix(".py") + ".cpython-"
    try:
        names = [
            name
            for name in os.listdir(f"{folder}/__pycache__")
            if name.startswith(start) and name.count(".") == 2  # noqa: PLR2004 - not .opt-1.pyc
        ]
    except FileNotFoundError:
        return
    for name in names:
        cached = f"{folder}/__pycache__/{name}"
        status = os.lstat(cached)
        pyc = FileContent(cached, status.st_size, status.st_mtime_ns) if use else None
        content = BytecodeContent(source, filename=target, pyc=pyc)
        yield Entry(f"{target.rpartition('/')[0]}/__pycache__/{name}", content)
