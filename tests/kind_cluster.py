"""A fake cluster that images are loaded into as `kind` does, and whose pods are real processes."""

from __future__ import annotations

import json
import os
import tarfile

#: Stands for `kind`: keeps what it was given, as the nodes' image store does.
KIND = """\
#!/bin/sh
for last; do :; done
cp "$last" "$KIND_STORE/$(date +%s%N).tar"
"""


class KindCluster:
    """A fake cluster of kind's kind: images are loaded into its node, whose pods are real processes.

    `variables` are what a program needs to know it; `networked`: its pods can be reached.
    """

    def __init__(self, fake, kit, folder, *, networked=False):
        self.fake, self.folder, self.images = fake, folder, {}
        self.node = kit.ProcessNode(fake, self.images, networked=networked)
        self.kubeconfig = fake.kubeconfig(folder, context="kind-test")
        tools = folder / "tools"
        tools.mkdir()
        (tools / "kind").write_text(KIND)
        (tools / "kind").chmod(0o755)
        (folder / "loaded").mkdir()
        self.variables = {
            "PATH": f"{tools}:{os.environ['PATH']}",
            "KIND_STORE": str(folder / "loaded"),
            "KUBECONFIG": str(self.kubeconfig),
        }
        fake.objects.listeners.insert(0, self._unpack_images)

    def _unpack_images(self, kind, collection, item):
        """As a node does when a pod comes: find its image, by the name in the archive."""
        for path in (self.folder / "loaded").glob("*.tar"):
            with tarfile.open(path) as archive:
                entry = json.load(archive.extractfile("manifest.json"))[0]
                if entry["RepoTags"][0] in self.images:
                    continue
                config = json.load(archive.extractfile(entry["Config"]))
                rootfs = self.folder / entry["Config"].removesuffix(".json")
                for layer in entry["Layers"]:
                    with tarfile.open(fileobj=archive.extractfile(layer)) as content:
                        content.extractall(rootfs, filter="tar")
            values = dict(pair.split("=", 1) for pair in config["config"].get("Env") or ())
            self.images[entry["RepoTags"][0]] = ([str(rootfs)], values)
