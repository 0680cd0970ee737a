"""Programs that cells call."""

from __future__ import annotations

import os
import shutil
import sys
from dataclasses import replace
from pathlib import Path

import pytest

from jupyter_containerize.capture import executables
from jupyter_containerize.capture.packages import Owners
from jupyter_containerize.model.reasons import Reason, ReasonKind, Severity
from jupyter_containerize.model.snapshot import Interpreter

PATH = "/usr/local/bin:/usr/bin:/bin"


@pytest.fixture(scope="module")
def owners() -> Owners:
    return Owners()


@pytest.fixture
def find(owners):
    def found(*names, search_path=PATH, **options):
        """Return programs by name, and findings; the n-th name is called by cell n."""
        commands = [
            (name, Reason.cell(ReasonKind.CALLED, number)) for number, name in enumerate(names, 1)
        ]
        result, findings = executables.find(
            commands, search_path=search_path, packages=owners, **options
        )
        return {program.name: program for program in result}, findings

    return found


def paths(program) -> set[str]:
    return {entry.path for entry in program.files}


def script(path: Path, text: str) -> str:
    path.parent.mkdir(parents=True, exist_ok=True)
    path.write_text(text)
    path.chmod(0o755)
    return str(path)


def this_python(executable: str = sys.executable) -> Interpreter:
    return Interpreter(
        executable=executable, real_executable=os.path.realpath(executable),
        version="", implementation="cpython", cache_tag="", pyc_magic="",
        prefix="", base_prefix="", exec_prefix="", base_exec_prefix="", sys_path=(),
        stdlib="", platstdlib="", purelib="", platlib="", site_packages=(),
        user_site=None, conda=False, markers={},
    )  # fmt: skip


def test_a_program_with_package_and_reasons(find):
    found, findings = find("sort", "uniq", "sort")

    assert found["sort"].path == "/usr/bin/sort"
    assert found["sort"].package == "coreutils"
    assert [str(reason) for reason in found["sort"].reasons] == [
        "called by cell 1",
        "called by cell 3",
    ]
    assert findings == ()


def test_alternatives_bring_every_link(find, require):
    awk = shutil.which("awk")
    require(awk and os.path.islink(awk), "awk by alternatives")

    assert {"/usr/bin/awk", "/etc/alternatives/awk", os.path.realpath(awk)} <= paths(
        find("awk")[0]["awk"]
    )


def test_a_package_brings_what_its_programs_read(find):
    perl = paths(find("perl")[0]["perl"])

    assert any(path.endswith("/strict.pm") for path in perl)
    assert not any(path.startswith(("/usr/share/doc", "/usr/share/man")) for path in perl)
    assert not {"/usr/bin/ls", "/usr/bin/cat"} & paths(find("sort")[0]["sort"])


def test_interpreters_of_scripts_come_along(find, tmp_path):
    script(tmp_path / "bin/tool", "#!/usr/bin/env -S awk -f\n")
    script(tmp_path / "bin/plain", "#! /bin/sh -e\n")

    found, findings = find("tool", "plain", search_path=f"{tmp_path}/bin:{PATH}")

    assert [str(reason) for reason in found["awk"].reasons] == ["required by tool"]
    assert [str(reason) for reason in found["/bin/sh"].reasons] == ["required by plain"]
    assert "/usr/bin/env" in found
    assert findings == ()


def test_paths_are_found_from_the_kernels_folder(find, tmp_path):
    script(tmp_path / "notebooks/run.sh", "echo hi\n")
    script(tmp_path / "other.sh", "echo hi\n")

    found, _ = find("./run.sh", "../other.sh", folder=f"{tmp_path}/notebooks")

    assert found["./run.sh"].path == f"{tmp_path}/notebooks/run.sh"
    assert found["../other.sh"].path == f"{tmp_path}/other.sh"


def test_what_goes_in_anyway_is_not_listed_but_its_interpreter_is(find, tmp_path):
    path = script(tmp_path / "run.sh", "#!/usr/bin/awk -f\n")

    found, _ = find("./run.sh", folder=str(tmp_path), included=[path])

    assert set(found) == {"/usr/bin/awk"}


@pytest.mark.parametrize("name", ["no-such-program", "./nothing", "/etc/services", "", "a\0b", "/"])
def test_an_unknown_program_is_a_finding_with_its_cell(find, name):
    found, (finding,) = find("ls", name)

    assert set(found) == {"ls"}
    assert (finding.code, finding.severity) == ("command-not-found", Severity.WARNING)
    assert finding.cell == 2


def test_the_drivers_tools_stay_behind(find):
    found, (finding,) = find("nvidia-smi")

    assert found == {}
    assert finding.code == "gpu-driver-left-out"


def test_the_kernels_python_is_in_the_base(find):
    folder = os.path.dirname(sys.executable)

    found, findings = find("python", search_path=folder, interpreter=this_python())

    assert found == {}
    assert findings == ()


def test_another_python_is_a_warning(find, require):
    require(os.path.exists("/usr/bin/python3"), "Debian's Python")

    kernel = replace(
        this_python(),
        executable="/opt/kernel/bin/python3",
        real_executable="/opt/kernel/bin/python3",
    )
    _, (finding,) = find("/usr/bin/python3", interpreter=kernel)

    assert finding.code == "other-python"
    assert "/usr/bin/python3" in finding.why


def test_a_console_script_needs_its_distribution(find, tmp_path):
    python = tmp_path / "venv/bin/python"
    python.parent.mkdir(parents=True)
    python.symlink_to(sys.executable)
    path = script(tmp_path / "venv/bin/tool", f"#!{python}\n")
    options = {"search_path": f"{python.parent}:{PATH}", "interpreter": this_python(str(python))}

    _, (finding,) = find("tool", **options)
    found, findings = find("tool", included=[path], **options)

    assert finding.code == "script-without-its-package"
    assert (found, findings) == ({}, ())


def test_an_endless_chain_of_scripts_ends(find, tmp_path):
    script(tmp_path / "one", f"#!{tmp_path}/two\n")
    script(tmp_path / "two", f"#!{tmp_path}/one\n")

    found, _ = find(f"{tmp_path}/one")

    assert len(found) == 2
