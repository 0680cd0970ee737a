"""The daemonless builder on small plans; faults and tools are in tests/integration."""

from __future__ import annotations

import os
import signal
import sys
import threading
import time
from dataclasses import replace

import pytest

from jupyter_containerize.builders import layers as layers_module
from jupyter_containerize.builders.daemonless import DaemonlessBuilder
from jupyter_containerize.errors import ContainerizeError
from jupyter_containerize.model.event import LayerDone, Progress, StepFinished, StepStarted, ignore
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
)
from jupyter_containerize.model.platform import Platform
from jupyter_containerize.model.reference import Reference
from jupyter_containerize.oci.store import Store
from jupyter_containerize.oci.validate import validate


@pytest.fixture
def store(tmp_path):
    return Store.open(str(tmp_path / "store"))


@pytest.fixture
def package(tmp_path):
    """A folder of sources: good, broken, and one larger than the buffers."""
    folder = tmp_path / "package"
    folder.mkdir()
    for number in range(20):
        (folder / f"m{number:02}.py").write_text(f"VALUE = {number}\n")
    (folder / "broken.py").write_text("{% template %}")
    (folder / "large.bin").write_bytes(os.urandom(9 << 20))
    return folder


def plan_of(folder, *more, cell="print(1)", user="1000:0"):
    entries = []
    for name in sorted(os.listdir(folder)):
        status = os.stat(folder / name)
        content = FileContent(str(folder / name), status.st_size, status.st_mtime_ns)
        entries.append(Entry(f"/opt/p/{name}", content))
        if name.endswith(".py"):
            pyc = f"/opt/p/__pycache__/{name[:-3]}.cpython-311.pyc"
            entries.append(Entry(pyc, BytecodeContent(content, f"/opt/p/{name}")))
    entries.sort(key=lambda entry: entry.target)
    notebook = Entry("/home/u/notebook.ipynb", InlineContent(cell))
    return ImagePlan(
        kind=ImageKind.TRAINING,
        name="shop/model",
        platform=Platform("linux", "amd64"),
        base=Base(),
        layers=(
            *more,
            LayerPlan(LayerKind.DISTRIBUTION, "the package", tuple(entries)),
            LayerPlan(LayerKind.NOTEBOOK, "the notebook", (notebook,)),
        ),
        config=ImageConfig(user, "/home/u", ("python",)),
        snapshot_digest="sha256:" + "0" * 64,
        interpreter=sys.executable,
        pyc_magic="",
    )


def build(plan, store, emit=ignore, name=None):
    return DaemonlessBuilder().build(plan, store=store, emit=emit, name=name)


def leftovers(store):
    return os.listdir(store.temporary_folder)


def test_an_image_with_events(store, package):
    events = []
    image = build(plan_of(package), store, events.append)

    assert image.names == ("shop/model:latest",)
    assert validate(image, store=store) == ()
    assert [layer.title for layer in image.layers] == ["the package", "the notebook"]
    assert isinstance(events[0], StepStarted)
    assert isinstance(events[-1], StepFinished)
    done = [event for event in events if isinstance(event, LayerDone)]
    assert {event.title for event in done} == {"the package", "the notebook"}
    assert not any(event.reused for event in done)
    last = [event for event in events if isinstance(event, Progress)][-1]
    assert last.done == last.total
    assert leftovers(store) == []


def test_unchanged_layers_are_not_read_again(store, package):
    first = build(plan_of(package), store)
    plan = plan_of(package, cell="print(2)")
    for name in os.listdir(package):
        os.unlink(package / name)  # reading one of them would fail

    second = build(plan, store, name=Reference.parse("other:v2"))

    assert [layer.reused for layer in second.layers] == [True, False]
    assert second.layers[0].digest == first.layers[0].digest
    assert second.digest != first.digest
    assert second.names == ("other:v2",)
    assert len(store.images()) == 2


def test_same_plan_same_digest(store, package, tmp_path):
    first = build(plan_of(package), store)
    second = build(plan_of(package), Store.open(str(tmp_path / "second")))
    assert first.digest == second.digest
    later = replace(plan_of(package), created="2024-01-01T00:00:00Z")
    assert build(later, store).layers[0].digest == first.layers[0].digest


def test_the_key_covers_what_the_layer_takes_from_elsewhere(store, package):
    def digest_with(plan):
        return build(plan, store).layers[-1].digest

    plain = digest_with(plan_of(package))
    base = LayerPlan(LayerKind.BASE, "base", (Entry("/home/u", FolderContent(), 0o1777),))
    assert digest_with(plan_of(package, base)) != plain
    assert digest_with(plan_of(package)) == plain
    writable = Entry("/home/u", FolderContent(), 0o755, group_writable=True)
    owned = plan_of(package, LayerPlan(LayerKind.BASE, "base", (writable,)))
    other = plan_of(package, LayerPlan(LayerKind.BASE, "base", (writable,)), user="77:0")
    assert digest_with(owned) != digest_with(other)


def test_errors_leave_nothing(store, package):
    plan = plan_of(package)
    (package / "m05.py").write_text("VALUE = 'changed'\n")

    with pytest.raises(ContainerizeError) as caught:
        build(plan, store)

    assert caught.value.code == "file-changed"
    assert store.images() == ()
    assert leftovers(store) == []
    assert build(plan_of(package), store).names


def test_free_space_is_checked_before_writing(store, package, monkeypatch):
    status = os.statvfs(store.root)
    little = os.statvfs_result((*status[:4], 3, *status[5:]))
    monkeypatch.setattr(os, "statvfs", lambda _: little)
    with pytest.raises(ContainerizeError) as caught:
        build(plan_of(package), store)
    assert caught.value.code == "no-space"
    assert "MB are needed" in caught.value.why
    assert os.listdir(os.path.join(store.root, "blobs/sha256")) == []


def test_interrupting_leaves_nothing(store, package, monkeypatch):
    writing = threading.Event()
    real = layers_module.LayerPacker.pack

    def slow(packer, entries):
        writing.set()
        for _ in range(3_000):
            time.sleep(0.01)
            packer.outlet.flush()  # where a cancelled packer ends
        real(packer, entries)

    monkeypatch.setattr(layers_module.LayerPacker, "pack", slow)

    def interrupt():
        writing.wait()
        os.kill(os.getpid(), signal.SIGINT)

    threading.Thread(target=interrupt).start()
    started = time.monotonic()
    with pytest.raises(KeyboardInterrupt):
        build(plan_of(package), store)

    assert time.monotonic() - started < 15
    assert leftovers(store) == []
    assert store.images() == ()


def test_interrupting_while_the_jobs_are_handed_in(monkeypatch):
    """The first job runs by then; without a word to it the pool would wait for its end."""
    cancel = threading.Event()
    submit = layers_module.ThreadPoolExecutor.submit

    def interrupted(pool, job):
        submit(pool, lambda: cancel.wait(60))
        raise KeyboardInterrupt

    monkeypatch.setattr(layers_module.ThreadPoolExecutor, "submit", interrupted)
    with pytest.raises(KeyboardInterrupt):
        layers_module._in_parallel([lambda: None] * 2, cancel)
    assert cancel.is_set()


def test_checks():
    [check] = DaemonlessBuilder().checks()
    assert check.works
