"""Owners of files, against dpkg itself."""

from __future__ import annotations

import os
import re
import shutil
import subprocess

import pytest

from jupyter_containerize.capture.packages import Owners, spellings

FILES = ["/usr/bin/env", "/usr/bin/dash", "/etc/services", "/usr/share/zoneinfo/Europe/Berlin"]


@pytest.fixture(scope="module")
def owners(require) -> Owners:
    require(shutil.which("dpkg-query"), "dpkg")
    return Owners()


def dpkg(*arguments: str) -> str:
    done = subprocess.run(["dpkg-query", *arguments], capture_output=True, text=True, check=True)
    return done.stdout


def test_names_the_owner_as_dpkg_does(owners):
    libc = os.path.realpath("/lib64/ld-linux-x86-64.so.2")
    for path in [*FILES, libc]:
        known = next(one for one in spellings(path) if one in dpkg("-L", owners.owner(path)))
        assert owners.owner(path) == dpkg("-S", known).partition(":")[0]


def test_finds_a_library_by_both_of_its_paths(owners):
    real = os.path.realpath("/lib64/ld-linux-x86-64.so.2")

    assert owners.owner(real) == owners.owner(real.removeprefix("/usr")) == "libc6"
    assert spellings("/usr/lib/x") == ("/usr/lib/x", "/lib/x")
    assert spellings("/sbin/x") == ("/sbin/x", "/usr/sbin/x")
    assert spellings("/opt/lib/x") == ("/opt/lib/x",)


def test_nobody_owns_a_strangers_file(owners, tmp_path):
    assert owners.owner(str(tmp_path / "file")) == ""


def test_describes_packages_as_dpkg_does(owners):
    (package,) = owners.packages(["zlib1g", "", "no-such-package", "zlib1g"])

    line = dpkg("-f", "${Version} ${Architecture} ${source:Package}", "-W", "zlib1g")
    assert [package.version, package.architecture, package.source] == line.split()
    assert package.manager == "dpkg"
    assert package.status.startswith("Package: zlib1g\nStatus: install ok installed\n")
    assert package.status.endswith("\n")


def test_leaves_out_hashes_of_configuration_files(owners):
    (package,) = owners.packages(["base-files"])

    assert "Conffiles" not in package.status
    assert not re.search("[0-9a-f]{32}", package.status)
    assert "\nDescription: " in package.status


def test_lists_files_and_the_halves_of_one_program(owners):
    assert "/usr/share/perl5" not in owners.files("zlib1g")
    assert any(path.endswith("/libz.so.1") for path in owners.files("zlib1g"))
    assert owners.files("no-such-package") == ()
    assert owners.companions("no-such-package") == ()
    assert set(owners.companions("libc-bin")) == {"libc-bin", "libc6"}


def test_a_system_without_packages_has_no_owners(tmp_path):
    owners = Owners(root=str(tmp_path))

    assert owners.owner("/usr/bin/env") == ""
    assert owners.packages(["coreutils"]) == ()
    assert owners.files("coreutils") == ()


@pytest.fixture
def rpm_root(tmp_path, monkeypatch):
    """A system with rpm; the program answers what rpm 4.18 answered about a package of ours."""
    (tmp_path / "usr/lib/sysimage/rpm").mkdir(parents=True)
    (tmp_path / "etc").mkdir()
    (tmp_path / "etc/os-release").write_text('NAME="Fedora Linux"\nID=fedora\nVERSION_ID="41"\n')
    program = tmp_path / "bin/rpm"
    program.parent.mkdir()
    program.write_text(
        """#!/bin/sh
        printf '%s ' "$@" >> "$0.log"; echo >> "$0.log"
        case "$*" in
        *-qf*/usr/share/demo/*) printf 'demo\\t/usr/share/demo/a\\ndemo\\t/usr/share/demo/b\\n' ;;
        *"-ql demo") printf '/usr/share/demo/a\\n/usr/share/demo/b\\n' ;;
        *"-q --qf"*demo) printf 'demo\\t1.2-3\\tnoarch\\tdemo-1.2-3.src.rpm\\n' ;;
        *) echo "package is not installed"; exit 1 ;;
        esac
        """
    )
    program.chmod(0o755)
    monkeypatch.setenv("PATH", f"{program.parent}:{os.environ['PATH']}")
    return tmp_path


def test_rpm_is_asked_once_for_all_files_of_a_package(rpm_root):
    owners = Owners(root=str(rpm_root))

    assert owners.owner("/usr/share/demo/a") == owners.owner("/usr/share/demo/b") == "demo"
    assert owners.owner("/usr/share/other") == owners.owner("/usr/share/other") == ""

    asked = (rpm_root / "bin/rpm.log").read_text().splitlines()
    assert len(asked) == 2
    assert all(line.startswith(f"--root {rpm_root} -qf") for line in asked)


def test_rpm_describes_packages(rpm_root):
    owners = Owners(root=str(rpm_root))

    (package,) = owners.packages(["demo", "unknown"])

    assert (package.manager, package.name, package.version) == ("rpm", "demo", "1.2-3")
    assert (package.source, package.distro) == ("demo-1.2-3.src.rpm", "fedora-41")
    assert owners.files("demo") == ("/usr/share/demo/a", "/usr/share/demo/b")
    assert owners.companions("demo") == ("demo",)


def test_rpm_that_is_missing_answers_nothing(rpm_root, monkeypatch):
    monkeypatch.setenv("PATH", "/nonexistent")
    owners = Owners(root=str(rpm_root))

    assert owners.owner("/usr/share/demo/a") == ""
    assert owners.packages(["demo"]) == ()


def test_answers_are_kept_until_dpkg_changes_something(tmp_path):
    root, cache = tmp_path / "root", str(tmp_path / "cache")
    info = root / "var/lib/dpkg/info"
    info.mkdir(parents=True)
    (info / "one.list").write_text("/.\n/usr\n/usr/bin/tool\n")
    first = Owners(root=str(root), cache=cache)
    assert first.owner("/usr/bin/tool") == "one"
    assert first.owner("/usr/bin/other") == ""
    first.save()

    os.truncate(info / "one.list", 0)  # the folder keeps its time: nothing is read again
    again = Owners(root=str(root), cache=cache)
    assert again.owner("/usr/bin/tool") == "one"
    assert again.owner("/usr/bin/other") == ""

    (info / "two.list").write_text("/usr/bin/other\n")
    changed = Owners(root=str(root), cache=cache)
    assert changed.owner("/usr/bin/tool") == ""
    assert changed.owner("/usr/bin/other") == "two"


@pytest.mark.parametrize("text", ["", "[]", '{"state": 1}', "{"])
def test_a_damaged_cache_costs_only_time(tmp_path, text):
    (tmp_path / "owners-1.json").write_text(text)

    assert Owners(cache=str(tmp_path)).owner("/usr/bin/env") == "coreutils"
