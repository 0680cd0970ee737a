from __future__ import annotations

import json
import os
import time
from concurrent.futures import ThreadPoolExecutor

import pytest

from jupyter_containerize.errors import ContainerizeError
from jupyter_containerize.model.image import Layer
from jupyter_containerize.model.plan import LABEL_SNAPSHOT, ImageConfig
from jupyter_containerize.model.platform import Platform
from jupyter_containerize.model.reference import Reference
from jupyter_containerize.oci.locks import locked
from jupyter_containerize.oci.unpack import unpack_layer, unpack_layers

OLD, NEW = "sha256:" + "a" * 64, "sha256:" + "b" * 64


@pytest.fixture
def add(store, make_tar):
    """`add(name, {file: content}, ...)`: an image of layers that can be unpacked."""

    def run(name, *layers, snapshot=""):
        stored = []
        for files in layers:
            blob = store.put_blob(make_tar(*files.items()))
            layer = Layer(blob.digest, blob.digest, blob.size_bytes)
            store.remember_layer(f"key-{blob.digest[7:]}", layer)
            stored.append(layer)
        labels = {LABEL_SNAPSHOT: snapshot}
        return store.add_image(
            layers=stored,
            config=ImageConfig("1000:0", "/", (), labels=labels),
            platform=Platform("linux", "amd64"),
            created="",
            name=Reference.parse(name),
        )

    return run


def everything(store):
    return {
        os.path.join(folder, name).removeprefix(store.root)
        for folder, _, names in os.walk(store.root)
        for name in names
        if "/locks" not in folder
    }


def test_a_store_in_order_is_left_alone(store, add):
    image = add("m", {"f": b"1"}, {"g": b"2"})
    unpack_layer(store, image.layers[0].digest)
    unpack_layers(store, [layer.digest for layer in image.layers])
    before = everything(store)
    freed = store.gc()
    assert (freed.size_bytes, freed.images, freed.blobs, freed.folders) == (0, 0, 0, 0)
    assert everything(store) == before


def test_what_a_removed_image_had_alone_goes(store, add):
    kept = add("kept", {"shared": b"1"})
    gone = add("gone", {"shared": b"1"}, {"own": b"2" * 9000})
    for layer in gone.layers:
        unpack_layer(store, layer.digest)
    merged = unpack_layers(store, [layer.digest for layer in gone.layers])
    store.remove("gone")

    freed = store.gc()

    assert (freed.images, freed.blobs, freed.folders) == (1, 3, 2)
    assert freed.size_bytes > 2 * 9000
    assert store.images() == (kept,)
    assert not os.path.exists(merged.folder)
    assert os.path.exists(unpack_layer(store, kept.layers[0].digest))
    assert store.layer_for_key(f"key-{gone.layers[1].digest[7:]}") is None
    assert store.layer_for_key(f"key-{gone.layers[0].digest[7:]}") is not None


def test_an_image_replaced_under_its_name_goes(store, add):
    add("m", {"f": b"old"})
    new = add("m", {"f": b"new"})
    assert len(store.images()) == 2
    assert store.gc().images == 1
    assert store.images() == (new,)


def test_what_a_run_uses_stays(store, add):
    image = add("m", {"f": b"1"})
    folder = unpack_layer(store, image.layers[0].digest)
    store.remove("m")

    with store.using(image.digest):
        assert store.gc().blobs == 0
    run = os.path.join(store.runs_folder, "r1")
    os.makedirs(run)
    with open(os.path.join(run, "run.json"), "w") as file:
        json.dump({"spec": {"image": image.digest}}, file)
    with locked(os.path.join(run, "lock")):
        assert store.gc().blobs == 0
        assert os.path.exists(folder)
        with pytest.raises(ContainerizeError) as caught:
            store.remove(image.digest)
        assert caught.value.code == "image-in-use"

    assert store.gc().blobs == 3
    assert not os.path.exists(folder)


def test_not_while_a_build_is_running(store, add):
    add("m", {"f": b"1"})
    with store.in_use(), pytest.raises(ContainerizeError) as caught:
        store.gc()
    assert caught.value.code == "store-busy"


def test_half_made_things_of_the_dead_only(store):
    dead = os.path.join(store.temporary_folder, "dead")
    os.makedirs(os.path.join(dead, "sub"))
    with open(os.path.join(dead, "sub", "file"), "wb") as file:
        file.write(b"x" * 10_000)
    with store.writer() as writer:
        writer.write(b"y" * 10_000)
        assert store.sweep() >= 10_000
        assert len(os.listdir(store.temporary_folder)) == 1
        blob = writer.commit()
    assert store.has_blob(blob.digest)
    assert os.listdir(store.temporary_folder) == []


def test_many_at_once_unpack_once(store, add):
    image = add("m", {f"d/{number}": bytes(5000) for number in range(200)})
    with ThreadPoolExecutor(8) as pool:
        folders = set(pool.map(lambda _: unpack_layer(store, image.layers[0].digest), range(8)))
    assert len(folders) == 1
    assert len(os.listdir(os.path.join(folders.pop(), "d"))) == 200
    assert os.listdir(store.temporary_folder) == []


def test_broken_records_and_blobs_without_one_go(store, add):
    add("m", {"f": b"1"})
    with open(os.path.join(store.root, "images", "c" * 64 + ".json"), "w") as file:
        file.write("{")
    store.put_blob(b"nobody's")
    freed = store.gc()
    assert (freed.images, freed.blobs) == (1, 1)


def test_documents_follow_their_images(store, add):
    image = add("m", {"f": b"1"}, snapshot=NEW)
    for folder, digest in (
        ("snapshots", NEW), ("verdicts", image.digest), ("plans", image.digest),
        ("snapshots", OLD), ("verdicts", OLD), ("plans", OLD),
    ):  # fmt: skip
        store.put_document(folder, digest, {})
    store.gc()  # too young: their image may be on its way
    assert store.get_document("plans", OLD) == {}
    long_ago = time.time() - 7200
    for folder in ("snapshots", "plans", "verdicts"):
        for name in os.listdir(os.path.join(store.root, folder)):
            os.utime(os.path.join(store.root, folder, name), (long_ago, long_ago))

    store.gc()

    assert [store.get_document(folder, OLD) for folder in ("snapshots", "plans")] == [None] * 2
    assert store.get_document("snapshots", NEW) == {}
    assert store.get_document("verdicts", image.digest) == {}


def test_unpacked_once_and_whole(store, add):
    image = add("m", {"f": b"1", ".wh.g": b"", "d/.wh..wh..opq": b""})
    folder = unpack_layer(store, image.layers[0].digest)
    marker = os.stat(folder).st_ino
    again = unpack_layers(store, [image.layers[0].digest])
    assert (again.folder, os.stat(again.folder).st_ino) == (folder, marker)
    assert (again.whiteouts, again.opaque) == (("g",), ("d",))
    assert len(os.path.basename(folder)) == 12
