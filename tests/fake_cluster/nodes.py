"""Nodes: pods whose containers follow a script (`processes` has the real ones)."""

from __future__ import annotations

import contextlib
import threading
import time
from datetime import datetime, timezone

from .objects import StatusError, now

PODS = "/api/v1/namespaces/{}/pods"


class Log:
    """What a container wrote, line by line with its time."""

    def __init__(self):
        self._lines = []
        self._ended = False
        self._news = threading.Condition()

    def write(self, line):
        stamp = datetime.now(timezone.utc).strftime("%Y-%m-%dT%H:%M:%S.%f000Z")
        with self._news:
            self._lines.append((stamp, line if isinstance(line, bytes) else line.encode()))
            self._news.notify_all()

    def end(self):
        with self._news:
            self._ended = True
            self._news.notify_all()

    def read(self, *, follow):
        position = 0
        while True:
            with self._news:
                fresh = self._lines[position:]
                position += len(fresh)
                if not fresh:
                    if self._ended or not follow:
                        return
                    self._news.wait(0.2)
            yield from fresh


class Node:
    """Common to both: statuses of pods, a thread a pod."""

    def __init__(self, fake):
        self.fake = fake
        fake.kubelet = self
        self.logs = {}
        self._stopped = threading.Event()
        fake.objects.listeners.append(self._changed)

    def stop(self):
        self._stopped.set()

    def log(self, pod, container):
        return self.logs.get((pod["metadata"]["uid"], container))

    def _changed(self, kind, collection, item):
        if collection.endswith("/pods") and kind == "ADDED":
            threading.Thread(target=self._safely, args=(item,), daemon=True).start()
        if collection.endswith("/pods") and kind == "DELETED":
            self.terminate(item)

    def _safely(self, pod):
        with contextlib.suppress(StatusError):  # the pod was deleted meanwhile
            self.run(pod)

    def terminate(self, pod):
        pass

    def status(self, pod, **change):
        """Merge into a pod's status; `containers` maps names to states."""

        def merge(item):
            status = item["status"]
            for key in ("containers", "inits"):
                field = {"containers": "containerStatuses", "inits": "initContainerStatuses"}[key]
                for name, state in change.get(key, {}).items():
                    listed = status.setdefault(field, [])
                    entry = next((one for one in listed if one["name"] == name), None)
                    if entry is None:
                        image = item["spec"]["containers"][0]["image"]
                        entry = {"name": name, "image": image}
                        listed.append(entry)
                    entry["state"] = state
                    entry["ready"] = "running" in state
            for name, value in change.items():
                if name not in ("containers", "inits", "spec"):
                    status[name] = value
            item["spec"].update(change.get("spec", {}))
            return item

        namespace = pod["metadata"]["namespace"]
        return self.fake.objects.update(PODS.format(namespace), pod["metadata"]["name"], merge)


class ScriptedNode(Node):
    """A container does what `script(pod, container, node)` does, a generator of lines and of its end.

    It yields texts (log lines), `("status", {...})`, and at last an exit code, or
    `("end", {terminated state})`. Containers without a script wait for `release` by exec.
    """

    def __init__(self, fake, **scripts):
        super().__init__(fake)
        self.scripts = scripts
        self.released = set()
        self.executed = []
        self.exec = {}
        self._ended = {}

    def run(self, pod):
        begin = self.scripts.get("pod")
        if begin is not None and begin(pod, self) is False:
            return
        names = [one["name"] for one in pod["spec"]["containers"]]
        waiting = {name: {"waiting": {"reason": "ContainerCreating"}} for name in names}
        self.status(pod, containers=waiting, spec={"nodeName": "node-a"})
        threads = [
            threading.Thread(target=self._container, args=(pod, n), daemon=True) for n in names
        ]
        for thread in threads:
            thread.start()
        for thread in threads:
            thread.join()
        failed = any(self._ended.get((pod["metadata"]["uid"], name), 0) for name in names)
        with contextlib.suppress(StatusError):
            self.status(pod, phase="Failed" if failed else "Succeeded")

    def _container(self, pod, name):
        key = (pod["metadata"]["uid"], name)
        log = self.logs[key] = Log()
        started = now()
        state = {"terminated": {"exitCode": 0, "reason": "Completed", "finishedAt": now()}}
        try:
            self.status(
                pod, phase="Running", containers={name: {"running": {"startedAt": started}}}
            )
            script = self.scripts.get(name)
            if script is None:
                while pod["metadata"]["uid"] not in self.released and not self._stopped.is_set():
                    time.sleep(0.02)
                    if (
                        PODS.format(pod["metadata"]["namespace"]),
                        pod["metadata"]["name"],
                    ) not in self.fake.objects.items:
                        return
            else:
                for step in script(pod, self):
                    if isinstance(step, int):
                        reason = "Error" if step else "Completed"
                        state = {
                            "terminated": {"exitCode": step, "reason": reason, "finishedAt": now()}
                        }
                    elif isinstance(step, tuple) and step[0] == "end":
                        state = {"terminated": {"finishedAt": now(), **step[1]}}
                    elif isinstance(step, tuple):
                        self.status(pod, **step[1])
                    else:
                        log.write(step)
            self._ended[key] = state["terminated"]["exitCode"]
            log.end()
            self.status(pod, containers={name: state})
        except StatusError:
            log.end()

    def execute(self, pod, container, command, send):
        self.executed.append((pod["metadata"]["name"], container, command))
        answer = self.exec.get(container)
        if answer is not None:
            return answer(pod, command, send, self)
        if command[-2:-1] == ["release"] or "release" in command:
            self.released.add(pod["metadata"]["uid"])
        return 0
