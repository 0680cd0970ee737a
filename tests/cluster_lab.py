"""What tests of clusters share: images in a store, pods that follow scripts, and a pod's folders, which the real guest lists and sends."""

from __future__ import annotations

import os
import subprocess
import sys
import threading
import time
from pathlib import Path

import pytest

from jupyter_containerize import guest
from jupyter_containerize.errors import ContainerizeError
from jupyter_containerize.model.cluster import ClusterOptions, Place
from jupyter_containerize.model.event import LogLine, StepStarted
from jupyter_containerize.model.image import Layer
from jupyter_containerize.model.plan import LABEL_KIND, ImageConfig
from jupyter_containerize.model.platform import Platform
from jupyter_containerize.model.run import Limits, RunSpec
from jupyter_containerize.oci.store import Store
from jupyter_containerize.runtimes.kubernetes.runtime import KubernetesRuntime

LINES = [f"line {number}\n" for number in range(40)]
FILES = {"files/model.bin": bytes(range(256)) * 4000, "executed.ipynb": b"{}", "empty": b""}


def image(store, kind, script="train"):
    """Add a small image to a store; its command is the guest's `script`."""
    blob = store.put_blob(b"\0" * 1024)
    return store.add_image(
        layers=[Layer(digest=blob.digest, diff_id=blob.digest, size_bytes=blob.size_bytes)],
        config=ImageConfig(
            user="1000:0",
            working_dir="/",
            entrypoint=("/bin/python", f"/opt/jupyter-containerize/guest/{script}.py"),
            labels={LABEL_KIND: kind},
        ),
        platform=Platform("linux", "amd64"),
        created="1970-01-01T00:00:00Z",
    )


class PodFolders:
    """The outputs and the control folder of a pod, real files."""

    def __init__(self, folder):
        self.outputs, self.control = folder / "outputs", folder / "control"
        self.control.mkdir(parents=True)
        for name, data in FILES.items():
            path = self.outputs / name
            path.parent.mkdir(parents=True, exist_ok=True)
            path.write_bytes(data)
        (self.outputs / "link").symlink_to("files/model.bin")

    def step(self, pod, command, send, node):
        """Do one of the guest's steps, as exec in a container would, with the real guest."""
        step, _, *rest = command[3:]
        here = [str(self.control)]
        if step in ("list", "send"):
            here, rest = [*here, str(self.outputs)], rest[1:]
        program = str(Path(guest.__file__).parent / "pod.py")
        words = [sys.executable, "-I", program, step, *here, *rest]
        done = subprocess.run(words, capture_output=True)
        for start in range(0, len(done.stdout), 8192):
            send(1, done.stdout[start : start + 8192])
        if step == "release":
            node.released.add(pod["metadata"]["uid"])
        return done.returncode


class ScriptedLab:
    """A store with one image, a runtime, and a fake cluster whose pods follow a script."""

    def __init__(self, fake, kit, folder):
        self.fake, self.kit, self.folder = fake, kit, folder
        self.store = Store.open(str(folder / "store"))
        self.runtime = KubernetesRuntime()
        self.kubeconfig = fake.kubeconfig(folder, context="kind-test")
        self.image = image(self.store, "training")
        self.pod = PodFolders(folder / "pod")
        self.outputs, self.control = self.pod.outputs, self.pod.control
        self.files = FILES
        self.events = []

    def shared(self, kind):
        """Add an image of a kind to the store."""
        return image(self.store, kind)

    def spec(self, *, cluster=None, **more):
        place = Place(kubeconfig=str(self.kubeconfig))
        options = ClusterOptions(place=place, **(cluster or {}))
        limits = more.pop("limits", Limits(memory_bytes=256 << 20))
        return RunSpec(
            image=self.image.digest, image_name="iris:1", cluster=options, limits=limits, **more
        )

    def node(self, script, **scripts):
        node = self.kit.ScriptedNode(self.fake, training=script, **scripts)
        node.exec["collector"] = self.pod.step
        return node

    def start(self, **spec):
        return self.runtime.start(self.spec(**spec), store=self.store)

    def run(self, **spec):
        started = self.start(**spec)
        return self.runtime.follow(started.id, store=self.store, emit=self.events.append)

    def refused(self, **spec):
        """Start a run that is refused; return why. Nothing of it may be left."""
        with pytest.raises(ContainerizeError) as caught:
            self.start(**spec)
        assert self.fake.all("jobs") == []
        return caught.value

    @property
    def lines(self):
        return [event.text for event in self.events if isinstance(event, LogLine)]

    @property
    def story(self):
        return [event.title for event in self.events if isinstance(event, StepStarted)]


def lines_then(code):
    def script(pod, node):
        for line in LINES:
            yield line
            time.sleep(0.005)
        yield code

    return script


def arrived(run):
    found = {}
    for place, _, names in os.walk(run.outputs):
        for name in names:
            path = os.path.join(place, name)
            if not os.path.islink(path):
                found[os.path.relpath(path, run.outputs)] = Path(path).read_bytes()
    return found


def following_in_a_thread(lab, run):
    ended = []

    def follow():
        ended.append(lab.runtime.follow(run.id, store=lab.store, emit=lab.events.append))

    thread = threading.Thread(target=follow, daemon=True)
    thread.start()

    def wait():
        thread.join(120)
        (done,) = ended
        return done

    return wait


def until(reached, timeout_s=120):
    """Wait for a state."""
    end = time.monotonic() + timeout_s
    while not reached():
        assert time.monotonic() < end, "it did not come"
        time.sleep(0.02)
