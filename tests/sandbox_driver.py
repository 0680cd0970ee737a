"""Runs as another user or in a container: makes an image, runs it, prints what it met as JSON.

Arguments: the store's folder, the isolation's name, whether to use Landlock (0 or 1), and a
folder that no image has, with the files `secret.txt` and `program`.
"""

import json
import os
import sys
import time
from pathlib import Path

import tiny_images

from jupyter_containerize.errors import ContainerizeError
from jupyter_containerize.model.run import Isolation, Limits, Mount, RunSpec
from jupyter_containerize.oci.store import Store
from jupyter_containerize.runtimes import confinement
from jupyter_containerize.runtimes.sandbox import SandboxRuntime

root, kind, landlock, outside = sys.argv[1:]
if landlock == "0":
    confinement.has_landlock = lambda: False
probe = Path(__file__).with_name("escape_probe.py").read_text()
store = Store.open(root)
runtime = SandboxRuntime()
isolation = Isolation(kind) if kind != "auto" else None
python = tiny_images.python_files(
    "ctypes", "json", "mmap", "os", "socket", "struct", "errno", "signal"
)
image = tiny_images.image(store, python).digest
small = tiny_images.image(store).digest


def run(script, *, which=small, **spec):
    entrypoint = ("/bin/sh", "-c", script) if isinstance(script, str) else script
    started = runtime.start(
        RunSpec(image=which, isolation=isolation, entrypoint=entrypoint, **spec), store=store
    )
    ended = runtime.wait(started.id, store=store, timeout_s=60)
    return ended, "".join(runtime.logs(ended.id, store=store))


found = {
    "uid": os.getuid(),
    "landlock": confinement.landlock_version(),
    "checks": [str(check) for check in runtime.checks()],
}
try:
    hello, log = run("echo hello; id -u; echo 1 > /outputs/made; echo 2 > data.csv; cat data.csv")
    found["hello"] = [hello.state.value, log, hello.isolation.value]
    found["outputs"] = os.stat(os.path.join(hello.outputs, "made")).st_uid
    found["read only"] = [
        run(f"echo 1 > {place}/x")[0].exit_code for place in ("", "/bin", "/etc", "/home")
    ]
    found["again"] = run("cat data.csv")[1]
    escaped, log = run(
        ("/bin/python", "-I", "-S", "-c", probe, outside, str(os.getppid())), which=image
    )
    found["probe"] = json.loads(log.splitlines()[-1]) if escaped.exit_code == 0 else log
    greedy, _ = run(
        "dd if=/dev/zero of=/dev/null bs=300M count=10000",
        limits=Limits(memory_bytes=100_000_000),
    )
    found["memory"] = greedy.reason
    mounted, log = run(
        "cat /in/secret.txt; echo x > /in/secret.txt",
        mounts=(Mount(outside, "/in", read_only=True),),
    )
    found["mount"] = [log.splitlines()[0], mounted.exit_code]
    slow = runtime.start(
        RunSpec(image=small, isolation=isolation, entrypoint=("/bin/sleep", "100")), store=store
    )
    time.sleep(0.3)
    found["stopped"] = runtime.stop(slow.id, store=store, grace_s=5).state.value
    found["files left"] = sorted(os.listdir(store.runs_folder))
    for one in runtime.list(store=store):
        runtime.remove(one.id, store=store)
    found["files left"] = sorted(os.listdir(store.runs_folder))
except ContainerizeError as error:
    found["error"] = error.to_json()
print(json.dumps(found))
