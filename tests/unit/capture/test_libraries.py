"""The closure of libraries, on libraries built for the purpose."""

from __future__ import annotations

import os
import shutil
import subprocess
import sys
import sysconfig
from pathlib import Path

import pytest

from jupyter_containerize.capture import disk, libraries
from jupyter_containerize.capture.gpu_driver import GPU_DRIVER
from jupyter_containerize.capture.packages import Owners
from jupyter_containerize.model.files import FileKind
from jupyter_containerize.model.reasons import Severity
from jupyter_containerize.model.snapshot import Interpreter

STDLIB = sysconfig.get_path("stdlib")


def interpreter(site: str = "/nonexistent/site-packages") -> Interpreter:
    return Interpreter(
        executable=sys.executable, real_executable=os.path.realpath(sys.executable),
        version="", implementation="cpython", cache_tag="", pyc_magic="",
        prefix="", base_prefix="", exec_prefix="", base_exec_prefix="", sys_path=(),
        stdlib=STDLIB, platstdlib=STDLIB, purelib=site, platlib=site, site_packages=(site,),
        user_site=None, conda=False, markers={},
    )  # fmt: skip


@pytest.fixture(scope="module")
def owners() -> Owners:
    return Owners()


@pytest.fixture
def find(owners):
    def found(*files, mapped=(), site="/nonexistent/site-packages", environment=None):
        """Return libraries by soname, and findings; `files` are paths or (path, owner)."""
        pairs = [(file, "demo") if isinstance(file, str) else file for file in files]
        entries = [(disk.entry(path), owner) for path, owner in pairs]
        result, findings = libraries.find(
            entries,
            mapped=mapped,
            interpreter=interpreter(site),
            environment=environment or {},
            packages=owners,
        )
        return {library.soname: library for library in result}, findings

    return found


@pytest.fixture
def build(require, tmp_path):
    """`build("a/libx.so.1", "b/liby.so.1")`: a library that needs others, by bare soname."""
    require(shutil.which("gcc"), "gcc")

    def make(target: str, *needs: str, flags: str = "") -> str:
        path = tmp_path / target
        path.parent.mkdir(parents=True, exist_ok=True)
        search = [f"-L{(tmp_path / need).parent}" for need in needs]
        linked = [f"-l:{Path(need).name}" for need in needs]
        command = ["gcc", "-x", "c", "-", "-shared", f"-Wl,-soname,{path.name}", "-o", str(path)]
        subprocess.run(
            [*command, "-Wl,--no-as-needed", *search, *linked, *flags.split()],
            input="", text=True, check=True, capture_output=True,
        )  # fmt: skip
        return str(path)

    return make


def reasons(library) -> list[str]:
    return [str(reason) for reason in library.reasons]


def test_what_is_needed_comes_with_owner_links_and_reasons(find):
    extension = f"{STDLIB}/lib-dynload"
    ssl = next(str(path) for path in Path(extension).glob("_ssl.*.so"))

    found, findings = find((ssl, "the interpreter"))

    crypto = next(found[name] for name in found if name.startswith("libcrypto"))
    assert reasons(crypto) == ["required by the interpreter"]
    assert crypto.search_path
    assert crypto.package.startswith("libssl")
    assert findings == ()
    assert reasons(found["libgcc_s.so.1"]) == ["required by libc.so.6"]


def test_links_on_the_way_are_entries(find, build, tmp_path):
    build("lib/libreal.so.1")
    os.rename(tmp_path / "lib/libreal.so.1", tmp_path / "lib/libreal.so.1.2.3")
    (tmp_path / "lib/libreal.so.1").symlink_to("libreal.so.1.2.3")
    user = build("user.so", "lib/libreal.so.1", flags="-Wl,-rpath,$ORIGIN/lib")

    library = find(user)[0]["libreal.so.1"]

    names = [(os.path.basename(entry.path), entry.kind) for entry in library.files[-2:]]
    assert names == [
        ("libreal.so.1", FileKind.SYMLINK),
        ("libreal.so.1.2.3", FileKind.FILE),
    ]
    assert not library.search_path
    assert reasons(library) == ["required by demo"]


def test_reasons_name_libraries_only_where_nothing_of_the_users_needs_it(find, build):
    build("lib/liblow.so")
    build("lib/libhigh.so", "lib/liblow.so", flags="-Wl,-rpath,$ORIGIN")
    user = build("user.so", "lib/libhigh.so", flags="-Wl,-rpath,$ORIGIN/lib")

    assert reasons(find(user)[0]["liblow.so"]) == ["required by libhigh.so"]

    other = build("other.so", "lib/liblow.so", flags="-Wl,-rpath,$ORIGIN/lib")
    found, _ = find((user, "one"), (other, "two"))
    assert reasons(found["liblow.so"]) == ["required by two"]


