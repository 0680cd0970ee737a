"""Real engines for the tests: folders, sockets and a network of their own, as root.

`docker`: Debian bookworm's 20.10 with its classic image store. `docker-containerd`: trixie's
26.1 with the containerd image store, in a chroot that mmdebstrap makes once. `podman`: this
machine's, through its Docker-compatible socket.
"""

from __future__ import annotations

import contextlib
import ctypes
import fcntl
import importlib.util
import io
import json
import os
import shutil
import signal
import socket
import subprocess
import tarfile
import tempfile
import threading
import time
from pathlib import Path

_START_TIMEOUT_S = 180
_CLONE_NEWNET = 0x40000000
#: What maintainer scripts, which do not run, would have linked.
_LINKS = {
    "bin": "usr/bin",
    "sbin": "usr/sbin",
    "lib": "usr/lib",
    "lib64": "usr/lib64",
    "usr/sbin/iptables": "iptables-nft",
    "usr/sbin/ip6tables": "ip6tables-nft",
}
KINDS = ("docker", "docker-containerd", "podman")


class Engine:
    """One engine process, in a network namespace of its own."""

    def __init__(self, folder, kind):
        self.folder = folder
        self.kind = kind
        self.socket = f"unix://{folder}/sock"
        self.process = None

    def docker(self, *arguments, **options):
        """Run the `docker` command against this engine."""
        done = subprocess.run(
            [shutil.which("docker", path="/usr/bin"), "-H", self.socket, *map(str, arguments)],
            capture_output=True,
            text=not isinstance(options.get("input"), bytes),
            check=False,
            timeout=options.pop("timeout", 120),
            **options,
        )
        if done.returncode:
            raise RuntimeError(f"docker {arguments[0]}: {done.stderr}")
        return done.stdout

    def is_up(self):
        with contextlib.suppress(RuntimeError):
            return bool(self.docker("version"))
        return False

    def start(self):
        """Start it, and wait until it answers."""
        command, inside = _COMMANDS[self.kind](self.folder)
        setup = "ip link set lo up && mount --make-rprivate / && "
        with open(f"{self.folder}/log", "ab") as log:
            self.process = subprocess.Popen(
                ["unshare", "-m", "-n", "sh", "-ec", f'{setup}{inside}exec "$@"', "sh", *command],
                stdout=log,
                stderr=log,
                cwd=self.folder,  # conmon leaves files where it is started
            )
        deadline = time.monotonic() + _START_TIMEOUT_S
        while not self.is_up():
            if self.process.poll() is not None or time.monotonic() > deadline:
                with open(f"{self.folder}/log") as log:
                    raise RuntimeError(f"{self.kind} did not start: {log.read()[-2000:]}")
            time.sleep(0.1)

    def stop(self, number=signal.SIGTERM):
        """End it, and wait until it has."""
        self.process.send_signal(number)
        self.process.wait(60)

    def kill(self):
        """End it without a word, as the machine's end would: what it had started ends too."""
        self.process.kill()
        self.process.wait(60)
        with contextlib.suppress(OSError, ValueError):
            os.kill(int(Path(self.folder, "exec/containerd/containerd.pid").read_text()), 9)
        for path in ("pid", "exec/containerd/containerd.pid"):
            Path(self.folder, path).unlink(missing_ok=True)

    def connect(self, port):
        """Return a connection to a port of the engine's loopback."""
        return self.inside(lambda: socket.create_connection(("127.0.0.1", port), 5))

    def listen(self, address="127.0.0.1"):
        """Return a socket that listens on some port of the engine's machine."""
        return self.inside(lambda: socket.create_server((address, 0)))

    def inside(self, make):
        """Return what `make` returns in the engine's network."""
        made = []

        def enter():
            with open(f"/proc/{self.process.pid}/ns/net") as namespace:
                if ctypes.CDLL(None).setns(namespace.fileno(), _CLONE_NEWNET):
                    raise OSError("setns")
            made.append(make())

        thread = threading.Thread(target=enter)  # a namespace belongs to a thread
        thread.start()
        thread.join()
        return made[0]

    def host_image(self, name="host"):
        """Import an image that expects this machine's `/usr` to be mounted; return its name."""
        buffer = io.BytesIO()
        with tarfile.open(fileobj=buffer, mode="w") as tar:
            for link in ("bin", "sbin", "lib", "lib64"):
                entry = tarfile.TarInfo(link)
                entry.type, entry.linkname = tarfile.SYMTYPE, f"usr/{link}"
                tar.addfile(entry)
            for folder, mode in (("usr", 0o755), ("etc", 0o755), ("tmp", 0o1777), ("kit", 0o755)):
                entry = tarfile.TarInfo(folder)
                entry.type, entry.mode = tarfile.DIRTYPE, mode
                tar.addfile(entry)
            entry = tarfile.TarInfo("etc/passwd")
            text = b"root:x:0:0::/root:/bin/sh\njovyan:x:1000:1000::/tmp:/bin/sh\n"
            entry.size = len(text)
            tar.addfile(entry, io.BytesIO(text))
        self.docker("import", "-", name, input=buffer.getvalue())
        return name


