"""Root file systems of many layers, of layers that take away, and without overlay mounts."""

from __future__ import annotations

import os
import shutil

import pytest

from jupyter_containerize.errors import ContainerizeError
from jupyter_containerize.model.run import Isolation, RunSpec, RunState
from jupyter_containerize.oci.store import Store
from jupyter_containerize.runtimes import bubblewrap, isolation
from jupyter_containerize.runtimes.isolation import Attempt, Method
from jupyter_containerize.runtimes.sandbox import SandboxRuntime

METHODS = list(Method)
REAL_ATTEMPTS = isolation.attempts


@pytest.fixture(params=METHODS, ids=[method.value for method in METHODS])
def method(request, require, monkeypatch, tmp_path):
    """Let only one method work, and only if it does."""
    require(shutil.which("busybox"), "busybox (Debian: busybox-static)")
    found = {one.method: one for one in REAL_ATTEMPTS(str(tmp_path))}
    require(not found[request.param].problem, f"{request.param}: {found[request.param].problem}")

    def attempts(folder):
        for one in REAL_ATTEMPTS(folder):
            yield one if one.method is request.param else Attempt(one.method, "switched off")

    monkeypatch.setattr(isolation, "attempts", attempts)
    return request.param


def run(store, image, script):
    runtime = SandboxRuntime()
    started = runtime.start(
        RunSpec(image=image.digest, entrypoint=("/bin/sh", "-c", script)), store=store
    )
    ended = runtime.wait(started.id, store=store, timeout_s=120)
    return ended, "".join(runtime.logs(ended.id, store=store))


def many(store, tiny_images, count):
    layers = [
        {
            f"/many/f{n:03}": b"%d\n" % n,
            "/same": b"%d\n" % n,
            f"/home/user/h{n:03}": b"%d\n" % n,
        }
        for n in range(count)
    ]
    return tiny_images.image(store, *layers)


@pytest.mark.parametrize("count", [120, 300])
def test_every_layer_is_really_there(tmp_path, tiny_images, method, count):
    store = Store.open(str(tmp_path / "s"))
    image = many(store, tiny_images, count)
    ended, log = run(store, image, "cat /many/f* /home/user/h* /same; ls /many | wc -l")
    numbers = [str(n) for n in range(count)]
    assert log.split() == [*numbers, *numbers, str(count - 1), str(count)]
    assert ended.isolation is method.isolation


def test_a_changed_top_layer_merges_nothing_anew(tmp_path, tiny_images):
    store = Store.open(str(tmp_path / "s"))
    image = many(store, tiny_images, 120)
    run(store, image, "true")
    before = set(os.listdir(store.unpacked_folder))
    layers = [*image.layers[:-1], tiny_images.layer(store, {"/same": b"changed\n"})]
    edited = store.add_image(
        layers=layers, config=image.config, platform=image.platform, created=image.created
    )
    _, log = run(store, edited, "cat /same")
    assert log == "changed\n"
    new = {name for name in set(os.listdir(store.unpacked_folder)) - before if "." not in name}
    assert len(new) == 1


@pytest.mark.usefixtures("method")
def test_a_store_with_a_long_path(tmp_path, tiny_images):
    deep = tmp_path / "a path with spaces, commas: colons" / ("x" * 200)
    store = Store.open(str(deep / "s"))
    image = many(store, tiny_images, 40)
    ended, log = run(store, image, "ls /many | wc -l; cat /same /home/user/h000")
    assert (ended.exit_code, log) == (0, "40\n39\n0\n")


def test_a_store_whose_path_leaves_no_room_is_an_error():
    with pytest.raises(ContainerizeError) as caught:
        bubblewrap.layers_that_fit("/x" * 2000, "/y", ())
    assert caught.value.code == "store-path-too-long"


def test_layers_that_were_cut_off_are_noticed(tmp_path, tiny_images, monkeypatch, require):
    require(bubblewrap.program(), "bubblewrap")
    monkeypatch.setattr(bubblewrap, "layers_that_fit", lambda *_: 1000)
    store = Store.open(str(tmp_path / "s"))
    runtime = SandboxRuntime()
    image = many(store, tiny_images, 120)
    spec = RunSpec(image=image.digest, isolation=Isolation.BUBBLEWRAP, entrypoint=("/bin/true",))
    ended = runtime.wait(runtime.start(spec, store=store).id, store=store, timeout_s=60)
    assert ended.state is RunState.FAILED
    assert ended.exit_code != 0


@pytest.mark.usefixtures("method")
def test_what_a_layer_takes_away_is_gone(tmp_path, tiny_images):
    store = Store.open(str(tmp_path / "s"))
    image = tiny_images.image(
        store,
        {"/d/old": b"", "/d/kept": b"", "/o/old": b"", "/gone": b""},
        {"/d/.wh.old": b"", "/o/.wh..wh..opq": b"", "/o/new": b"", "/.wh.gone": b""},
        {"/top": b""},
    )
    _, log = run(store, image, "ls /d /o; ls /gone; ls /top")
    assert log.split("\n")[:5] == ["/d:", "kept", "", "/o:", "new"]
    assert "/gone: No such file" in log
    assert log.endswith("/top\n")


@pytest.mark.usefixtures("method")
def test_a_file_over_a_folder_and_a_folder_over_a_file(tmp_path, tiny_images):
    store = Store.open(str(tmp_path / "s"))
    image = tiny_images.image(
        store, {"/a/x": b"1", "/b": b"2"}, {"/a": b"now a file\n", "/b": None, "/b/y": b""}
    )
    _, log = run(store, image, "cat /a; ls /b")
    assert log == "now a file\ny\n"


@pytest.mark.usefixtures("method")
def test_writable_folders_behind_links(tmp_path, tiny_images):
    store = Store.open(str(tmp_path / "s"))
    image = tiny_images.image(
        store,
        {"/link": "link:home", "/real/data": b"1\n", "/abs": "link:/real"},
        writable=["/link/user", "/abs"],
    )
    ended, log = run(
        store, image, "echo 2 > /real/new; cat /abs/*; echo 3 > /home/user/z; echo 4 > /etc/no"
    )
    assert log.startswith("1\n2\n")
    assert ended.exit_code != 0


def test_odd_names_are_kept(tmp_path, tiny_images, method):
    store = Store.open(str(tmp_path / "s"))
    # PRoot 5.1 has no room for the 255th byte.
    longest = 254 if method is Method.PROOT else 255
    names = ["a b", "ü", "new\nline", "q'\"", "x" * longest, "back\\slash", "co:lon,"]
    table = {f"/home/user/work/odd/{name}": b"1" for name in names}
    table["/loop"] = "link:/loop"
    image = tiny_images.image(store, table)
    _, log = run(store, image, "cat odd/* | wc -c; ls odd > /dev/null; cat /loop/x")
    assert log.startswith("7\n")


@pytest.mark.usefixtures("method")
def test_without_overlays_nothing_of_the_store_is_shared_for_writing(tmp_path, tiny_images):
    store = Store.open(str(tmp_path / "s"))
    image = tiny_images.image(store, {"/opt/x": b"x\n"})
    script = "echo 9 > data.csv; chmod 777 data.csv /opt/x /bin/busybox; echo 9 > /opt/x; rm -rf /opt; true"
    run(store, image, script)
    _, log = run(store, image, "cat data.csv /opt/x; stat -c %a /opt/x data.csv")
    assert log.startswith("a,b\n1,2\nx\n")
