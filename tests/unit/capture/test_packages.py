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
