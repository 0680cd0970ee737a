"""A network of pods: a bridge in a network namespace of its own, one more namespace a pod; nothing leaves it.

No rights are needed: it lies in a user namespace, as unprivileged containers have it.
"""

from __future__ import annotations

import os
import socket
import subprocess
import sys
import threading

_BRIDGE = "ip link set lo up && ip link add pods type bridge && ip link set pods up"
#: Runs in the pod's namespace: a connection to one of its ports, over the socket that is its standard input.
_RELAY = """
import socket, sys, threading
outer = socket.socket(fileno=0)
inner = socket.create_connection(("127.0.0.1", int(sys.argv[1])), 10)
inner.settimeout(None)
def copy(source, target):
    try:
        while data := source.recv(1 << 16):
            target.sendall(data)
        target.shutdown(socket.SHUT_WR)
    except OSError:
        pass
threading.Thread(target=copy, args=(outer, inner), daemon=True).start()
copy(inner, outer)
"""


class Network:
    """Gives pods addresses, and names in a hosts file that all of them see."""

    def __init__(self, folder):
        self.hosts = os.path.join(folder, "hosts")
        with open(self.hosts, "w") as file:
            file.write("127.0.0.1 localhost\n")
        self._lock = threading.Lock()
        self._holders = {}
        self._node = _hold(["unshare", "--user", "--map-root-user", "--net"], _BRIDGE)

    def stop(self):
        for holder in [*self._holders.values(), self._node]:
            holder.kill()
            holder.wait()

    def join(self, pod):
        """Give a pod a namespace; return the words that start a program in it."""
        uid, spec = pod["metadata"]["uid"], pod["spec"]
        with self._lock:
            if uid not in self._holders:
                number = len(self._holders) + 2
                self._holders[uid] = self._plugged(number)
                name = f"{pod['metadata']['ownerReferences'][0]['name']}-{_index(pod)}"
                if spec.get("subdomain"):
                    name += f" {name}.{spec['subdomain']}"
                with open(self.hosts, "a") as file:
                    file.write(f"10.0.0.{number} {name}\n")
        return _inside(self._holders[uid])

    def connect(self, pod, port):
        """Return a socket to a port of a pod."""
        here, there = socket.socketpair()
        words = [*_inside(self._holders[pod["metadata"]["uid"]]), sys.executable, "-I", "-S"]
        with there:
            subprocess.Popen(
                [*words, "-c", _RELAY, str(port)], stdin=there, stderr=subprocess.DEVNULL
            )
        return here

    def _plugged(self, number):
        holder = _hold([*_inside(self._node), "unshare", "--net"], "ip link set lo up")
        outside = f"ip link add p{number} type veth peer name eth0 netns {holder.pid}"
        for words, text in (
            (_inside(self._node), f"{outside} && ip link set p{number} master pods up"),
            (_inside(holder), f"ip addr add 10.0.0.{number}/24 dev eth0 && ip link set eth0 up"),
        ):
            subprocess.run([*words, "sh", "-c", text], check=True)
        return holder


def _index(pod):
    return pod["metadata"].get("labels", {}).get("batch.kubernetes.io/job-completion-index", "0")


def _hold(words, text):
    """Start a process whose namespaces others enter; return it when `text` is done in them."""
    made = subprocess.Popen(
        [*words, "sh", "-c", f"{text} && echo done && exec sleep infinity"],
        stdout=subprocess.PIPE,
    )
    assert made.stdout.readline() == b"done\n", "no network namespace can be made"
    return made


def _inside(process):
    return [
        "nsenter", f"--target={process.pid}", "--user", "--net", "--preserve-credentials", "--",
    ]  # fmt: skip
