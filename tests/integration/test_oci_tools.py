"""Images as others' tools see them: skopeo, umoci, GNU tar."""

from __future__ import annotations

import json
import os
import shutil
import stat
import subprocess
import sys
from pathlib import Path

import pytest

from jupyter_containerize.builders.daemonless import DaemonlessBuilder
from jupyter_containerize.model.event import ignore
from jupyter_containerize.model.plan import (
    Base,
    BytecodeContent,
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
)
from jupyter_containerize.model.platform import Platform
from jupyter_containerize.model.reference import Reference
from jupyter_containerize.oci import archive, layout
from jupyter_containerize.oci.store import Store
from jupyter_containerize.oci.unpack import unpack_layers
from jupyter_containerize.oci.validate import validate_layout

LONG = "/".join(["d" * 60] * 6) + "/" + "n" * 250


@pytest.fixture(scope="module")
def image(tmp_path_factory):
    """A store and an image with every kind of entry."""
    folder = tmp_path_factory.mktemp("image")
    source = folder / "module.py"
    source.write_text("x = 1\n")
    status = source.stat()
    module = FileContent(str(source), status.st_size, status.st_mtime_ns)
    below = (
        Entry("/home/u", FolderContent(), 0o755, group_writable=True),
        Entry("/lib", LinkContent("usr/lib")),
        Entry("/opt/p/__pycache__/module.pyc", BytecodeContent(module, "/opt/p/module.py")),
        Entry("/opt/p/module.py", module),
        Entry("/tmp", FolderContent(), 0o1777),
        Entry(f"/usr/lib/{LONG}", InlineContent("long")),
        Entry("/usr/lib/größe\nzwei", InlineContent("ü")),
        Entry("/usr/lib/tool", InlineContent("#!/bin/sh\n"), 0o755),
    )
    above = (Entry("/home/u/nb.ipynb", InlineContent("{}"), group_writable=True),)
    plan = ImagePlan(
        kind=ImageKind.TRAINING,
        name="shop/model:v1",
        platform=Platform("linux", "amd64"),
        base=Base(),
        layers=(
            LayerPlan(LayerKind.BASE, "base", below),
            LayerPlan(LayerKind.NOTEBOOK, "notebook", above),
        ),
        config=ImageConfig("1000:0", "/home/u", ("/usr/lib/tool",), environment={"A": "1"}),
        snapshot_digest="sha256:" + "0" * 64,
        interpreter=sys.executable,
        pyc_magic="",
        created="2001-02-03T04:05:06Z",
    )
    store = Store.open(str(folder / "store"))
    return store, DaemonlessBuilder().build(plan, store=store, emit=ignore)


@pytest.fixture(scope="module")
def written(image, tmp_path_factory):
    """The image in all three forms."""
    store, built = image
    folder = tmp_path_factory.mktemp("written")
    layout.write(built, store=store, path=str(folder / "layout"))
    archive.write_oci(built, store=store, path=str(folder / "oci.tar"))
    archive.write_docker(built, store=store, path=str(folder / "docker.tar"))
    return folder


def run(*command):
    done = subprocess.run(list(map(str, command)), capture_output=True, text=True, check=False)
    assert done.returncode == 0, done.stderr
    return done.stdout