def _docker(folder):
    own = ("--data-root", f"{folder}/data", "--exec-root", f"{folder}/exec")
    return ["dockerd", *own, "--pidfile", f"{folder}/pid", "-H", f"unix://{folder}/sock"], ""


def _docker_containerd(folder):
    root = trixie()
    with open(f"{folder}/daemon.json", "w") as file:
        json.dump({"features": {"containerd-snapshotter": True}}, file)
    # The engine's folder has the same path inside, and so do files that tests mount.
    places = " && ".join(
        f"mkdir -p {root}{path} && mount --rbind {path} {root}{path}"
        for path in (folder, "/proc", "/sys", "/dev", "/tmp", "/var/tmp")
    )
    # runc wants a root that is a mount.
    inside = f"mount --rbind {root} {root} && {places} && mkdir -p {root}/run && mount -t tmpfs none {root}/run && export PATH=/usr/sbin:/usr/bin:/sbin:/bin && "
    command, _ = _docker(folder)
    program, *rest = command
    config = ("--config-file", f"{folder}/daemon.json")
    return ["chroot", root, f"/usr/sbin/{program}", *rest, *config], inside


def _podman(folder):
    store = ("--root", f"{folder}/data", "--runroot", f"{folder}/run")
    service = ("system", "service", "--time=0", f"unix://{folder}/sock")
    with open(f"{folder}/containers.conf", "w") as file:
        # Its defaults are more than what root without CAP_SYS_RESOURCE may give away.
        file.write('[containers]\ndefault_ulimits = ["nofile=4096:4096", "nproc=4096:4096"]\n')
    environment = f"export CONTAINERS_CONF={folder}/containers.conf && "
    return ["podman", *store, "--cgroup-manager=cgroupfs", *service], environment


_COMMANDS = {"docker": _docker, "docker-containerd": _docker_containerd, "podman": _podman}


def trixie():
    """Make Debian trixie's docker.io in a folder, once (20 s, 265 MB); return its path."""
    return _extracted("docker-trixie", "docker.io", _LINKS)


def buildx(folder):
    """Return variables by which `docker` is trixie's, with its buildx plugin (10 s, 106 MB, once).

    `folder` gets the command's link and its settings.
    """
    root = Path(_extracted("docker-buildx-trixie", "docker-cli,docker-buildx"))
    (folder / "bin").mkdir(parents=True)
    (folder / "bin/docker").symlink_to(root / "usr/bin/docker")
    plugins = str(root / "usr/libexec/docker/cli-plugins")
    (folder / "config.json").write_text(json.dumps({"cliPluginsExtraDirs": [plugins]}))
    path = f"{folder / 'bin'}{os.pathsep}{os.environ['PATH']}"
    return {"PATH": path, "DOCKER_CONFIG": str(folder)}


def _extracted(name, packages, links=()):
    """Unpack packages of trixie, and what they need, into a folder, once; return its path."""
    source = Path(__file__).parent / "environments.py"
    spec = importlib.util.spec_from_file_location("containerize_test_environments", source)
    environments = importlib.util.module_from_spec(spec)
    spec.loader.exec_module(environments)
    root = environments.folder() / name
    root.parent.mkdir(parents=True, exist_ok=True)
    with open(root.parent / f".{name}.lock", "w") as lock:
        fcntl.flock(lock, fcntl.LOCK_EX)
        if not (root / ".ready").exists():
            shutil.rmtree(root, ignore_errors=True)
            subprocess.run(
                ["mmdebstrap", "--quiet", "--variant=extract", f"--include={packages}",
                 "--dpkgopt=path-exclude=/usr/share/doc/*", "trixie", str(root)],
                check=True,
            )  # fmt: skip
            for link in links:
                if not (root / link).exists():
                    os.symlink(links[link], root / link)
            (root / ".ready").touch()
    return str(root)


@contextlib.contextmanager
def running(kind="docker"):
    """Start an engine; stop it and delete everything of it at the end."""
    with tempfile.TemporaryDirectory(
        prefix="engine-", dir="/var/tmp", ignore_cleanup_errors=True
    ) as folder:
        engine = Engine(folder, kind)
        engine.start()
        try:
            yield engine
        finally:
            if engine.process.poll() is None:
                engine.stop()
