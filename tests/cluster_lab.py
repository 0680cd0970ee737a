"""What tests of clusters share: an image in a store, and a pod's folders that the real guest lists and sends."""

from __future__ import annotations

import subprocess
import sys
from pathlib import Path

from jupyter_containerize import guest
from jupyter_containerize.model.image import Layer
from jupyter_containerize.model.plan import LABEL_KIND, ImageConfig
from jupyter_containerize.model.platform import Platform

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
