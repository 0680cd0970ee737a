"""The Keras example, run once in a live kernel of an environment made for it."""

from __future__ import annotations

import contextlib
import importlib.util
import os
import shutil
import subprocess
from collections.abc import Iterator
from pathlib import Path

import nbformat
from jupyter_client import BlockingKernelClient
from jupyter_client.connect import write_connection_file

from jupyter_containerize.capture import kernel
from jupyter_containerize.capture.own_lines import without_own_lines

ROOT = Path(__file__).resolve().parents[1]
NOTEBOOK = ROOT / "examples" / "keras_classifier" / "keras_classifier.ipynb"
_START_S = 120
_CELL_S = 600


def python_of_environment() -> str:
    """Return the Python of the environment that holds what the example requires, made if absent."""
    spec = importlib.util.spec_from_file_location("environments", ROOT / "tests/environments.py")
    if spec is None or spec.loader is None:
        raise FileNotFoundError("tests/environments.py")
    module = importlib.util.module_from_spec(spec)
    spec.loader.exec_module(module)
    return str(module.python_of("keras"))


@contextlib.contextmanager
def live_kernel(python: str, folder: str) -> Iterator[str]:
    """Yield the connection file of a kernel in which all cells have run, watched by the probe.

    It looks as one that Jupyter started: we know nothing of how it began.
    """
    notebook = shutil.copy(NOTEBOOK, folder)
    connection = os.path.join(folder, "kernel.json")
    write_connection_file(connection)
    process = subprocess.Popen(
        [python, "-m", "ipykernel_launcher", "-f", connection],
        cwd=folder,
        env={**os.environ, "JPY_SESSION_NAME": notebook},
        stdout=subprocess.DEVNULL,
        stderr=subprocess.DEVNULL,
    )
    client = BlockingKernelClient(connection_file=connection)
    try:
        client.load_connection_file()
        client.start_channels(hb=False)  # a slow answer is no death
        client.wait_for_ready(timeout=_START_S)
        kernel.attach(connection)
        for cell in nbformat.read(notebook, as_version=4).cells:
            if cell.cell_type == "code":
                source = without_own_lines(cell.source)
                reply = client.execute(source, reply=True, timeout=_CELL_S)
                if reply["content"]["status"] != "ok":
                    raise RuntimeError(f"{reply['content']['ename']}: {reply['content']['evalue']}")
        yield connection
    finally:
        client.stop_channels()
        process.kill()
        process.wait()
