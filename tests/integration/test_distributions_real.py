"""Environments as installers and distributions of Linux really make them."""

import glob
import json
import os
import subprocess
import sys
import sysconfig

import nbformat
import pytest

from jupyter_containerize.capture import assemble
from jupyter_containerize.capture.probe import facts
from jupyter_containerize.model.options import CaptureOptions
from jupyter_containerize.model.snapshot import OriginKind
from jupyter_containerize.oci.store import Store

BASE = getattr(sys, "_base_executable", sys.executable)
UV = [sys.executable, "-m", "uv"]
DEBIAN = "/usr/bin/python3"

#: Runs in the Python under test: imports modules as a cell would, and tells what a probe tells.
REPORT = f"""
import importlib, importlib.util, json, os, sys
spec = importlib.util.spec_from_file_location("facts", {facts.__file__!r})
facts = importlib.util.module_from_spec(spec)
spec.loader.exec_module(facts)
before = set(sys.modules)
for name in sys.argv[1:]:
    importlib.import_module(name)
fresh = {{name: 1 for name in sys.modules if name not in before}}
print(json.dumps({{"python": facts.interpreter(), "modules": facts.modules(fresh)}}))
"""


@pytest.fixture
def snapshot(tmp_path):
    """`snapshot(python, "import a", imports=["a"])`: what a notebook in that Python is."""
    project = tmp_path / "project"
    project.mkdir()
    store = Store.open(str(tmp_path / "store"))

    def run(python, source, *, imports, env=None, cwd=None):
        done = subprocess.run(
            [str(python), "-c", REPORT, *imports],
            env={**os.environ, **(env or {})},
            cwd=cwd or project,
            stdout=subprocess.PIPE,
            check=True,
            text=True,
        )
        cell = nbformat.v4.new_code_cell(source, id="c1")
        path = project / "n.ipynb"
        nbformat.write(nbformat.v4.new_notebook(cells=[cell]), path)
        execution = {
            "seq": 1,
            "execution_count": 1,
            "cell_id": "c1",
            "source": source,
            "success": True,
            "error": "",
            "outputs": [],
            "started_at": "",
            "seconds": 0,
        }
        record = {
            "version": 1, "created_at": "", "host": "", "pid": 1, "boot_id": "",
            "platform": {"system": "Linux", "machine": os.uname().machine},
            "cwd": str(project), "initial_cwd": str(project),
            "session": {"notebook_path": str(path), "found_by": "caller"},
            "kernel": {"shell": "", "extension_loaded_after": 0, "name": ""},
            "executions": [execution], "history": [], "names": {}, "opens": [], "commands": [],
            "maps": [], "env_read": [], "environ": {"names": [], "values": {}}, "static": False,
            "problems": [], **json.loads(done.stdout),
        }  # fmt: skip
        return assemble.snapshot(record, notebook=str(path), options=CaptureOptions(), store=store)

    return run


def packages(found):
    return {one.key: one for one in found.distributions}


def reasons(one):
    return [str(reason) for reason in one.reasons]


@pytest.fixture
def project(tmp_path):
    """`project("name", {path: text})`: a source tree; return its folder."""

    def make(name, files, *, backend="hatchling", more=""):
        folder = tmp_path / f"source-{name}"
        builds = {
            "hatchling": '["hatchling"]\nbuild-backend = "hatchling.build"',
            "setuptools": '["setuptools>=64"]\nbuild-backend = "setuptools.build_meta"',
        }
        files = {
            **files,
            "pyproject.toml": f"[build-system]\nrequires = {builds[backend]}\n"
            f'[project]\nname = "{name}"\nversion = "1.5"\n{more}',
        }
        for path, text in files.items():
            (folder / path).parent.mkdir(parents=True, exist_ok=True)
            (folder / path).write_text(text)
        return folder

    return make


def install(python, *arguments):
    subprocess.run([*UV, "pip", "install", "-q", "--python", str(python), *arguments], check=True)


