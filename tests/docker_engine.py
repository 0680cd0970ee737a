"""A real Docker engine for the tests, with folders and a socket of its own."""

from __future__ import annotations

import contextlib
import io
import shutil
import subprocess
import tarfile
import tempfile
import time

_START_TIMEOUT_S = 60


class Engine:
    """Debian's `dockerd`, started as root for one test session."""

    def __init__(self, folder):
        self.folder = folder
        self.socket = f"unix://{folder}/sock"

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


@contextlib.contextmanager
def running():
    """Start an engine; stop it and delete everything of it at the end."""
    with tempfile.TemporaryDirectory(prefix="engine-", ignore_cleanup_errors=True) as folder:
        engine = Engine(folder)
        with open(f"{folder}/log", "wb") as log:
            process = subprocess.Popen(
                [
                    *("dockerd", "--data-root", f"{folder}/data", "--exec-root", f"{folder}/exec"),
                    *("--pidfile", f"{folder}/pid", "-H", engine.socket),
                    # The tests' containers need no network, and the machine's is not ours.
                    *("--iptables=false", "--ip6tables=false", "--bridge=none"),
                ],
                stdout=log,
                stderr=log,
            )
        try:
            deadline = time.monotonic() + _START_TIMEOUT_S
            while not engine.is_up():
                if process.poll() is not None or time.monotonic() > deadline:
                    with open(f"{folder}/log") as log:
                        raise RuntimeError(f"dockerd did not start: {log.read()[-2000:]}")
                time.sleep(0.1)
            yield engine
        finally:
            process.terminate()
            process.wait(60)