@pytest.mark.parametrize("form", ["oci:both", "oci-archive:both.tar"])
def test_two_platforms_are_one_index_that_skopeo_reads(require, image, tmp_path, form):
    require(shutil.which("skopeo"), "skopeo")
    store, built = image
    other = store.add_image(
        layers=built.layers[:1],
        config=built.config,
        platform=Platform("linux", "arm64"),
        created=built.created,
        name=Reference.parse("shop/model:v1-arm64"),
    )
    kind, _, name = form.partition(":")
    write = layout.write if kind == "oci" else archive.write_oci
    write(built, other, store=store, path=str(tmp_path / name))

    place = f"{kind}:{tmp_path / name}"
    index = json.loads(run("skopeo", "inspect", "--raw", place))
    assert [one["platform"]["architecture"] for one in index["manifests"]] == ["amd64", "arm64"]
    assert [one["digest"] for one in index["manifests"]] == [built.digest, other.digest]
    for architecture in ("amd64", "arm64"):
        config = run("skopeo", "--override-arch", architecture, "inspect", "--config", place)
        assert json.loads(config)["architecture"] == architecture
    run("skopeo", "copy", "-q", "--all", place, f"oci:{tmp_path / 'copy'}")
    assert validate_layout(str(tmp_path / name)) == validate_layout(str(tmp_path / "copy")) == ()
    copied = json.loads(run("skopeo", "inspect", "--raw", f"oci:{tmp_path / 'copy'}"))
    victim = copied["manifests"][1]["digest"]
    (tmp_path / "copy" / "blobs" / victim.replace(":", "/")).write_bytes(b"{}")
    assert victim in validate_layout(str(tmp_path / "copy"))[0]


@pytest.mark.parametrize("form", ["oci:layout", "oci-archive:oci.tar", "docker-archive:docker.tar"])
def test_skopeo_reads_every_form(require, image, written, form):
    require(shutil.which("skopeo"), "skopeo")
    _, built = image
    kind, _, name = form.partition(":")

    found = json.loads(run("skopeo", "inspect", f"{kind}:{written}/{name}"))
    config = json.loads(run("skopeo", "inspect", "--config", f"{kind}:{written}/{name}"))

    assert found["Created"] == "2001-02-03T04:05:06Z"
    assert (found["Architecture"], found["Os"]) == ("amd64", "linux")
    assert config["config"]["User"] == "1000:0"
    assert config["rootfs"]["diff_ids"] == [layer.diff_id for layer in built.layers]
    if kind != "docker-archive":
        assert found["Digest"] == built.digest


@pytest.mark.parametrize("form", ["oci-archive:oci.tar", "docker-archive:docker.tar"])
def test_skopeo_copies_every_form(require, image, written, tmp_path, form):
    require(shutil.which("skopeo"), "skopeo")
    kind, _, name = form.partition(":")
    policy = "--insecure-policy"
    run("skopeo", policy, "copy", f"{kind}:{written}/{name}", f"dir:{tmp_path}/copy")
    _, built = image
    blobs = {f"sha256:{name}" for name in os.listdir(tmp_path / "copy")}
    assert {layer.digest for layer in built.layers} <= blobs


def tree(root):
    """Names, kinds, modes and contents below `root`."""
    found = {}
    for folder, folders, files in os.walk(root):
        for name in (*folders, *files):
            path = Path(folder, name)
            status = path.lstat()
            if path.is_symlink():
                value = os.readlink(path)
            else:
                value = None if path.is_dir() else path.read_bytes()
            mode = stat.S_IMODE(status.st_mode)
            found[str(path.relative_to(root))] = (mode, int(status.st_mtime), value)
    return found


def test_umoci_and_we_unpack_alike(require, image, written, tmp_path):
    require(shutil.which("umoci"), "umoci")
    run("umoci", "unpack", "--rootless", "--image", f"{written}/layout:v1", tmp_path / "bundle")
    store, built = image
    ours = unpack_layers(store, [layer.digest for layer in built.layers]).folder

    theirs = tree(tmp_path / "bundle" / "rootfs")

    assert tree(ours) == theirs
    assert theirs[f"usr/lib/{LONG}"][2] == b"long"
    assert theirs["home/u"][0] == 0o775
    assert theirs["tmp"][0] == 0o1777
    assert theirs["opt/p/__pycache__/module.pyc"][2][4:8] == b"\1\0\0\0"


def test_gnu_tar_reads_our_layers(image, tmp_path):
    store, built = image
    path = store.blob_path(built.layers[0].digest)
    run("tar", "--no-same-owner", "-xpf", path, "-C", tmp_path)
    assert tree(tmp_path) == tree(unpack_layers(store, [built.layers[0].digest]).folder)