def venv(folder, *arguments, python=BASE):
    subprocess.run(
        [*UV, "venv", "-q", "--python", str(python), *arguments, str(folder)], check=True
    )
    return folder / "bin/python"


def test_a_venv_over_another_with_its_packages(tmp_path, snapshot):
    """A venv over a base with packages of its own, both on the path, the inner one first."""
    base = tmp_path / "base"
    outer = venv(base)
    install(outer, "six==1.16.0", "packaging")
    inner = venv(tmp_path / "inner")
    site = next((tmp_path / "inner/lib").glob("python3*/site-packages"))
    outer_site = next((base / "lib").glob("python3*/site-packages"))
    (site / "base.pth").write_text(f"{outer_site}\n")
    install(inner, "six==1.17.0")
    found = packages(snapshot(inner, "import six, packaging", imports=["six", "packaging.version"]))
    assert found["six"].version == "1.17.0"
    assert found["six"].location == str(site)
    assert found["packaging"].location == str(outer_site)
    assert reasons(found["packaging"]) == ["imported by cell 1"]


@pytest.mark.parametrize("backend", ["hatchling", "setuptools"])
def test_editable_installs(tmp_path, snapshot, project, backend):
    files = {"src/gizmo/__init__.py": "import six\n", "src/gizmo/table.csv": "1\n"}
    source = project(
        "gizmo",
        files,
        backend=backend,
        more='dependencies = ["six"]\n[tool.hatch.build.targets.wheel]\npackages = ["src/gizmo"]\n',
    )
    python = venv(tmp_path / "venv")
    install(python, "-e", str(source))
    taken = snapshot(python, "import gizmo", imports=["gizmo"])
    found = packages(taken)
    assert found["gizmo"].origin.kind is OriginKind.EDITABLE
    assert found["gizmo"].requires == ("six",)
    names = {os.path.basename(entry.path) for entry in found["gizmo"].files}
    assert "METADATA" in names
    assert any(name.endswith(".pth") for name in names)
    (code,) = taken.local_code
    assert (code.distribution, code.root) == ("gizmo", str(source / "src"))
    assert [os.path.basename(entry.path) for entry in code.files] == ["__init__.py", "table.csv"]


def test_plugins_and_start_up_files(tmp_path, snapshot, project):
    """A plugin that was loaded goes in; a left-out package's `.pth` does not."""
    python = venv(tmp_path / "venv")
    host = project("host", {"host.py": "def plugins():\n    from importlib.metadata import entry_points\n"
                            "    return [e.load() for e in entry_points(group='host.plugins')]\n"})  # fmt: skip
    plugin = project(
        "plug-in",
        {"plug.py": "x = 1\n", "auto.py": "host = __import__('host').plugins()\n"},
        more='[project.entry-points."host.plugins"]\nx = "plug:x"\n'
        '[tool.hatch.build.targets.wheel]\ninclude = ["plug.py", "auto.py"]\n',
    )
    left_out = project(
        "starter",
        {"starter.py": "", "starter.pth": "import sys; sys.starter = 1\n"},
        more='[tool.hatch.build.targets.wheel.force-include]\n"starter.py" = "starter.py"\n'
        '"starter.pth" = "starter.pth"\n',
    )
    host.joinpath("pyproject.toml").write_text(
        host.joinpath("pyproject.toml").read_text()
        + '[tool.hatch.build.targets.wheel]\ninclude = ["host.py"]\n'
    )
    install(python, str(host), str(plugin), str(left_out))
    found = packages(snapshot(python, "import auto", imports=["auto"]))
    assert {"host", "plug-in"} <= set(found)
    assert "starter" not in found
    assert found["host"].origin.kind is OriginKind.LOCAL
    files = [entry.path for one in found.values() for entry in one.files]
    assert not any(path.endswith("starter.pth") for path in files)


