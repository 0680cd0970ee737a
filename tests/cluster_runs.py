"""A cluster with what tests do in it: build, run, serve, ask; by command and by magic.

`Cluster` is a namespace of a real one, `OnFake` the fake. KUBECONFIG names the real cluster, CONTAINERIZE_TEST_REGISTRY a registry that its nodes pull from. Without
one, images are loaded straight into kind, k3d, minikube, k3s or containerd (docs/kubernetes.md).
"""

from __future__ import annotations

import contextlib
import http.client
import json
import os
import re
import secrets
import shutil
import subprocess
import sys
import threading
import time
from collections import Counter
from importlib import metadata
from pathlib import Path
from queue import Empty

from jupyter_client.kernelspec import KernelSpec
from jupyter_client.manager import KernelManager
from packaging.requirements import Requirement

import jupyter_containerize
from jupyter_containerize.model.event import ignore
from jupyter_containerize.model.run import RunSpec
from jupyter_containerize.oci.store import Store
from jupyter_containerize.runtimes import bubblewrap, rootfs
from jupyter_containerize.runtimes.kubernetes import placing

EXAMPLES = Path(__file__).resolve().parent.parent / "examples"
SMALL = ("--memory", "300M", "--cpus", "0.2")
FOR_TENSORFLOW = ("--memory", "1500M", "--cpus", "0.5")


def notebook(cells):
    """Return a notebook of `(source, tags)`."""
    made = [
        {"cell_type": "code", "id": f"cell-{n}", "metadata": {"tags": tags}, "source": source,
         "outputs": [], "execution_count": None}
        for n, (source, tags) in enumerate(cells, 1)
    ]  # fmt: skip
    return {"cells": made, "metadata": {}, "nbformat": 4, "nbformat_minor": 5}


def example(name):
    """Return an example's notebook."""
    return json.loads((EXAMPLES / name / f"{name}.ipynb").read_text())


def files(run):
    """Return the paths of a run's outputs."""
    return {
        os.path.relpath(os.path.join(place, name), run["outputs"])
        for place, _, names in os.walk(run["outputs"])
        for name in names
    }


def cells(name, **values):
    """Return the sources of an example's cells, some of its parameters changed."""
    made = []
    for one in example(name)["cells"]:
        if one["cell_type"] == "code" and "skip" not in one["metadata"].get("tags", ()):
            lines = [
                next((f"{key} = {value}\n" for key, value in values.items() if line.startswith(f"{key} =")), line)
                for line in "".join(one["source"]).splitlines(keepends=True)
            ]  # fmt: skip
            made.append("".join(lines))
    return made


def told_by(text, worker):
    """Return the lines of one worker."""
    mark = f"[worker {worker}] "
    return [line.removeprefix(mark) for line in text.splitlines() if line.startswith(mark)]


def most_likely(answer):
    """Return what tells one model's answer from another's: the probabilities, rounded."""
    return tuple(round(value, 2) for value in next(iter(answer.values()))[0])


#: What a sweep of `rate` over 0.1 and 0.25 gives whose last cell is `rate * 2`.
SWEPT = {
    "rate": {"0": "0.1", "1": "0.25"},
    "state": {"0": "succeeded", "1": "succeeded"},
    "result": {"0": "0.2", "1": "0.5"},
}


