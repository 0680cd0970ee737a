from __future__ import annotations

import gzip
import hashlib
import json
import os
import subprocess

import pytest

from jupyter_containerize.errors import ContainerizeError
from jupyter_containerize.model.image import Layer
from jupyter_containerize.model.plan import ImageConfig
from jupyter_containerize.model.platform import Platform
from jupyter_containerize.model.reference import Reference
from jupyter_containerize.oci import archive, layout
from jupyter_containerize.oci.image import LAYER_TYPE
from jupyter_containerize.oci.validate import validate, validate_layout


@pytest.fixture
def image(store, make_tar):
    layers = []
    for data in (make_tar(("a", b"1")), make_tar(("b", b"2"))):
        blob = store.put_blob(data)
        layers.append(Layer(blob.digest, blob.digest, blob.size_bytes))
    return add(store, layers)


def add(store, layers):
    return store.add_image(
        layers=layers,
        config=ImageConfig("1000:0", "/", ("sh",)),
        platform=Platform("linux", "amd64"),
        created="1970-01-01T00:00:00Z",
        name=Reference.parse("shop/m:v1"),
    )


def overwrite(path, change):
    os.chmod(path, 0o600)
    with open(path, "rb") as file:
        data = file.read()
    with open(path, "wb") as file:
        file.write(change(data))


def test_nothing_to_complain_about(store, image, tmp_path):
    layout.write(image, store=store, path=str(tmp_path / "l"))
    archive.write_oci(image, store=store, path=str(tmp_path / "o.tar"))
    assert validate(image, store=store) == ()
    assert validate_layout(str(tmp_path / "l")) == ()
    assert validate_layout(str(tmp_path / "o.tar")) == ()


def test_every_mismatch_is_listed_and_mended_by_the_next_build(store, image):
    first, second = image.layers
    overwrite(store.blob_path(first.digest), lambda data: data[:-1] + b"x")
    overwrite(store.blob_path(second.digest), lambda data: data + b"more")

    found = "\n".join(validate(image, store=store))

    for part in (f"layer 1 {first.digest} has the digest", f"layer 2 {second.digest} has the dig",
                 f"{second.size_bytes + 4} bytes instead of {second.size_bytes}",
                 "The diff ID of layer 1", "The diff ID of layer 2"):  # fmt: skip
        assert part in found
    assert not store.has_blob(first.digest)  # so no build takes it for good


@pytest.fixture
def planted(store, image, tmp_path):
    """`planted(change)`: a layout whose config or manifest was changed consistently."""

    def run(change_config=None, change_manifest=None):
        path = tmp_path / "planted"
        layout.write(image, store=store, path=str(path))
        blobs = path / "blobs/sha256"

        def put(data):
            digest = hashlib.sha256(data).hexdigest()
            (blobs / digest).write_bytes(data)
            return {"digest": f"sha256:{digest}", "size": len(data)}

        index = json.loads((path / "index.json").read_text())
        manifest = json.loads((blobs / image.digest[7:]).read_text())
        config = json.loads((blobs / image.config_digest[7:]).read_text())
        if change_config:
            change_config(config)
            manifest["config"].update(put(json.dumps(config).encode()))
        if change_manifest:
            change_manifest(manifest)
        index["manifests"][0].update(put(json.dumps(manifest).encode()))
        (path / "index.json").write_text(json.dumps(index))
        return "\n".join(validate_layout(str(path)))

    return run


def test_consistent_lies_are_found(planted, image):
    assert planted() == ""
    assert "1 diff IDs for 2 layers" in planted(lambda config: config["rootfs"]["diff_ids"].pop())
    assert "history has 1 layers" in planted(lambda config: config["history"].pop(0))
    assert "The diff ID of layer 1" in planted(
        lambda config: config["rootfs"]["diff_ids"].reverse()
    )
    other = image.layers[1].digest
    assert "instead of 5" in planted(None, lambda manifest: manifest["layers"][0].update(size=5))
    assert "is missing" in planted(
        None, lambda manifest: manifest["config"].update(digest="sha256:" + "0" * 64)
    )
    assert "diff ID" in planted(None, lambda manifest: manifest["layers"][0].update(digest=other))
    assert "is missing" in planted(
        None, lambda manifest: manifest["layers"][0].update(digest="../../../etc/passwd")
    )


