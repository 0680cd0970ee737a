from __future__ import annotations

import contextlib
import json
import os
import stat

import pytest

from jupyter_containerize.errors import ContainerizeError
from jupyter_containerize.model.image import Layer
from jupyter_containerize.model.plan import ImageConfig
from jupyter_containerize.model.platform import Platform
from jupyter_containerize.model.reference import Reference
from jupyter_containerize.oci import store_version
from jupyter_containerize.oci.store import Store, default_path

CONFIG = ImageConfig(
    user="1000:0",
    working_dir="/home/u",
    entrypoint=("python", "x.py"),
    environment={"B": "2", "A": "1"},
    labels={"l": "ü"},
)


@pytest.fixture
def add(store):
    """`add("name", b"layer", ...)`: an image in the store."""

    def run(name, *layers, to=store):
        stored = []
        for data in layers or (b"layer",):
            blob = to.put_blob(data)
            stored.append(Layer(blob.digest, blob.digest, blob.size_bytes, title=repr(data)))
        return to.add_image(
            layers=stored,
            config=CONFIG,
            platform=Platform("linux", "amd64"),
            created="1970-01-01T00:00:00Z",
            name=Reference.parse(name) if name else None,
        )

    return run


def failing(call, *args, **options):
    with pytest.raises(ContainerizeError) as caught:
        call(*args, **options)
    return caught.value


def test_default_path(monkeypatch):
    monkeypatch.setenv("JUPYTER_CONTAINERIZE_STORE", "/s")
    assert default_path() == "/s"
    monkeypatch.delenv("JUPYTER_CONTAINERIZE_STORE")
    monkeypatch.setenv("XDG_DATA_HOME", "/data")
    assert default_path() == "/data/jupyter-containerize"
    monkeypatch.delenv("XDG_DATA_HOME")
    monkeypatch.setenv("HOME", "/home/u")
    assert default_path() == "/home/u/.local/share/jupyter-containerize"


def test_a_new_store_is_ones_own(store):
    assert stat.S_IMODE(os.stat(store.root).st_mode) == 0o700
    with open(os.path.join(store.root, "store.json")) as file:
        assert json.load(file) == {"version": 1}


def test_blobs(store):
    blob = store.put_blob(b"hello")
    assert blob.digest.endswith("2cf24dba5fb0a30e26e83b2ac5b9e29e1b161e5c1fa7425e73043362938b9824")
    assert store.has_blob(blob.digest, size_bytes=5)
    assert not store.has_blob(blob.digest, size_bytes=6)
    assert store.read_blob(blob.digest) == b"hello"
    assert store.put_blob(b"hello") == blob
    assert failing(store.read_blob, "sha256:" + "0" * 64).code == "store-damaged"
    assert failing(store.blob_path, "sha256:../../x").code == "invalid-digest"


def test_an_uncommitted_blob_leaves_nothing(store):
    with store.writer() as writer:
        writer.write(b"half")
    with contextlib.suppress(KeyboardInterrupt), store.writer() as writer:
        writer.write(b"half")
        raise KeyboardInterrupt
    assert os.listdir(store.temporary_folder) == []
    assert os.listdir(os.path.join(store.root, "blobs/sha256")) == []


def test_images_by_name_digest_and_short_id(store, add):
    image = add("shop/model:v1", b"one", b"two")

    assert image.names == ("shop/model:v1",)
    assert image.size_bytes == 6
    for text in ("shop/model:v1", image.digest, image.digest[:20], image.digest[7:15],
                 image.config_digest, f"whatever@{image.digest}"):  # fmt: skip
        assert store.resolve(text) == image
    assert store.images() == (image,)
    for text in ("other", "sha256:" + "0" * 64, "abcdef0123", "12345"):
        assert failing(store.resolve, text).code == "image-not-found"
    assert failing(store.resolve, "No Name").code == "invalid-reference"


def test_config_and_manifest(store, add):
    image = add("m", b"one", b"two")
    config = json.loads(store.read_blob(image.config_digest))
    manifest = json.loads(store.read_blob(image.digest))

    assert config["rootfs"]["diff_ids"] == [layer.digest for layer in image.layers]
    assert [one.get("empty_layer", False) for one in config["history"]] == [False, False, True]
    assert config["config"] == {
        "User": "1000:0",
        "WorkingDir": "/home/u",
        "Env": ["A=1", "B=2"],
        "Entrypoint": ["python", "x.py"],
        "Labels": {"l": "ü"},
        "StopSignal": "SIGTERM",
    }
    assert manifest["config"]["size"] == os.stat(store.blob_path(image.config_digest)).st_size
    assert [layer["size"] for layer in manifest["layers"]] == [3, 3]