class Commands:
    """A store on this machine, and the command line and kernels that know it."""

    def __init__(self, folder, environment):
        self.folder = folder
        self.python = environment
        self.environment = {
            **os.environ,
            "JUPYTER_CONTAINERIZE_STORE": str(folder / "store"),
            "JUPYTER_CONFIG_DIR": str(folder / "config"),
        }

    def call(self, *words):
        return subprocess.run(
            [sys.executable, "-m", "jupyter_containerize", *words],
            env=self.environment, capture_output=True, text=True, timeout=500,
        )  # fmt: skip

    def build(self, name, document, python="bare", command=("build", "--no-execute")):
        """Build a notebook into the image NAME:1."""
        path = self.folder / f"{name}.ipynb"
        path.write_text(json.dumps(document))
        done = self.call(
            command[0], str(path), "--kernel", self.python(python), *command[1:], "-t", f"{name}:1"
        )
        assert done.returncode == 0, done.stdout + done.stderr

    def place(self):
        """Return the options that say where runs go."""
        return []

    def run(self, image, *words, size=SMALL):
        return self.call(
            "run", f"{image}:1", "--runtime", "kubernetes", *self.place(), *size, *words
        )

    def newest(self):
        done = self.call("runs", "--json")
        return json.loads(done.stdout.splitlines()[-1])["data"]["runs"][0]

    @contextlib.contextmanager
    def forwarded(self, run):
        """Let a port of this machine lead to a service; give the port."""
        words = [sys.executable, "-m", "jupyter_containerize", "forward", run]
        with subprocess.Popen(
            words, env=self.environment, stdout=subprocess.PIPE, text=True
        ) as way:
            try:
                yield int(re.search(r"http://127\.0\.0\.1:(\d+) ", way.stdout.readline())[1])
            finally:
                way.terminate()

    @contextlib.contextmanager
    def following(self, run):
        """Follow a log."""
        words = [sys.executable, "-m", "jupyter_containerize", "logs", "-f", run]
        with subprocess.Popen(
            words, env=self.environment, stdout=subprocess.PIPE, text=True
        ) as process:
            try:
                yield Lines(process)
            finally:
                process.kill()

    @contextlib.contextmanager
    def kernel(self, name):
        """A live kernel of an environment that has our package, as a notebook's cells see it."""
        with Kernel(self.python(name), self.folder, self.environment) as live:
            yield live


class Cluster(Commands):
    """A namespace that enforces the `restricted` standard, and a store on this machine."""

    def __init__(self, folder, environment):
        super().__init__(folder, environment)
        self.namespace = f"containerize-{secrets.token_hex(3)}"
        self.registry = os.environ.get("CONTAINERIZE_TEST_REGISTRY", "")

    def __enter__(self):
        self.kubectl("create", "namespace", self.namespace)
        enforce = "pod-security.kubernetes.io/enforce=restricted"
        self.kubectl("label", "namespace", self.namespace, enforce)
        return self

    def __exit__(self, *_):
        self.kubectl("delete", "namespace", self.namespace, "--wait=false")

    def kubectl(self, *words, text=None):
        program = shutil.which("kubectl") or str(Path(sys.executable).parent / "kubectl")
        done = subprocess.run(
            [program, "-n", self.namespace, *words], input=text, capture_output=True, text=True
        )
        assert done.returncode == 0, done.stderr
        return done.stdout

    def place(self):
        return ["--namespace", self.namespace, *self.pulling()]

    def pulling(self):
        return ["--registry", self.registry] if self.registry else []


class OnFake(Commands):
    """The fake cluster, whose node runs processes; images are handed to it from the store, as if loaded."""

    def __init__(self, folder, environment, fake, kit):
        super().__init__(folder, environment)
        # TensorFlow behaves otherwise where it sees pytest's variables, which no kernel has.
        for name in [name for name in self.environment if name.startswith("PYTEST_")]:
            del self.environment[name]
        self.fake = fake
        self.images = {}
        kit.ProcessNode(fake, self.images, networked=True)
        tools = folder / "tools"
        tools.mkdir(parents=True)
        (tools / "kind").write_text("#!/bin/sh\necho nothing is to be loaded >&2; exit 1\n")
        (tools / "kind").chmod(0o755)
        self.environment |= {
            "PATH": f"{tools}:{os.environ['PATH']}",
            "KUBECONFIG": str(fake.kubeconfig(folder, context="kind-test")),
            # Kernels are of environments that have not got our package.
            "PYTHONPATH": str(lent(folder / "lent", "jupyter-containerize", "kubernetes", "isal")),
        }

    def hand(self, name):
        """Let the node have an image of the store."""
        store = Store.open(str(self.folder / "store"))
        image = store.resolve(name)
        fits = bubblewrap.layers_that_fit(store.root, store.root, ["/"])
        root = rootfs.unpacked(image, store=store, fits=fits, emit=ignore)
        there = placing.local_name(image, RunSpec(image=image.digest, image_name=name))
        self.images[there] = (root.layers, image.config.environment)
        listed = self.fake.nodes[0]["status"].setdefault("images", [])
        listed.append({"names": [there]})


