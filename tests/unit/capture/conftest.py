"""Environments made of files: what installers leave behind, written by hand."""

from __future__ import annotations

import base64
import hashlib
import os
from pathlib import Path

import pytest

from jupyter_containerize.capture.hashes import Hashes
from jupyter_containerize.model.snapshot import Interpreter

MARKERS = {
    "implementation_name": "cpython",
    "implementation_version": "3.11.7",
    "os_name": "posix",
    "platform_machine": "x86_64",
    "platform_python_implementation": "CPython",
    "platform_release": "",
    "platform_system": "Linux",
    "platform_version": "",
    "python_full_version": "3.11.7",
    "python_version": "3.11",
    "sys_platform": "linux",
}


class World:
    """A Python installation made of folders: a standard library, site folders, a project."""

    def __init__(self, root: Path) -> None:
        self.root = root
        self.stdlib = root / "base/lib/python3.11"
        self.site = root / "venv/lib/python3.11/site-packages"
        self.project = root / "home/project"
        for folder in (self.stdlib, self.site, self.project):
            folder.mkdir(parents=True)
        self.sys_path = [str(self.stdlib), str(self.site)]

    @property
    def interpreter(self) -> Interpreter:
        return Interpreter(
            executable=str(self.root / "venv/bin/python"),
            real_executable=str(self.root / "base/bin/python3.11"),
            version="3.11.7",
            implementation="cpython",
            cache_tag="cpython-311",
            pyc_magic="a70d0d0a",
            prefix=str(self.root / "venv"),
            base_prefix=str(self.root / "base"),
            exec_prefix=str(self.root / "venv"),
            base_exec_prefix=str(self.root / "base"),
            sys_path=tuple(self.sys_path),
            stdlib=str(self.stdlib),
            platstdlib=str(self.stdlib),
            purelib=str(self.site),
            platlib=str(self.site),
            site_packages=(str(self.site),),
            user_site=None,
            conda=False,
            markers=MARKERS,
            home=str(self.root / "home"),
        )

    def install(
        self,
        name,
        files,
        *,
        version="1.0",
        site=None,
        requires=(),
        record=True,
        direct_url="",
        installer="pip",
        metadata="",
        info_files=(),
    ):
        """Put a distribution down as pip does; return its dist-info folder."""
        site = Path(site or self.site)
        info = site / f"{name.replace('-', '_')}-{version}.dist-info"
        lines = [f"Metadata-Version: 2.4\nName: {name}\nVersion: {version}"]
        lines += [f"Requires-Dist: {one}" for one in requires]
        written = dict(files)
        prefix = info.name
        written[f"{prefix}/METADATA"] = "\n".join([*lines, metadata]).rstrip("\n") + "\n\nText.\n"
        written[f"{prefix}/INSTALLER"] = installer
        if direct_url:
            written[f"{prefix}/direct_url.json"] = direct_url
        written.update({f"{prefix}/{key}": text for key, text in dict(info_files).items()})
        rows = []
        for path, text in written.items():
            data = text if isinstance(text, bytes) else text.encode()
            target = Path(os.path.normpath(site / path))
            target.parent.mkdir(parents=True, exist_ok=True)
            target.write_bytes(data)
            digest = base64.urlsafe_b64encode(hashlib.sha256(data).digest()).rstrip(b"=").decode()
            quoted = f'"{path}"' if any(char in path for char in ',"\n') else path
            rows.append(f"{quoted},sha256={digest},{len(data)}")
        if record:
            (info / "RECORD").write_text("\n".join([*rows, f"{prefix}/RECORD,,", ""]))
        return info

    def write(self, path, text=""):
        """Write a file of the project; return its absolute path."""
        target = self.project / path
        target.parent.mkdir(parents=True, exist_ok=True)
        target.write_bytes(text if isinstance(text, bytes) else text.encode())
        return str(target)


@pytest.fixture
def world(tmp_path):
    """A `World` in a folder of its own."""
    return World(tmp_path / "world")


@pytest.fixture
def hashes():
    """Hashes without a memory."""
    return Hashes()