def test_ambiguous_short_id(store, monkeypatch, add):
    first, second = add("a", b"one"), add("b", b"two")
    monkeypatch.setattr(store, "images", lambda: (first, first, second))
    error = failing(store.resolve, first.digest[7:17])
    assert error.code == "ambiguous-image"


def test_names_move_and_go(store, add):
    old, new = add("m", b"old"), add("m", b"new")
    assert store.resolve("m").digest == new.digest
    assert store.resolve(old.digest).names == ()
    store.tag(old, Reference.parse("m:before"))
    assert [image.names for image in store.images()] == [("m:before",), ("m:latest",)]

    assert store.remove("m") == ("m:latest",)
    assert store.resolve(new.digest).names == ()
    store.tag(old, Reference.parse("second"))
    assert store.remove(old.digest) == ("m:before", "second:latest")
    assert [image.digest for image in store.images()] == [new.digest]
    assert failing(store.remove, "m").code == "image-not-found"


def test_very_long_and_registry_names(store, add):
    name = "registry.example:5000/" + "a" * 200 + ":" + "t" * 128
    assert add(name).names == (name,)
    assert store.resolve(name).names == (name,)


def test_layers_by_key(store):
    blob = store.put_blob(b"data")
    layer = Layer(blob.digest, blob.digest, 4, key="k")
    assert store.layer_for_key("k") is None
    store.remember_layer("k", layer)
    assert store.layer_for_key("k").reused
    assert store.layer_for_key("k").digest == layer.digest
    os.unlink(store.blob_path(blob.digest))
    assert store.layer_for_key("k") is None


@pytest.mark.parametrize("data", [b"", b"{", b"[]", b'{"digest": 1}'])
def test_damaged_records_count_as_missing(store, add, data):
    image = add("m")
    for path in ("keys/k", f"images/{image.digest[7:]}.json"):
        with open(os.path.join(store.root, path), "wb") as file:
            file.write(data)
    assert store.layer_for_key("k") is None
    assert store.images() == ()
    assert failing(store.resolve, "m").code == "image-damaged"


def test_an_image_with_a_missing_or_short_blob_is_not_listed(store, add):
    image = add("m", b"one", b"two")
    path = store.blob_path(image.layers[0].digest)
    os.chmod(path, 0o600)
    os.truncate(path, 1)
    assert store.images() == ()
    assert failing(store.resolve, "m").code == "image-damaged"
    add("m", b"one", b"two")
    assert len(store.images()) == 1


def test_documents(store):
    digest = "sha256:" + "a" * 64
    assert store.get_document("plans", digest) is None
    store.put_document("plans", digest, {"x": [1, "ü\udcff"]})
    store.put_document("plans", digest, {"x": 2})
    assert store.get_document("plans", digest) == {"x": 2}
    assert failing(store.put_document, "plans", "../x", {}).code == "invalid-digest"


def test_newer_stores_are_refused_with_both_versions(store):
    with open(os.path.join(store.root, "store.json"), "w") as file:
        json.dump({"version": 7}, file)
    error = failing(Store.open, store.root)
    assert error.code == "store-too-new"
    assert "version 7" in error.what
    assert "up to 1" in error.what


def test_older_stores_are_migrated_once(store, monkeypatch, add):
    image = add("m")
    migrated = []
    monkeypatch.setattr(store_version, "STORE_VERSION", 3)
    monkeypatch.setattr(
        store_version,
        "MIGRATIONS",
        {1: lambda root: migrated.append((1, root)), 2: lambda root: migrated.append((2, root))},
    )
    for _ in range(2):
        assert Store.open(store.root).images() == (image,)
    assert migrated == [(1, store.root), (2, store.root)]


def test_folders_of_others_are_refused(tmp_path):
    (tmp_path / "thesis.tex").write_text("x")
    assert failing(Store.open, str(tmp_path)).code == "not-a-store"
    assert failing(Store.open, str(tmp_path / "thesis.tex")).code in ("not-a-store", "write-failed")
    (tmp_path / "other").mkdir()
    (tmp_path / "other/store.json").write_text("[]")
    assert failing(Store.open, str(tmp_path / "other")).code == "not-a-store"
    assert sorted(os.listdir(tmp_path)) == ["other", "thesis.tex"]


def test_locks(store):
    with store.lock("x") as held:
        assert held
        with store.lock("x", wait=False) as again:
            assert not again
        with store.lock("y", wait=False) as other:
            assert other
    with store.lock("x", shared=True), store.lock("x", shared=True, wait=False) as both:
        assert both


def test_a_removed_lock_file_is_not_a_lock(store):
    path = store.lock_path("x")
    with store.lock("x"):
        os.unlink(path)
        with store.lock("x", wait=False) as held:
            assert held
