"""The store under two builders at once, kills at any point, full disks and refusals."""

from __future__ import annotations

import os
import pwd
import random
import shutil
import signal
import subprocess
import sys
import time
from pathlib import Path

import pytest

import jupyter_containerize
from jupyter_containerize.oci.store import Store
from jupyter_containerize.oci.validate import validate

#: Builds an image of a folder: `python -c BUILD store folder name`; prints its digest.
BUILD = """
import os, sys
from jupyter_containerize.builders.daemonless import DaemonlessBuilder
from jupyter_containerize.errors import ContainerizeError
from jupyter_containerize.model.event import ignore
from jupyter_containerize.model.plan import *
from jupyter_containerize.model.platform import Platform
from jupyter_containerize.model.reference import Reference
from jupyter_containerize.oci.store import Store

def plan(folder):
    layers = []
    for part in sorted(os.listdir(folder)):
        entries = []
        for name in sorted(os.listdir(f"{folder}/{part}")):
            path = f"{folder}/{part}/{name}"
            status = os.stat(path)
            content = FileContent(path, status.st_size, status.st_mtime_ns)
            entries.append(Entry(f"/data/{part}/{name}", content))
            if name.endswith(".py"):
                entries.append(Entry(f"/data/{part}/{name}c", BytecodeContent(content, "/" + name)))
        layers.append(LayerPlan(LayerKind.DATA, part, tuple(entries)))
    config = ImageConfig("1000:0", "/", ("true",))
    return ImagePlan(ImageKind.TRAINING, "x", Platform("linux", "amd64"), Base(), tuple(layers),
                     config, "sha256:" + "0" * 64, sys.executable, "")

try:
    store = Store.open(sys.argv[1])
    print("open", flush=True)
    image = DaemonlessBuilder().build(
        plan(sys.argv[2]), store=store, emit=ignore, name=Reference.parse(sys.argv[3]))
    print(image.digest)
except ContainerizeError as error:
    sys.exit(f"{error.code}: {error.why}")
"""


@pytest.fixture(scope="module")
def data(tmp_path_factory):
    """Four parts of 8 MB and a few sources each."""
    folder = tmp_path_factory.mktemp("data")
    for part in range(4):
        (folder / str(part)).mkdir()
        (folder / str(part) / "large.bin").write_bytes(os.urandom(8 << 20))
        for number in range(30):
            (folder / str(part) / f"m{number:02}.py").write_text(f"X = {part, number}\n" * 50)
    return folder


def start(store, data, name="m:v1", **options):
    return subprocess.Popen(
        [sys.executable, "-c", BUILD, str(store), str(data), name],
        stdout=subprocess.PIPE,
        stderr=subprocess.PIPE,
        text=True,
        env={**os.environ, "PYTHONPATH": str(Path(jupyter_containerize.__file__).parents[1])},
        **options,
    )


def finish(process):
    out, error = process.communicate(timeout=120)
    assert process.returncode == 0, error
    return out.split()[-1]


def test_builders_at_once_agree(data, tmp_path):
    processes = [start(tmp_path / "s", data, f"m:v{number}") for number in (1, 2, 3)]
    digests = {finish(process) for process in processes}
    store = Store.open(str(tmp_path / "s"))
    [image] = store.images()
    assert digests == {image.digest}
    assert image.names == ("m:v1", "m:v2", "m:v3")
    assert validate(image, store=store) == ()
    assert os.listdir(store.temporary_folder) == []


def test_a_kill_at_any_point_leaves_nothing_half_made(data, tmp_path):
    path = tmp_path / "s"
    began = time.monotonic()
    expected = finish(start(tmp_path / "whole", data))
    takes_s = time.monotonic() - began
    generator = random.Random(1)
    for _ in range(12):
        process = start(path, data)
        time.sleep(generator.uniform(0.3, 1.1) * takes_s)
        process.kill()
        process.communicate()
        store = Store.open(str(path))
        for image in store.images():
            assert image.digest == expected
            assert validate(image, store=store) == ()

    assert finish(start(path, data)) == expected
    assert os.listdir(store.temporary_folder) == []
    assert len(os.listdir(path / "blobs/sha256")) == 6
    store.gc()
    assert len(store.images()) == 1


