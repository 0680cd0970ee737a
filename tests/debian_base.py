"""A base image with Debian's Python, made by mmdebstrap; wheels in it stand in for an index.

The engines of the tests reach no network: apt has no sources (what is asked for must be there),
and pip looks for wheels in `/wheels`.
"""

from __future__ import annotations

import fcntl
import importlib.util
import io
import subprocess
import sys
import tarfile
from pathlib import Path

_PACKAGES = "python3,python3-venv"
_PINS = """
from importlib.metadata import distributions
print("\\n".join(f"{one.name}=={one.version}" for one in distributions()))
"""


def _environments():
    source = Path(__file__).parent / "environments.py"
    spec = importlib.util.spec_from_file_location("containerize_test_environments", source)
    module = importlib.util.module_from_spec(spec)
    spec.loader.exec_module(module)
    return module


def root(suite="bookworm"):
    """Make the root file system as a tar, once (a minute at most); return its path."""
    folder = _environments().folder()
    folder.mkdir(parents=True, exist_ok=True)
    path = folder / f"python-{suite}.tar"
    with open(folder / f".{path.name}.lock", "w") as lock:
        fcntl.flock(lock, fcntl.LOCK_EX)
        if not path.exists():
            half = path.with_suffix(".half.tar")
            subprocess.run(
                ["mmdebstrap", "--quiet", "--variant=minbase", f"--include={_PACKAGES}",
                 "--dpkgopt=path-exclude=/usr/share/doc/*", "--dpkgopt=path-exclude=/usr/share/man/*",
                 "--dpkgopt=path-exclude=/usr/share/locale/*",
                 "--customize-hook=rm -f $1/etc/apt/sources.list $1/etc/apt/sources.list.d/*",
                 suite, str(half)],
                check=True,
            )  # fmt: skip
            half.rename(path)
    return path


def wheels(python, name):
    """Fetch the wheels of everything installed in `python`'s environment; return their folder."""
    place = _environments().folder() / f"wheels-{name}"
    with open(place.parent / f".{place.name}.lock", "w") as lock:
        fcntl.flock(lock, fcntl.LOCK_EX)
        if not (place / ".ready").exists():
            pins = subprocess.run(
                [python, "-c", _PINS],
                check=True, capture_output=True, text=True,
            ).stdout  # fmt: skip
            place.mkdir(exist_ok=True)
            (place / "pins.txt").write_text(pins)
            subprocess.run(
                [sys.executable, "-m", "pip", "download", "-q", "--disable-pip-version-check",
                 "--no-deps", "--only-binary=:all:", "--python-version=3.11", "-d", str(place),
                 "-r", str(place / "pins.txt")],
                check=True,
            )  # fmt: skip
            (place / ".ready").touch()
    return place


def load(engine, folder, name="base:1"):
    """Give the engine a base with the wheels in `folder`; return its name."""
    if engine.docker("images", "-q", name):
        return name
    engine.docker("import", root(), "bare-base:1")
    build = "FROM bare-base:1\nCOPY . /wheels/\nRUN mv /wheels/pip.conf /etc/pip.conf\n"
    buffer = io.BytesIO()
    with tarfile.open(fileobj=buffer, mode="w", format=tarfile.GNU_FORMAT) as tar:
        for path in sorted(folder.glob("*.whl")):
            tar.add(path, path.name)
        for file, text in (
            ("Dockerfile", build),
            ("pip.conf", "[global]\nno-index = true\nfind-links = /wheels\n"),
        ):
            entry = tarfile.TarInfo(file)
            entry.size = len(text)
            tar.addfile(entry, io.BytesIO(text.encode()))
    engine.docker("build", "-t", name, "-", input=buffer.getvalue(), timeout=300)
    return name
