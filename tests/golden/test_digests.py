"""Same plan, same digest: on any machine and day, in any folder, order and umask.

A digest that changes here changes for everybody: raise `LAYER_FORMAT` in oci/layer.py, so
that stores do not mix old layers with new ones, and say so in the change log.
"""

from __future__ import annotations

import os
import random
import sys

import pytest

from jupyter_containerize.builders.daemonless import DaemonlessBuilder
from jupyter_containerize.model.event import ignore
from jupyter_containerize.model.plan import (
    Base,
    BinaryContent,
    Entry,
    FileContent,
    FolderContent,
    ImageConfig,
    ImageKind,
    ImagePlan,
    InlineContent,
    LayerKind,
    LayerPlan,
    LinkContent,
    RewrittenContent,
)
from jupyter_containerize.model.platform import Platform
from jupyter_containerize.oci.store import Store

IMAGE = "sha256:c0cc8b6a638d3c4155d4797bc21820e8161d5f4a6748c01fd84d56dce74dc3db"
LAYERS = (
    "sha256:a8a5a08a1c22a8bacca9c06562e281858c700adfec5b7cfb8e024e18eff74c81",
    "sha256:fa4fc49f6b106c853f26f4faa439923b143cfcea4d1e9cb942d783a11f74e999",
)

FILES = {
    "lib/a.so": b"\x7fELF" + bytes(range(256)) * 40,
    "lib/" + "d" * 120 + "/" + "n" * 250: b"a long name",
    "lib/ümlaut\nnew line": "größe".encode(),
    "tool": b"#!/home/someone/bin/python\nprint('tool')\n",
    "zero": b"",
}


def write_files(folder, seed):
    names = list(FILES)
    random.Random(seed).shuffle(names)
    for name in names:
        path = folder / name
        path.parent.mkdir(parents=True, exist_ok=True)
        path.write_bytes(FILES[name])
        os.utime(path, (seed * 1000, seed * 1000))


def plan_of(folder):
    def content(name):
        status = os.stat(folder / name)
        return FileContent(str(folder / name), status.st_size, status.st_mtime_ns)

    entries = [Entry(f"/opt/{name}", content(name)) for name in FILES if name != "tool"]
    entries.append(Entry("/opt/tool", RewrittenContent(content("tool"), "#!/usr/bin/py"), 0o755))
    entries.append(Entry("/opt/link", LinkContent("../" + "x" * 200)))
    base = (
        Entry("/home/u", FolderContent(), 0o755, group_writable=True),
        Entry("/tmp", FolderContent(), 0o1777),
    )
    notebook = (
        Entry("/home/u/n.ipynb", InlineContent("{}\n"), group_writable=True),
        Entry("/tmp/bin", BinaryContent("AAEC/w==")),
    )
    return ImagePlan(
        kind=ImageKind.TRAINING,
        name="golden:v1",
        platform=Platform("linux", "amd64"),
        base=Base(),
        layers=(
            LayerPlan(
                LayerKind.DISTRIBUTION,
                "files",
                tuple(sorted((*base, *entries), key=lambda entry: entry.target)),
            ),
            LayerPlan(LayerKind.NOTEBOOK, "notebook", notebook),
        ),
        config=ImageConfig(
            user="1000:0",
            working_dir="/home/u",
            entrypoint=("python", "train.py"),
            environment={"LANG": "C.UTF-8"},
            labels={"org.opencontainers.image.title": "Größe"},
        ),
        snapshot_digest="sha256:" + "0" * 64,
        interpreter=sys.executable,
        pyc_magic="",
    )


@pytest.mark.parametrize(("umask", "seed"), [(0o022, 1), (0o077, 2), (0o000, 3)])
def test_golden_digests(tmp_path, umask, seed):
    before = os.umask(umask)
    try:
        folder = tmp_path / f"in a folder {seed}"
        write_files(folder, seed)
        store = Store.open(str(tmp_path / "store"))
        image = DaemonlessBuilder().build(plan_of(folder), store=store, emit=ignore)
    finally:
        os.umask(before)
    assert tuple(layer.digest for layer in image.layers) == LAYERS
    assert image.digest == IMAGE