def test_what_goes_in_anyway_is_not_listed_again(find, build):
    inside = build("dist/liba.so")
    user = build("dist/user.so", "dist/liba.so", flags="-Wl,-rpath,$ORIGIN")

    found, findings = find(inside, user, mapped=[inside, user])

    assert {"liba.so", "user.so"}.isdisjoint(found)
    assert findings == ()


def test_a_library_found_only_because_it_is_loaded_already(find, build):
    """`import torch` loads libraries by path; later ones need them by soname alone."""
    first = build("dist/first/libcommon.so")
    second = build("dist/second/user.so", "dist/first/libcommon.so")

    assert find(first, second)[1] == ()
    assert find(second, mapped=[first])[1] == ()


def test_a_missing_library_is_a_finding_that_grows_with_what_is_at_stake(find, build):
    gone = build("lib/libgone.so")
    user = build("user.so", "lib/libgone.so")
    os.unlink(gone)

    (finding,) = find(user)[1]
    assert (finding.code, finding.severity) == ("library-missing", Severity.INFO)
    assert "libgone.so, which demo needs" in finding.what
    (finding,) = find(user, mapped=[user])[1]
    assert finding.severity is Severity.WARNING


def test_mapped_libraries_come_with_every_name_they_may_be_opened_by(find, build, tmp_path):
    real = build("native/libtool.so.1.5")
    (tmp_path / "native/libtool.so").symlink_to("libtool.so.1.5")
    (tmp_path / "native/libother.so").symlink_to("libtool.so.1.5")

    found, _ = find(mapped=[real, "/memfd:x (deleted)", "/dev/zero", "[vdso]", "/tmp/a (deleted)"])

    library = found["libtool.so.1.5"]
    assert reasons(library) == ["mapped by the kernel"]
    assert [os.path.basename(entry.path) for entry in library.files] == [
        "libtool.so",
        "libtool.so.1.5",
    ]


def test_what_other_distributions_have_mapped_stays_out(find, build, tmp_path):
    left_out = build("site-packages/zmq/_zmq.so")

    found, _ = find(mapped=[left_out], site=f"{tmp_path}/site-packages")

    assert "_zmq.so" not in found


def test_ld_library_path_is_the_kernels(find, build, tmp_path):
    build("hidden/libhid.so")
    user = build("user.so", "hidden/libhid.so")

    found, _ = find(user, environment={"LD_LIBRARY_PATH": f"{tmp_path}/hidden"})

    assert found["libhid.so"].path == f"{tmp_path}/hidden/libhid.so"


def test_gpu_drivers_stay_behind(find, build):
    driver = build("driver/libcuda.so.1")
    toolkit = build("driver/libcudart.so.12", "driver/libcuda.so.1", flags="-Wl,-rpath,$ORIGIN")
    user = build("user.so", "driver/libcudart.so.12", flags="-Wl,-rpath,$ORIGIN/driver")

    found, (finding,) = find(user, mapped=[driver, toolkit])

    assert "libcudart.so.12" in found
    assert "libcuda.so.1" not in found
    assert (finding.code, finding.severity) == ("gpu-driver-left-out", Severity.INFO)
    assert "libcuda.so.1" in finding.what


@pytest.mark.parametrize(
    ("name", "is_driver"),
    [
        ("libcuda.so.1", True),
        ("/usr/lib/x86_64-linux-gnu/libcuda.so.535.104.05", True),
        ("libnvidia-ml.so.1", True),
        ("libnvidia-ptxjitcompiler.so.1", True),
        ("libGLX_nvidia.so.0", True),
        ("/usr/lib/wsl/lib/libdxcore.so", True),
        ("/usr/lib/aarch64-linux-gnu/tegra/libnvos.so", True),
        ("libcudart.so.12", False),
        ("libcublas.so.12", False),
        ("libnvrtc.so.12", False),
        ("libnvJitLink.so.12", False),
        ("libamdhip64.so.6", False),
        ("libcudnn.so.9", False),
        ("libGLX_mesa.so.0", False),
    ],
)
def test_only_the_drivers_own_parts_count_as_driver(name, is_driver):
    assert bool(GPU_DRIVER.fullmatch(name)) is is_driver


def test_files_of_other_machines_are_passed_over(find, build, tmp_path):
    build("lib/libneeded.so")
    foreign = Path(build("foreign.so", "lib/libneeded.so"))
    data = bytearray(foreign.read_bytes())
    data[18:20] = (183).to_bytes(2, "little")
    foreign.write_bytes(data)
    (tmp_path / "script.so").write_text("INPUT(-lx)")

    found, findings = find(str(foreign), f"{tmp_path}/script.so")

    assert "libneeded.so" not in found
    assert findings == ()


def test_elsewhere_than_on_linux_nothing_is_found(find, monkeypatch):
    monkeypatch.setattr(sys, "platform", "darwin")

    assert find("/usr/bin/env") == ({}, ())
