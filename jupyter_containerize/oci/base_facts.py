"""What a base image has: its Python, its C library, its users. Read, never run."""

from __future__ import annotations

import posixpath
import re
from collections.abc import Iterator, Mapping
from typing import Any

from ..errors import ContainerizeError
from ..model.base import BaseImage
from ..model.plan import Base
from ..model.platform import Platform
from .tree import Tree

_PATH = "/usr/local/sbin:/usr/local/bin:/usr/sbin:/usr/bin:/sbin:/bin"
#: Where Pythons lie that are not on PATH.
_ALSO = "/usr/local/bin:/usr/bin:/opt/conda/bin:/opt/venv/bin"
_TRIPLETS = {
    "amd64": "x86_64-linux-gnu",
    "arm64": "aarch64-linux-gnu",
    "arm": "arm-linux-gnueabihf",
    "ppc64le": "powerpc64le-linux-gnu",
    "s390x": "s390x-linux-gnu",
    "riscv64": "riscv64-linux-gnu",
}
_NAME = re.compile(r"python(3\.\d+)")
_GLIBC = re.compile(rb"release version (\d+\.\d+)")
_GLIBC_SYMBOL = re.compile(rb"GLIBC_(\d+)\.(\d+)\0")


def examine(tree: Tree, config: Mapping[str, Any], *, base: Base, platform: Platform) -> BaseImage:
    """Return the facts of a base. `config` is its OCI config.

    Errors: `base-without-python`, `base-without-glibc`.
    """
    settings = config.get("config") or {}
    pairs = (str(one).partition("=") for one in settings.get("Env") or ())
    environment = {name: value for name, _, value in pairs}
    path = environment.get("PATH") or _PATH
    python, version, stdlib = _python(tree, f"{path}:{_ALSO}", base)
    folders = list(_library_folders(platform))
    return BaseImage(
        base=base,
        platform=platform,
        python=python,
        python_version=version,
        stdlib=stdlib,
        glibc=_glibc(tree, folders, base),
        environment={**environment, "PATH": path},
        labels={str(k): str(v) for k, v in (settings.get("Labels") or {}).items()},
        passwd=_text(tree, "/etc/passwd"),
        group=_text(tree, "/etc/group"),
        libraries=frozenset(name for folder in folders for name in tree.names(folder)),
        programs=frozenset(name for folder in path.split(":") for name in tree.names(folder)),
    )


def _python(tree: Tree, path: str, base: Base) -> tuple[str, str, str]:
    """Return the interpreter, its minor version and its standard library's folder."""
    for folder in dict.fromkeys(path.split(":")):
        for name in ("python3", "python"):
            program = posixpath.join(folder, name)
            if not tree.is_executable(program):
                continue
            real = tree.resolve(program) or program
            prefix = posixpath.dirname(posixpath.dirname(real))
            match = _NAME.fullmatch(posixpath.basename(real))
            names = [match[0]] if match else list(tree.names(f"{prefix}/lib"))
            for one in names:
                stdlib = f"{prefix}/lib/{one}"
                if _NAME.fullmatch(one) and tree.resolve(f"{stdlib}/os.py"):
                    return real, one.removeprefix("python"), stdlib
    raise ContainerizeError(
        "base-without-python",
        what=f"The base {base.reference} has no Python.",
        why="No python3 with its standard library is on its PATH.",
        fix="Choose a base with Python, such as python:3.11-slim; or --base host.",
    )


def _glibc(tree: Tree, folders: list[str], base: Base) -> str:
    for folder in folders:
        data = tree.read(f"{folder}/libc.so.6")
        if data is None:
            continue
        match = _GLIBC.search(data)
        if match:
            return match[1].decode()
        symbols = [(int(major), int(minor)) for major, minor in _GLIBC_SYMBOL.findall(data)]
        if symbols:
            return ".".join(map(str, max(symbols)))
    musl = any(name.startswith("ld-musl-") for name in tree.names("/lib"))
    raise ContainerizeError(
        "base-without-glibc",
        what=f"The base {base.reference} has no glibc.",
        why=(
            "It is built on musl (as Alpine Linux is), and packages are made for one or the other."
            if musl
            else "There is no libc.so.6 in its library folders."
        ),
        fix="Choose a base of Debian, Ubuntu, Fedora or their like (python:3.11-slim).",
    )


def _library_folders(platform: Platform) -> Iterator[str]:
    triplet = _TRIPLETS.get(platform.architecture, platform.architecture)
    yield from (f"/lib/{triplet}", f"/usr/lib/{triplet}", "/lib64", "/usr/lib64")
    yield from ("/lib", "/usr/lib", "/usr/local/lib", "/opt/conda/lib")


def _text(tree: Tree, path: str) -> str:
    return (tree.read(path) or b"").decode("utf-8", "surrogateescape")