def lent(folder, *names):
    """Return a folder for PYTHONPATH with packages of this environment, and all they require."""
    folder.mkdir()
    seen, pending = set(), [*names]
    while pending:
        name = pending.pop()
        if name in seen:
            continue
        seen.add(name)
        with contextlib.suppress(metadata.PackageNotFoundError):
            found = metadata.distribution(name)
            for text in found.requires or ():
                wanted = Requirement(text)
                if wanted.marker is None or wanted.marker.evaluate({"extra": ""}):
                    pending.append(wanted.name)
            for top in {file.parts[0] for file in found.files or ()}:
                source = Path(found.locate_file(top))
                if top != ".." and not top.endswith((".dist-info", ".pth")) and source.exists():
                    with contextlib.suppress(FileExistsError):
                        (folder / top).symlink_to(source)
    with contextlib.suppress(FileExistsError):  # an editable install has no files of its own
        (folder / "jupyter_containerize").symlink_to(Path(jupyter_containerize.__file__).parent)
    return folder


class Kernel:
    """A live kernel; `run(source)` returns what a cell wrote, and raises if it failed."""

    def __init__(self, python, folder, environment):
        folder = folder / secrets.token_hex(3)
        folder.mkdir()
        self.folder = folder
        self.manager = KernelManager()
        argv = [python, "-m", "ipykernel_launcher", "-f", "{connection_file}"]
        self.manager._kernel_spec = KernelSpec(argv=argv, display_name=python, language="python")
        # Nobody activated it, as in most Jupyter servers.
        self.manager.start_kernel(cwd=str(folder), env={**environment, "HOME": str(folder)})
        self.client = self.manager.client()

    def __enter__(self):
        self.client.start_channels()
        self.client.wait_for_ready(timeout=120)
        return self

    def __exit__(self, *_):
        self.client.stop_channels()
        self.manager.shutdown_kernel(now=True)

    def run(self, source, timeout_s=500):
        request = self.client.execute(source)
        told, until = "", time.monotonic() + timeout_s
        while time.monotonic() < until:
            with contextlib.suppress(Empty):
                message = self.client.get_iopub_msg(timeout=1)
                if message["parent_header"].get("msg_id") != request:
                    continue
                kind, content = message["msg_type"], message["content"]
                if kind == "status" and content["execution_state"] == "idle":
                    return told
                if kind == "error":
                    raise AssertionError(told + "\n".join(content["traceback"]))
                told += content.get("text", "") or content.get("data", {}).get("text/plain", "")
        raise AssertionError(f"{source} did not end: {told}")


class Lines:
    """What a process writes."""

    def __init__(self, process):
        self.process = process
        self.seen = []
        threading.Thread(target=lambda: self.seen.extend(process.stdout), daemon=True).start()

    def until(self, reached, timeout_s=120):
        """Go on until `reached(seen)`."""
        until = time.monotonic() + timeout_s
        while not reached([*self.seen]):
            assert time.monotonic() < until, self.seen
            time.sleep(0.1)

    def ended(self, timeout_s=180):
        """Wait for the process' own end; return its exit code."""
        return self.process.wait(timeout_s)


class Load:
    """Asks a service again and again until it is told to end; counts answers and what went wrong."""

    def __init__(self, port, body, answer, *, pause_s=0.02):
        self.pause_s = pause_s
        self.port, self.body, self.answer = port, json.dumps(body), answer
        self.seen = Counter()
        self._over = threading.Event()
        self._thread = threading.Thread(target=self._ask)

    def __enter__(self):
        self._thread.start()
        until = time.monotonic() + 120
        while not self.seen:
            assert time.monotonic() < until, "the service never answered"
            time.sleep(0.1)
        return self

    def __exit__(self, *_):
        self._over.set()
        self._thread.join()

    def until(self, reached, timeout_s=60):
        """Go on until `reached(seen)`."""
        until = time.monotonic() + timeout_s
        while not reached(self.seen):
            assert time.monotonic() < until, self.seen
            time.sleep(0.1)

    def _ask(self):
        until = time.monotonic() + 120
        while not self._over.is_set():
            try:
                connection = http.client.HTTPConnection("127.0.0.1", self.port, timeout=30)
                kind = {"Content-Type": "application/json"}
                connection.request("POST", "/predict", self.body, kind)
                told = connection.getresponse()
                text = told.read()
                assert told.status == 200, (told.status, text)
                self.seen[self.answer(json.loads(text))] += 1
                connection.close()
            except Exception as error:  # noqa: BLE001 - every kind of failure is a lost request
                if self.seen or time.monotonic() > until:
                    self.seen[repr(error)] += 1
                time.sleep(0.2)
            time.sleep(self.pause_s)