def test_the_user_site(tmp_path, snapshot):
    if sysconfig.get_config_var("userbase") is None:
        pytest.fail("this Python has no user site")
    home = tmp_path / "home"
    env = {"HOME": str(home), "PYTHONUSERBASE": str(home / ".local")}
    where = subprocess.run(
        [BASE, "-c", "import site; print(site.getusersitepackages())"],
        env={**os.environ, **env}, stdout=subprocess.PIPE, check=True, text=True,
    ).stdout.strip()  # fmt: skip
    os.makedirs(where)
    install(BASE, "--target", where, "toml-sort==0.24.2", "--no-deps")
    found = packages(snapshot(BASE, "import toml_sort", imports=[], env=env))
    assert found["toml-sort"].location == where
    assert reasons(found["toml-sort"]) == ["named in cell 1"]


def test_what_the_kernel_lacks_for_the_guest_comes_from_ours(tmp_path, snapshot):
    python = venv(tmp_path / "venv")
    found = packages(snapshot(python, "x = 1", imports=[]))
    ours = {os.path.realpath(path) for path in sys.path if path}
    assert reasons(found["ipython"]) == ["required by the guest"]
    assert os.path.realpath(found["ipython"].location) in ours


def test_debians_packages_are_known_by_dpkg(require, snapshot):
    require(os.path.exists("/usr/lib/python3/dist-packages/six.py"), "Debian's python3-six")
    taken = snapshot(DEBIAN, "import six, pkg_resources", imports=["six", "pkg_resources"])
    six = packages(taken)["six"]
    assert six.origin.kind is OriginKind.SYSTEM
    assert six.origin.package.startswith("python3-six 1.")
    assert "/usr/lib/python3/dist-packages/six.py" in [entry.path for entry in six.files]
    assert not [entry for entry in six.files if "/doc/" in entry.path]
    assert all(entry.sha256 for entry in six.files)
    assert not [
        one for one in taken.findings if one.code in ("record-missing", "distribution-edited")
    ]


def test_debians_packages_split_in_halves_come_whole(require, snapshot):
    """`python3-pandas` keeps its compiled half in `python3-pandas-lib`."""
    require(os.path.exists("/usr/lib/python3/dist-packages/pandas"), "Debian's python3-pandas")
    found = packages(snapshot(DEBIAN, "import pandas", imports=["pandas"]))
    assert any(entry.path.endswith(".so") for entry in found["pandas"].files)
    assert found["pandas"].origin.package.startswith("python3-pandas ")
    assert "numpy" in found["pandas"].requires


def test_data_that_debian_keeps_apart_goes_along(require, snapshot):
    """`python3-matplotlib` links its data from `python-matplotlib-data`."""
    require(
        os.path.exists("/usr/lib/python3/dist-packages/matplotlib"), "Debian's python3-matplotlib"
    )
    found = packages(snapshot(DEBIAN, "import matplotlib", imports=["matplotlib"]))
    paths = {entry.path for entry in found["matplotlib"].files}
    assert "/usr/share/matplotlib/mpl-data/fonts/ttf/DejaVuSans.ttf" in paths


def test_modules_of_debian_without_python_metadata(require, snapshot):
    require(
        glob.glob("/usr/lib/python3/dist-packages/_dbus_bindings.*.so"), "Debian's python3-dbus"
    )
    taken = snapshot(DEBIAN, "import _dbus_bindings", imports=["_dbus_bindings"])
    owners = [one for one in taken.distributions
              if any("/_dbus_bindings." in entry.path for entry in one.files)]  # fmt: skip
    assert [one.origin.package.partition(" ")[0] for one in owners] == ["python3-dbus"]


def test_a_venv_over_debians_python_sees_its_packages(require, tmp_path, snapshot):
    require(os.path.exists("/usr/lib/python3/dist-packages/six.py"), "Debian's python3-six")
    python = venv(tmp_path / "venv", "--system-site-packages", python=DEBIAN)
    install(python, "packaging")
    found = packages(snapshot(python, "import six, packaging", imports=["six", "packaging"]))
    assert found["six"].origin.kind is OriginKind.SYSTEM
    assert found["packaging"].origin.kind is OriginKind.INDEX
    assert found["packaging"].location.startswith(str(tmp_path))
