"""What the kubernetes runtime costs this machine: rendering, starting, following 100 pods.

The cluster is tests/fake_cluster, in a process of its own: what is measured is the client.
"""

# ruff: noqa: ANN001, ANN003, ANN201, ANN202, PLR2004 - a script of measurements, its limits beside them
from __future__ import annotations

import importlib.util
import json
import multiprocessing
import resource
import subprocess
import sys
import tempfile
import time
from pathlib import Path

from table import Row, markdown

from jupyter_containerize.model.cluster import ClusterOptions, Place
from jupyter_containerize.model.event import LogLine
from jupyter_containerize.model.image import Layer
from jupyter_containerize.model.plan import LABEL_KIND, ImageConfig
from jupyter_containerize.model.platform import Platform
from jupyter_containerize.model.run import Limits, RunSpec
from jupyter_containerize.oci.store import Store
from jupyter_containerize.runtimes.kubernetes import placing
from jupyter_containerize.runtimes.kubernetes.manifests.plan import Training
from jupyter_containerize.runtimes.kubernetes.manifests.pods import PodImage
from jupyter_containerize.runtimes.kubernetes.manifests.training import objects
from jupyter_containerize.runtimes.kubernetes.runtime import KubernetesRuntime

TESTS = Path(__file__).parents[1] / "tests"
PODS, SECONDS, LINES_A_SECOND = 100, 15, 1
CONFIG = ImageConfig(
    user="1000:0",
    working_dir="/",
    entrypoint=("/bin/python", "/opt/jupyter-containerize/guest/train.py"),
    labels={LABEL_KIND: "training"},
)


def fake_cluster():
    folder = TESTS / "fake_cluster"
    spec = importlib.util.spec_from_file_location(
        "containerize_fake_cluster",
        folder / "__init__.py",
        submodule_search_locations=[str(folder)],
    )
    sys.modules[spec.name] = importlib.util.module_from_spec(spec)
    spec.loader.exec_module(sys.modules[spec.name])
    return sys.modules[spec.name]


def serve(folder, told):
    kit = fake_cluster()

    def script(pod, node):
        for number in range(SECONDS * LINES_A_SECOND):
            yield f"[{number}/{SECONDS}] epoch {number} of a training that says one line a second\n"
            time.sleep(1 / LINES_A_SECOND)
        node.released.add(pod["metadata"]["uid"])
        yield 0

    large = kit.server.node("large", cpu="1000", memory="1000Gi")
    with kit.FakeCluster(nodes=[large], validate=False) as fake:
        kit.ScriptedNode(fake, training=script).exec["collector"] = lambda *_: 1
        told.put(str(fake.kubeconfig(Path(folder), context="kind-test")))
        time.sleep(SECONDS * 4)


def package_ms():
    """Return what the import of our package takes in a fresh process; the best of five."""
    code = "import time; t = time.perf_counter(); import jupyter_containerize; print(time.perf_counter() - t)"
    words = [sys.executable, "-c", code]
    told = [subprocess.run(words, capture_output=True, text=True, check=True) for _ in range(5)]
    return min(float(one.stdout) for one in told) * 1000


def render_ms(workers):
    spec = RunSpec(image="sha256:" + "a" * 64, image_name="iris:1", workers=workers)
    training = Training("iris-12ab34cd", "12ab34cd", spec, PodImage("r/iris@sha256:0", CONFIG))
    times = []
    for _ in range(20):
        began = time.perf_counter()
        json.dumps(objects(training))
        times.append((time.perf_counter() - began) * 1000)
    return sorted(times)[10]


def main():
    placing.loader_of = lambda _: placing.Loader("kind", ("true",))
    folder = tempfile.mkdtemp()
    told = multiprocessing.Queue()
    server = multiprocessing.Process(target=serve, args=(folder, told), daemon=True)
    server.start()
    kubeconfig = told.get()
    store = Store.open(f"{folder}/store")
    blob = store.put_blob(b"\0" * 1024)
    layer = Layer(digest=blob.digest, diff_id=blob.digest, size_bytes=blob.size_bytes)
    image = store.add_image(
        layers=[layer],
        config=CONFIG,
        platform=Platform("linux", "amd64"),
        created="1970-01-01T00:00:00Z",
    )
    runtime = KubernetesRuntime()
    place = Place(kubeconfig=kubeconfig)

    def spec(**more):
        options = ClusterOptions(place=place, **more.pop("cluster", {}))
        return RunSpec(
            image=image.digest, image_name="iris:1", cluster=options,
            limits=Limits(memory_bytes=1 << 28, cpus=0.1), **more,
        )  # fmt: skip

    began = time.perf_counter()
    import kubernetes  # noqa: F401, PLC0415 - what the import costs is a number

    import_s = time.perf_counter() - began
    runtime.start(spec(), store=store)
    began = time.perf_counter()
    runtime.start(spec(), store=store)
    start_s = time.perf_counter() - began
    values = tuple(str(number) for number in range(PODS))
    run = runtime.start(spec(cluster={"sweep": {"lr": values}}), store=store)
    lines, memory = [0], []

    def emit(event):
        if isinstance(event, LogLine):
            lines[0] += 1
            if lines[0] % 100 == 0:
                memory.append(resident())

    began, used = time.perf_counter(), time.process_time()
    watch = {"cpu": None}

    def until_lines(event):
        emit(event)
        if lines[0] >= PODS * (SECONDS - 2) and watch["cpu"] is None:
            watch["cpu"] = (time.process_time() - used) / (time.perf_counter() - began)

    runtime.follow(run.id, store=store, emit=until_lines)
    server.terminate()
    growth = (memory[-1] - memory[len(memory) // 4]) / 1e6
    print(
        markdown(
            [
                Row(
                    "deciding and rendering a run of 100 workers",
                    f"{render_ms(100):.2f} ms",
                    target="≤ 50 ms",
                    met=render_ms(100) <= 50,
                ),
                Row(
                    "`import jupyter_containerize`, which imports no client",
                    f"{package_ms():.1f} ms",
                    target="≤ 100 ms",
                    met=package_ms() <= 100,
                ),
                Row("importing the client, once", f"{import_s:.2f} s"),
                Row(
                    "from an image that the nodes have to a Job that is created, on loopback",
                    f"{start_s:.3f} s",
                    target="≤ 0.5 s",
                    met=start_s <= 0.5,
                ),
                Row(
                    f"following {PODS} pods, {LINES_A_SECOND} line a second each",
                    f"{watch['cpu']:.1%} of a core; memory {growth:+.1f} MB over three quarters of it, {lines[0]:,} lines",
                    target="≤ 10 %, flat",
                    met=watch["cpu"] <= 0.1 and growth < 5,
                ),
            ]
        )
    )


def resident():
    with open("/proc/self/statm") as file:
        return int(file.read().split()[1]) * resource.getpagesize()


if __name__ == "__main__":
    main()