def test_ctrl_c_leaves_nothing(data, tmp_path):
    process = start(tmp_path / "s", data, start_new_session=True)
    assert process.stdout.readline() == "open\n"
    time.sleep(0.05)
    os.killpg(process.pid, signal.SIGINT)  # as a terminal does: to every process of the group
    process.communicate(timeout=30)
    store = Store.open(str(tmp_path / "s"))
    assert os.listdir(store.temporary_folder) == []
    assert finish(start(tmp_path / "s", data))


def test_a_full_disk_and_then_room(data, tmp_path, require):
    require(os.geteuid() == 0, "root, to mount a small disk")
    disk = tmp_path / "disk"
    disk.mkdir()
    mounted = subprocess.run(
        ["mount", "-t", "tmpfs", "-o", "size=20m", "tmpfs", str(disk)], check=False
    )
    require(mounted.returncode == 0, "the right to mount a tmpfs")
    try:
        early = start(disk / "s", data)
        assert "no-space: 33" in early.communicate()[1]

        # A disk that fills up meanwhile: the check before writing sees room for the half.
        half = tmp_path / "half"
        shutil.copytree(data / "0", half / "0")
        shutil.copytree(data / "1", half / "1")
        subprocess.run(["mount", "-o", "remount,size=24m", str(disk)], check=True)
        filler = disk / "filler"
        building = start(disk / "s", half)
        assert building.stdout.readline() == "open\n"
        _fill(filler)
        _, error = building.communicate()
        assert building.returncode == 1
        assert "no-space" in error
        store = Store.open(str(disk / "s"))
        assert store.images() == ()
        assert os.listdir(store.temporary_folder) == []

        filler.unlink()
        assert finish(start(disk / "s", half))
    finally:
        subprocess.run(["umount", "-l", str(disk)], check=True)


def _fill(path):
    with path.open("wb", buffering=0) as file:
        try:
            while True:
                file.write(bytes(1 << 16))
        except OSError:
            pass


def test_a_limit_on_file_size(data, tmp_path):
    limited = "import resource; resource.setrlimit(resource.RLIMIT_FSIZE, (1 << 20, 1 << 20))\n"
    ignored = "import signal; signal.signal(signal.SIGXFSZ, signal.SIG_IGN)\n"
    process = subprocess.run(
        [sys.executable, "-c", limited + ignored + BUILD, str(tmp_path / "s"), str(data), "m"],
        capture_output=True, text=True, check=False,
        env={**os.environ, "PYTHONPATH": str(Path(jupyter_containerize.__file__).parents[1])},
    )  # fmt: skip
    assert process.returncode == 1
    assert process.stderr.startswith("no-space")
    assert os.listdir(tmp_path / "s/tmp") == []


def test_a_read_only_store_can_be_read_and_says_so_when_written(data, tmp_path, require):
    require(os.geteuid() == 0, "root, to mount read-only")
    path = tmp_path / "s"
    digest = finish(start(path, data))
    bound = subprocess.run(["mount", "--bind", str(path), str(path)], check=False)
    require(bound.returncode == 0, "the right to mount")
    try:
        subprocess.run(["mount", "-o", "remount,ro,bind", str(path)], check=True)
        assert [image.digest for image in Store.open(str(path)).images()] == [digest]
        process = start(path, data, "other")
        assert process.communicate()[1].startswith("store-read-only")
    finally:
        subprocess.run(["umount", "-l", str(path)], check=True)


def test_a_store_in_a_folder_of_somebody_else(tmp_path, require):
    require(os.geteuid() == 0, "root, to become another user")
    user = next((one for one in pwd.getpwall() if one.pw_name == "nobody"), None)
    require(user, "a user nobody")
    (tmp_path / "mine").mkdir(mode=0o700)
    code = (
        "import os, sys\n"
        "from jupyter_containerize.errors import ContainerizeError\n"
        "from jupyter_containerize.oci.store import Store\n"
        f"os.setgroups([]); os.setgid({user.pw_gid}); os.setuid({user.pw_uid})\n"
        "try: Store.open(sys.argv[1])\n"
        "except ContainerizeError as error: print(error.code)\n"
    )
    for path in (tmp_path / "mine", tmp_path / "mine/s"):
        done = subprocess.run(
            [sys.executable, "-c", code, str(path)],
            capture_output=True, text=True, check=False, cwd="/",
            env={**os.environ, "PYTHONPATH": str(Path(jupyter_containerize.__file__).parents[1])},
        )  # fmt: skip
        assert done.stdout == "store-read-only\n", done.stderr
