"""Nodes whose containers are real processes under bubblewrap, in the unpacked image."""

from __future__ import annotations

import contextlib
import os
import shutil
import subprocess
import tempfile
import threading
import time

from jupyter_containerize.runtimes import bubblewrap

from .network import Network
from .nodes import Log, Node
from .objects import StatusError, now


class ProcessNode(Node):
    """Containers are processes; volumes are folders. `networked`: pods have addresses and names.

    `images` maps a reference to the folders of its root (bottom first) and its environment.
    """

    def __init__(self, fake, images, *, networked=False):
        super().__init__(fake)
        self.images = images
        self.folder = tempfile.mkdtemp(prefix="containerize-node-", dir="/var/tmp")
        self.network = Network(self.folder) if networked else None
        self._processes = {}

    def stop(self):
        super().stop()
        for process in list(self._processes.values()):
            process.kill()
            process.wait()  # what still writes would keep the folder
        if self.network is not None:
            self.network.stop()
        shutil.rmtree(self.folder, ignore_errors=True)

    def connect(self, pod, port):
        """Return a socket to a port of a pod."""
        return self.network.connect(pod, port)

    def run(self, pod):
        uid = pod["metadata"]["uid"]
        spec = pod["spec"]
        self.status(pod, spec={"nodeName": "node-a"}, phase="Pending")
        for container in spec.get("initContainers", ()):
            self.status(pod, inits={container["name"]: {"running": {"startedAt": now()}}})
            process = self._start(pod, container)
            code = process.wait()
            time.sleep(0.05)
            lines = b"".join(
                line for _, line in self.logs[uid, container["name"]].read(follow=False)
            )
            ended = {
                "exitCode": code,
                "reason": "Completed" if not code else "Error",
                "finishedAt": now(),
            }
            ended["message"] = lines.decode()[-2048:]  # as FallbackToLogsOnError has it
            self.status(pod, inits={container["name"]: {"terminated": ended}})
            if code:
                self.status(pod, phase="Failed")
                return
        processes = {one["name"]: self._start(pod, one) for one in spec["containers"]}
        self.status(
            pod, phase="Running",
            containers={name: {"running": {"startedAt": now()}} for name in processes},
        )  # fmt: skip
        for container in spec["containers"]:
            if "readinessProbe" in container:
                threading.Thread(target=self._probe, args=(pod, container), daemon=True).start()
        codes = {}
        while len(codes) < len(processes):
            for name, process in processes.items():
                if name not in codes and process.poll() is not None:
                    code = process.returncode
                    codes[name] = 128 - code if code < 0 else code
                    self.logs[uid, name].end()
                    ended = {
                        "exitCode": codes[name], "reason": "Error" if code else "Completed",
                        "finishedAt": now(),
                    }  # fmt: skip
                    self.status(pod, containers={name: {"terminated": ended}})
            time.sleep(0.02)
        self.status(pod, phase="Failed" if any(codes.values()) else "Succeeded")

    def terminate(self, pod):
        for container in pod["spec"]["containers"]:
            process = self._processes.get((pod["metadata"]["uid"], container["name"]))
            if process is not None and process.poll() is None:
                threading.Thread(
                    target=self._end, args=(pod, container, process), daemon=True
                ).start()

    def _end(self, pod, container, process):
        hook = container.get("lifecycle", {}).get("preStop")
        if hook is not None:
            words = self._command(pod, container, hook["exec"]["command"])
            before = self._processes[pod["metadata"]["uid"], "preStop"] = subprocess.Popen(words)
            before.wait()
        process.terminate()

    def _probe(self, pod, container):
        """Ask a container whether it is ready, again and again, and write the answer down."""
        process = self._processes[pod["metadata"]["uid"], container["name"]]
        asked = container["readinessProbe"]["httpGet"]
        port = next(
            one["containerPort"] for one in container["ports"] if one["name"] == asked["port"]
        )
        known = None
        with contextlib.suppress(StatusError):  # the pod is gone
            while process.poll() is None and not self._stopped.is_set():
                ready = "True" if self._answers(pod, port, asked["path"]) else "False"
                if ready != known:
                    self.status(pod, conditions=[{"type": "Ready", "status": ready}])
                known = ready
                time.sleep(1.0)

    def _answers(self, pod, port, path):
        with contextlib.suppress(OSError), self.connect(pod, port) as there:
            there.settimeout(5)
            there.sendall(f"GET {path} HTTP/1.0\r\n\r\n".encode())
            return b" 200 " in there.recv(64)
        return False

    def _start(self, pod, container):
        key = (pod["metadata"]["uid"], container["name"])
        log = self.logs[key] = Log()
        process = subprocess.Popen(
            self._command(pod, container, container["command"]),
            stdout=subprocess.PIPE, stderr=subprocess.STDOUT,
        )  # fmt: skip
        self._processes[key] = process
        threading.Thread(target=self._copy, args=(process.stdout, log), daemon=True).start()
        return process

    @staticmethod
    def _copy(stream, log):
        for line in stream:
            log.write(line)

    def _command(self, pod, container, command):
        folders, environment = self.images[container["image"]]
        place = os.path.join(self.folder, pod["metadata"]["uid"])
        words = [
            *(self.network.join(pod) if self.network else ()),
            bubblewrap.program(),
            "--die-with-parent",
            "--unshare-user",
            "--unshare-pid",
            "--unshare-ipc",
            *(() if self.network else ("--unshare-net",)),
        ]
        for folder in folders:
            words += ["--overlay-src", folder]
        words += ["--tmp-overlay", "/", "--proc", "/proc", "--dev", "/dev"]
        words += ["--uid", "1000", "--gid", "0"]
        if self.network:
            words += ["--ro-bind", self.network.hosts, "/etc/hosts"]
        mounts = sorted(container.get("volumeMounts", ()), key=lambda one: one["mountPath"])
        for mount in mounts:
            source = os.path.join(place, mount["name"], mount.get("subPath", ""))
            os.makedirs(source, exist_ok=True)
            words += ["--bind", source, mount["mountPath"]]
        words += ["--remount-ro", "/", "--chdir", container.get("workingDir", "/"), "--clearenv"]
        values = dict(environment)
        for one in container.get("env", ()):
            values[one["name"]] = self._value(pod, one)
        for name, value in values.items():
            words += ["--setenv", name, value]
        return [*words, "--", *command]

    def _value(self, pod, variable):
        if "value" in variable:
            return variable["value"].replace("$$(", "$(")
        reference = variable["valueFrom"]["secretKeyRef"]
        namespace = pod["metadata"]["namespace"]
        until = time.monotonic() + 5
        while time.monotonic() < until:  # the kubelet tries again too
            secret = self.fake.objects.items.get(
                (f"/api/v1/namespaces/{namespace}/secrets", reference["name"])
            )
            if secret is not None:
                return secret["stringData"][reference["key"]]
            time.sleep(0.02)
        raise AssertionError(f"there is no secret {reference['name']}")

    def execute(self, pod, container, command, send):
        one = next(c for c in pod["spec"]["containers"] if c["name"] == container)
        process = subprocess.Popen(
            self._command(pod, one, command), stdout=subprocess.PIPE, stderr=subprocess.PIPE
        )
        try:
            while data := process.stdout.read1(1 << 15):
                send(1, data)
            complaint = process.stderr.read()
            if complaint:
                send(2, complaint)
        finally:
            if process.poll() is None and process.stdout.closed:
                process.kill()
        return process.wait()
