"""Snapshots of small made-up kernels."""

from __future__ import annotations

from types import SimpleNamespace

import pytest

from jupyter_containerize.model.files import FileEntry, FileKind
from jupyter_containerize.model.options import PlanOptions
from jupyter_containerize.model.platform import Platform
from jupyter_containerize.model.snapshot import (
    Cell,
    CellSource,
    DataFile,
    Distribution,
    Interpreter,
    LocalCode,
    NativeLibrary,
    Notebook,
    Origin,
    OriginKind,
    Snapshot,
    SystemFiles,
    SystemGroup,
)

OPTIONS = PlanOptions(guest={"train.py": "print('trained')\n"})


@pytest.fixture(scope="session")
def options():
    return OPTIONS


@pytest.fixture(scope="session")
def small():
    """`small(user=..., ...)`: the snapshot of a made-up venv kernel of that user."""
    return made_up


@pytest.fixture(scope="session")
def make():
    """`make.file(...)`, `make.link(...)`, `make.distribution(...)`: parts of a snapshot."""
    return SimpleNamespace(file=file, link=link, distribution=distribution)


def file(path, size=10, **fields):
    return FileEntry(path, FileKind.FILE, size, 1_600_000_000_000_000_000, **fields)


def link(path, to):
    return FileEntry(path, FileKind.SYMLINK, link=to)


def distribution(name, site, *names, version="1.0", size=10, prefix="", **fields):
    info = f"{site}/{name}-{version}.dist-info"
    files = [file(f"{site}/{path}", size) for path in names or (f"{name}/__init__.py",)]
    files += [file(f"{info}/METADATA"), file(f"{info}/RECORD")]
    if prefix:
        files.append(file(f"{prefix}/bin/{name}", 200, executable=True))
    fields.setdefault("pure", True)
    return Distribution(
        name, name.lower(), version, fields.pop("origin", Origin(OriginKind.INDEX)), site,
        tuple(files), **fields,
    )  # fmt: skip


def made_up(user="anna", *, venv=None, base=None, home=None, folder=None, more=()):
    """Return the snapshot of a venv kernel over a Python in the user's home."""
    home = home or f"/home/{user}"
    venv = venv or f"{home}/work/.venv"
    base = base or f"{home}/.pyenv/versions/3.11.7"
    folder = folder or f"{home}/work"
    site = f"{venv}/lib/python3.11/site-packages"
    interpreter = Interpreter(
        executable=f"{venv}/bin/python",
        real_executable=f"{base}/bin/python3.11",
        version="3.11.7",
        implementation="CPython",
        cache_tag="cpython-311",
        pyc_magic="a70d0d0a",
        prefix=venv,
        base_prefix=base,
        exec_prefix=venv,
        base_exec_prefix=base,
        sys_path=(f"{base}/lib/python3.11", f"{base}/lib/python3.11/lib-dynload", site),
        stdlib=f"{base}/lib/python3.11",
        platstdlib=f"{base}/lib/python3.11",
        purelib=site,
        platlib=site,
        site_packages=(site,),
        user_site=None,
        conda=False,
        markers={"python_version": "3.11"},
        libc=("glibc", "2.36"),
        home=home,
    )
    cells = (
        Cell("a1", 1, "epochs = 2\n", CellSource.EXECUTED, ("parameters",), 1, ()),
        Cell("b2", 2, "open('data.csv').read()", CellSource.EXECUTED, (), 2, ()),
        Cell("c3", 3, "print('never ran')", CellSource.FILE),
    )
    return Snapshot(
        notebook=Notebook(
            "Study.ipynb", f"{folder}/Study.ipynb", folder, cells,
            {"kernelspec": {"name": "python3", "display_name": "Python 3"}, "widgets": {"x": 1}},
        ),
        interpreter=interpreter,
        platform=Platform("linux", "amd64"),
        distributions=(
            distribution("alpha", site, "alpha/__init__.py", "alpha/core.py", prefix=venv),
            distribution("beta", site, "beta.py", requires=("alpha",)),
            distribution("huge", site, "huge/__init__.py", size=30_000_000),
            *more,
        ),
        local_code=(LocalCode("helper", folder, (file(f"{folder}/helper.py", sha256="1" * 64),)),),
        data_files=(DataFile(f"{folder}/data.csv", (file(f"{folder}/data.csv"),), "data.csv"),),
        libraries=(
            NativeLibrary(
                "libz.so.1", "/lib/x86_64-linux-gnu/libz.so.1",
                (link("/lib", "usr/lib"), link("/usr/lib/x86_64-linux-gnu/libz.so.1", "libz.so.1.2"),
                 file("/usr/lib/x86_64-linux-gnu/libz.so.1.2", 100_000)),
                search_path=True, package="zlib1g",
            ),
        ),
        system_files=(
            SystemFiles(
                SystemGroup.INTERPRETER,
                (link(f"{venv}/bin/python", f"{base}/bin/python3.11"), file(f"{venv}/pyvenv.cfg"),
                 file(f"{base}/bin/python3.11", 6_000_000, executable=True)),
            ),
            SystemFiles(
                SystemGroup.STDLIB,
                (file(f"{base}/lib/python3.11/os.py"),),
                (file(f"{base}/lib/python3.11/__pycache__/os.cpython-311.pyc", 20),),
            ),
            SystemFiles(
                SystemGroup.LOADER,
                (link("/lib64", "usr/lib64"),
                 file("/usr/lib64/ld-linux-x86-64.so.2", 200_000, executable=True)),
            ),
            SystemFiles(SystemGroup.IDENTITY, (file("/etc/os-release"), file("/etc/passwd"))),
        ),
        cwd=folder,
    )  # fmt: skip
