"""Snapshots of small made-up kernels, and of real interpreters on this machine."""

from __future__ import annotations

import base64
import json
import os
import subprocess
from dataclasses import replace
from types import SimpleNamespace

import pytest

from jupyter_containerize.model.files import FileEntry, FileKind
from jupyter_containerize.model.options import PlanOptions
from jupyter_containerize.model.plan import (
    BinaryContent,
    BytecodeContent,
    FileContent,
    FolderContent,
    InlineContent,
    LinkContent,
)
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
FACTS = """
import json, site, sys, sysconfig
p = sysconfig.get_paths()
print(json.dumps(dict(executable=sys.executable, prefix=sys.prefix, base_prefix=sys.base_prefix,
  exec_prefix=sys.exec_prefix, base_exec_prefix=sys.base_exec_prefix, sys_path=sys.path,
  stdlib=p["stdlib"], platstdlib=p["platstdlib"], purelib=p["purelib"], platlib=p["platlib"],
  cache_tag=sys.implementation.cache_tag, version=sys.version.split()[0],
  maps=sorted({l.split(None, 5)[5].strip() for l in open("/proc/self/maps") if ".so" in l}))))
"""


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


@pytest.fixture(scope="session")
def real():
    """`real(python, folder)`: a snapshot of a real interpreter, good enough to start it."""
    return of_interpreter


@pytest.fixture(scope="session")
def materialise():
    """`materialise(plan, root)`: lay the plan's files out in a folder, without `.pyc`."""
    return lay_out


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


# -- real interpreters ------------------------------------------------------------------


def trail(path):
    """Return the links on the way to `path`, and its end."""
    found, pending, here = [], [p for p in path.split("/") if p], ""
    while pending:
        name = pending.pop(0)
        here = os.path.normpath(f"{here}/{name}")
        if os.path.islink(here):
            text = os.readlink(here)
            found.append(link(here, text))
            rest = os.path.normpath(os.path.join(os.path.dirname(here), text)).split("/")
            pending = [p for p in rest if p] + pending
            here = ""
    return [*found, recorded(here)]


def recorded(path):
    status = os.lstat(path)
    if os.path.islink(path):
        return link(path, os.readlink(path))
    return FileEntry(
        path, FileKind.FILE, status.st_size, status.st_mtime_ns, bool(status.st_mode & 0o100)
    )


def tree(folder, *, skip=()):
    for parent, folders, names in os.walk(folder):
        folders[:] = [f for f in folders if f not in ("__pycache__", "test", "tests", *skip)]
        for name in names + [f for f in folders if os.path.islink(f"{parent}/{f}")]:
            yield recorded(f"{parent}/{name}")


def of_interpreter(python, folder):
    """Return a snapshot with the whole standard library and everything in site-packages."""
    environment = {"PATH": "/usr/bin", "HOME": str(folder)}
    facts = json.loads(
        subprocess.run(
            [python, "-c", FACTS], check=True, capture_output=True, cwd=folder, env=environment
        ).stdout
    )
    maps = facts.pop("maps")
    folder = str(folder)
    start = made_up(home=folder, folder=folder)
    interpreter = replace(
        start.interpreter, user_site=None, **{**facts, "sys_path": tuple(facts["sys_path"])},
        real_executable=os.path.realpath(facts["executable"]), site_packages=(facts["purelib"],),
    )  # fmt: skip
    binaries = trail(facts["executable"])
    settings = f"{facts['prefix']}/pyvenv.cfg"
    if os.path.exists(settings):
        binaries.append(recorded(settings))
    libraries = [
        NativeLibrary(os.path.basename(p), p, tuple(trail(p)))
        for p in [*maps, "/lib64/ld-linux-x86-64.so.2"]
        if not p.startswith(facts["stdlib"])
    ]
    purelib = facts["purelib"]
    files = tuple(tree(purelib)) if os.path.isdir(purelib) else ()
    stdlib = tuple(tree(facts["stdlib"], skip=("site-packages", "dist-packages")))
    everything = Distribution(
        "everything", "everything", "1", Origin(OriginKind.INDEX), purelib, files
    )
    return replace(
        start,
        interpreter=interpreter,
        distributions=(everything,) if files else (),
        local_code=(),
        data_files=(),
        libraries=tuple(libraries),
        system_files=(
            SystemFiles(SystemGroup.INTERPRETER, tuple(binaries)),
            SystemFiles(SystemGroup.STDLIB, stdlib),
        ),
    )


def lay_out(plan, root):
    """Write every entry below `root`; a later layer's wins. Compiled files are left out."""
    final = {entry.target: entry for layer in plan.layers for entry in layer.entries}
    for target in sorted(final):
        entry, path = final[target], f"{root}{target}"
        content = entry.content
        if isinstance(content, BytecodeContent):
            continue
        os.makedirs(os.path.dirname(path), exist_ok=True)
        match content:
            case FolderContent():
                os.makedirs(path, exist_ok=True)
            case LinkContent():
                os.symlink(content.to, path)
            case InlineContent() | BinaryContent():
                data = (
                    content.data
                    if isinstance(content, InlineContent)
                    else base64.b64decode(content.base64)
                )
                with open(path, "wb") as stream:
                    stream.write(data)
            case FileContent():
                try:
                    os.link(content.path, path)
                except OSError:
                    with open(content.path, "rb") as source, open(path, "wb") as stream:
                        stream.write(source.read())
                    os.chmod(path, entry.mode)
    return final
