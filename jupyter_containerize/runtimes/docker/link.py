"""What ties a run's folder to its container: which engine, which container, who watches."""

from __future__ import annotations

import contextlib
import json
import os
import subprocess
import sys
import threading
from dataclasses import dataclass

from ...engine.address import Address
from ...model.codec import from_json, to_json
from ...oci.disk import write_atomically

#: In a run's folder until its container is gone.
ENGINE_FILE = "engine.json"
_WATCHER = """\
import sys
sys.path.append(sys.argv.pop(1))
from jupyter_containerize.runtimes.docker.watcher import main
sys.exit(main())
"""
_PACKAGE_PARENT = os.path.abspath(os.path.join(os.path.dirname(__file__), *[os.pardir] * 3))


@dataclass(frozen=True, slots=True)
class Link:
    """The container of a run. No secret is in it: keys of a TLS connection stay in their files."""

    address: Address
    container: str

    def write(self, folder: str) -> None:
        """Keep it in the run's folder."""
        write_atomically(os.path.join(folder, ENGINE_FILE), json.dumps(to_json(self)).encode())

    @classmethod
    def read(cls, folder: str) -> Link | None:
        """Return the link of the run in `folder`, None where there is no container any more."""
        try:
            with open(os.path.join(folder, ENGINE_FILE), encoding="ascii") as file:
                return from_json(cls, json.load(file))
        except FileNotFoundError:
            return None

    @staticmethod
    def cut(folder: str) -> None:
        """Forget the container: it has been removed."""
        with contextlib.suppress(FileNotFoundError):
            os.unlink(os.path.join(folder, ENGINE_FILE))


def watch(folder: str, lock: int) -> None:
    """Start the process that sees to the run's end, and hand it the run's lock."""
    with open(os.path.join(folder, "supervisor.log"), "ab") as log:
        process = subprocess.Popen(
            # Isolated from what the user's environment does to Python, but with its packages.
            [sys.executable, "-I", "-c", _WATCHER, _PACKAGE_PARENT, folder, str(lock)],
            stdin=subprocess.DEVNULL,
            stdout=log,
            stderr=log,
            pass_fds=(lock,),
            start_new_session=True,
            cwd="/",
        )
    os.close(lock)
    # Nobody waits for it; a thread that does keeps it from staying a zombie.
    threading.Thread(target=process.wait, daemon=True).start()