def test_layouts_themselves(store, image, tmp_path):
    path = tmp_path / "l"
    layout.write(image, store=store, path=str(path))
    index = json.loads((path / "index.json").read_text())
    index["manifests"] *= 2
    (path / "index.json").write_text(json.dumps(index))
    (path / "oci-layout").unlink()
    found = validate_layout(str(path))
    assert "oci-layout does not say version 1.0.0." in found
    assert "index.json does not list exactly one manifest." in found
    for other in (tmp_path / "none", path / "index.json"):
        with pytest.raises(ContainerizeError) as caught:
            validate_layout(str(other))
        assert caught.value.code == "not-a-layout"


def test_compressed_layers_of_others(store, make_tar):
    data = make_tar(("a", b"1"))
    diff_id = "sha256:" + hashlib.sha256(data).hexdigest()
    good, bad = store.put_blob(gzip.compress(data)), store.put_blob(b"no gzip")
    layers = [
        Layer(blob.digest, diff_id, blob.size_bytes, f"{LAYER_TYPE}+gzip") for blob in (good, bad)
    ]
    assert validate(add(store, layers[:1]), store=store) == ()
    assert "layer 2 cannot be unzipped" in "\n".join(validate(add(store, layers), store=store))


def test_a_layout_is_replaced_and_holds_one_image(store, image, tmp_path, make_tar):
    path = str(tmp_path / "l")
    layout.write(image, store=store, path=path)
    kept = os.stat(f"{path}/blobs/sha256/{image.layers[0].digest[7:]}").st_ino
    blob = store.put_blob(make_tar(("c", b"3")))
    layers = [image.layers[0], Layer(blob.digest, blob.digest, blob.size_bytes)]
    layout.write(add(store, layers), store=store, path=path)

    assert validate_layout(path) == ()
    assert len(os.listdir(f"{path}/blobs/sha256")) == 4
    assert os.stat(f"{path}/blobs/sha256/{image.layers[0].digest[7:]}").st_ino == kept


def test_outputs_spare_what_is_not_ours(store, image, tmp_path):
    (tmp_path / "foreign").mkdir()
    (tmp_path / "foreign/thesis.tex").write_text("x")
    (tmp_path / "file").write_text("x")
    (tmp_path / "empty").mkdir()
    for path in ("foreign", "file"):
        with pytest.raises(ContainerizeError) as caught:
            layout.write(image, store=store, path=str(tmp_path / path))
        assert caught.value.code == "output-exists"
    layout.write(image, store=store, path=str(tmp_path / "empty"))
    for write in (archive.write_oci, archive.write_docker):
        with pytest.raises(ContainerizeError) as caught:
            write(image, store=store, path=str(tmp_path / "foreign"))
        assert caught.value.code == "output-exists"
    assert os.listdir(tmp_path / "foreign") == ["thesis.tex"]


def test_a_failed_archive_leaves_the_old_one(store, image, tmp_path):
    path = tmp_path / "o.tar"
    path.write_bytes(b"old")
    os.unlink(store.blob_path(image.layers[0].digest))
    for write in (archive.write_oci, archive.write_docker):
        with pytest.raises(ContainerizeError):
            write(image, store=store, path=str(path))
    assert path.read_bytes() == b"old"
    assert sorted(os.listdir(tmp_path)) == ["o.tar", "store"]


def test_archives_are_the_same_every_time(store, image, tmp_path):
    for write in (archive.write_oci, archive.write_docker):
        for name in ("1", "2"):
            write(image, store=store, path=str(tmp_path / name))
        assert (tmp_path / "1").read_bytes() == (tmp_path / "2").read_bytes()
    listed = subprocess.run(["tar", "-tf", tmp_path / "1"], capture_output=True, check=True)
    assert listed.stdout.split()[0] == b"manifest.json"
