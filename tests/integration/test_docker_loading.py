"""`--to docker`: only the layers that the engine lacks are sent, whatever its image store."""

from __future__ import annotations

import pytest

from jupyter_containerize.engine.client import Engine
from jupyter_containerize.model.reference import Reference
from jupyter_containerize.oci.store import Store
from jupyter_containerize.runtimes.docker.loading import Loading

#: An engine, and how many layers it is sent for an image whose top layer has changed.
ENGINES = {"docker_engine": 1, "containerd_engine": 1, "podman_engine": 3}


@pytest.fixture(params=ENGINES)
def place(request, monkeypatch, tmp_path, tiny_images):
    """`(engine, docker command, loads a list of layers' files, layers sent after a change)`."""
    real = request.getfixturevalue(request.param)
    monkeypatch.setenv("DOCKER_HOST", real.socket)
    store = Store.open(str(tmp_path / "store"))
    engine = Engine.connect()

    def load(*layers, name="study:1"):
        image = tiny_images.image(store, *layers)
        image = store.tag(image, Reference.parse(name))
        return image, Loading(image, engine, store)

    return engine, real.docker, load, ENGINES[request.param]


def test_an_edited_cell_is_a_few_kilobytes(place, tmp_path):
    engine, docker, load, changed = place
    middle = {"/opt/big": str(tmp_path).encode() * 40_000}  # no other test's
    _, loading = load(middle, {"/opt/cells": b"one"})
    first = loading.run()
    assert first.sent_layers >= 2
    image, loading = load(middle, {"/opt/cells": b"two"})
    second = loading.run()
    assert second.sent_layers == changed
    if changed == 1:
        assert second.sent_bytes < 30_000
    assert loading.run().sent_bytes == 0  # there already
    said = docker("run", "--rm", "--network=none", "--entrypoint=/bin/cat", "study:1", "/opt/cells")
    assert said == "two"
    assert engine.image(second.id)["RootFS"]["Layers"] == [one.diff_id for one in image.layers]


def test_what_is_there_only_gets_its_name(place):
    engine, _, load, _ = place
    load({"/opt/named": b"x"})[1].run()
    _, loading = load({"/opt/named": b"x"}, name="host.example:5000/other/name:2")
    assert loading.run().sent_bytes == 0
    assert engine.image("host.example:5000/other/name:2")["Id"] == engine.image("study:1")["Id"]


def test_where_the_engine_has_less_than_it_seemed_the_whole_image_is_sent(place, monkeypatch):
    engine, _, load, _ = place
    image, loading = load({"/opt/unknown": b"never seen"})
    everything = frozenset(layer.diff_id for layer in image.layers)
    monkeypatch.setattr(Loading, "known_layers", lambda _: everything)
    loaded = loading.run()
    assert loaded.sent_layers == 2
    assert engine.image(loaded.id)


@pytest.mark.parametrize("place", ["docker_engine"], indirect=True)  # it knows chains, not layers
def test_images_are_looked_at_only_until_little_is_left_to_send(place, tmp_path, monkeypatch):
    _, _, load, _ = place
    middle = {"/opt/large": str(tmp_path).encode() * 40_000}
    for n in range(4):
        load({"/opt/else": b"%d" % n}, name=f"else:{n}")[1].run()
    load(middle, {"/opt/cells": b"one"}, name="looked:1")[1].run()
    image, loading = load(middle, {"/opt/cells": b"two"}, name="looked:1")
    looked = []
    inspect = Engine.image
    monkeypatch.setattr(
        Engine, "image", lambda self, name: looked.append(name) or inspect(self, name)
    )
    assert loading.known_layers() == {one.diff_id for one in image.layers[:-1]}
    assert len(looked) == 1
