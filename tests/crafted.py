"""An environment with packages of unusual shapes, made on the spot.

Two distributions that share a namespace, an editable install with an entry point, and a C extension.
"""

from __future__ import annotations

import base64
import hashlib
import subprocess
import sys
import sysconfig
import zipfile
from pathlib import Path

GADGET = {
    "pyproject.toml": """
[build-system]
requires = ["hatchling"]
build-backend = "hatchling.build"
[project]
name = "gadget"
version = "2.5"
[project.entry-points."gadget.plugins"]
turner = "gadget:turn"
[tool.hatch.build.targets.wheel]
packages = ["src/gadget"]
""",
    "src/gadget/__init__.py": """
from pathlib import Path

from ._turns import turn

def manual():
    return (Path(__file__).parent / "manual.txt").read_text()
""",
    "src/gadget/_turns.py": "def turn(times):\n    return times * 360\n",
    "src/gadget/manual.txt": "Turn it.\n",
}


def wheel(
    folder: Path, name: str, version: str, files: dict[str, bytes], tag="py3-none-any"
) -> Path:
    """Write a wheel by hand: quick, and every byte of it is known."""
    info = f"{name.replace('-', '_')}-{version}.dist-info"
    files = {
        **files,
        f"{info}/METADATA": f"Metadata-Version: 2.1\nName: {name}\nVersion: {version}\n".encode(),
        f"{info}/WHEEL": f"Wheel-Version: 1.0\nRoot-Is-Purelib: false\nTag: {tag}\n".encode(),
    }
    record = []
    path = folder / f"{name.replace('-', '_')}-{version}-{tag}.whl"
    with zipfile.ZipFile(path, "w") as archive:
        for target, data in files.items():
            digest = base64.urlsafe_b64encode(hashlib.sha256(data).digest()).rstrip(b"=").decode()
            record.append(f"{target},sha256={digest},{len(data)}\n")
            archive.writestr(target, data)
        record.append(f"{info}/RECORD,,\n")
        archive.writestr(f"{info}/RECORD", "".join(record))
    return path


def c_extension(folder: Path, source: Path, python: str) -> bytes:
    """Compile `source` for `python` and return the shared object."""
    include = subprocess.run(
        [python, "-c", "import sysconfig; print(sysconfig.get_path('include'))"],
        check=True, capture_output=True, text=True,
    ).stdout.strip()  # fmt: skip
    target = folder / "extension.so"
    subprocess.run(
        ["gcc", "-shared", "-fPIC", "-O1", f"-I{include}", str(source), "-o", str(target)],
        check=True,
    )
    return target.read_bytes()


def make(folder: Path, base_python: str, notebooks: Path) -> str:
    """Make the environment under `folder`; return its Python."""
    uv = [sys.executable, "-m", "uv"]
    place, wheels, project = folder / "environment", folder / "wheels", folder / "gadget"
    wheels.mkdir(parents=True)
    for name, text in GADGET.items():
        (project / name).parent.mkdir(parents=True, exist_ok=True)
        (project / name).write_text(text.lstrip())
    subprocess.run([*uv, "venv", "-q", "--python", base_python, str(place)], check=True)
    python = str(place / "bin" / "python")
    extension = c_extension(folder, notebooks / "c_extension" / "fastsum.c", python)
    suffix = sysconfig.get_config_var("EXT_SUFFIX")
    made = [
        wheel(
            wheels, "acme-alpha", "1.0", {"acme/alpha/__init__.py": b"def first():\n    return 1\n"}
        ),
        wheel(wheels, "acme-beta", "2.0", {"acme/beta.py": b"def second():\n    return 2\n"}),
        wheel(wheels, "fastsum", "0.1", {f"fastsum{suffix}": extension}),
    ]
    subprocess.run(
        [*uv, "pip", "install", "-q", "--python", python, "--compile-bytecode", "ipykernel",
         *map(str, made), "-e", str(project)],
        check=True,
    )  # fmt: skip
    return python
