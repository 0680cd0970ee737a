"""The filter as a program: run here by a small interpreter of the instructions it uses."""

from __future__ import annotations

import os
import struct
import subprocess
import sys

import pytest

from jupyter_containerize.runtimes import confinement

ALLOW, KILL = "allow", "kill"
ENOSYS, EPERM = 38, 1
AUDIT = {"x86_64": 0xC000003E, "aarch64": 0xC00000B7}


def verdict(machine, number, *, arguments=(), audit=None, **how):
    """Run the filter over one system call. Source: linux/bpf_common.h."""
    code = confinement.program(**{"internet": False, **how}, machine=machine)
    lines = [struct.unpack_from("=HBBI", code, at) for at in range(0, len(code), 8)]
    padded = (*arguments, 0, 0, 0, 0, 0, 0)[:6]
    data = struct.pack("=IIQ6Q", number, audit or AUDIT[machine], 0, *padded)
    register, at = 0, 0
    while True:
        kind, yes, no, value = lines[at]
        at += 1
        if kind == 0x20:
            (register,) = struct.unpack_from("=I", data, value)
        elif kind == 0x06:
            action = value & 0xFFFF0000
            return {0x7FFF0000: ALLOW, 0x80000000: KILL}.get(action, value & 0xFFFF)
        elif kind == 0x54:
            register &= value
        else:
            test = {0x15: register == value, 0x35: register >= value, 0x45: register & value}[kind]
            at += yes if test else no


@pytest.mark.parametrize(
    ("machine", "numbers"),
    [
        ("x86_64", {"statx": 332, "renameat2": 316, "execveat": 322, "name_to_handle_at": 303}),
        ("aarch64", {"statx": 291, "renameat2": 276, "execveat": 281, "name_to_handle_at": 264}),
    ],
)
def test_calls_that_proot_does_not_translate_are_not_there(machine, numbers):
    for name, number in numbers.items():
        assert verdict(machine, number) == ENOSYS, name


@pytest.mark.parametrize("machine", ["x86_64", "aarch64"])
@pytest.mark.parametrize(
    "number", [425, 426, 427, 428, 429, 430, 432, 433, 435, 437, 438, 439, 442, 452, 463, 468, 999]
)
def test_new_calls_are_not_there_whatever_they_will_be(machine, number):
    assert verdict(machine, number) == ENOSYS


@pytest.mark.parametrize("machine", ["x86_64", "aarch64"])
@pytest.mark.parametrize("number", [424, 434, 436, 441, 449, 454])
def test_new_calls_without_paths_work(machine, number):
    assert verdict(machine, number) == ALLOW


@pytest.mark.parametrize(("machine", "socket", "pair"), [("x86_64", 41, 53), ("aarch64", 198, 199)])
def test_only_local_sockets(machine, socket, pair):
    for number in (socket, pair):
        assert verdict(machine, number, arguments=(1,)) == ALLOW
        for family in (2, 10, 16, 17, 40):
            assert verdict(machine, number, arguments=(family,)) == EPERM
            assert verdict(machine, number, arguments=(family,), internet=True) == ALLOW


@pytest.mark.parametrize(("machine", "clone"), [("x86_64", 56), ("aarch64", 220)])
def test_processes_yes_namespaces_no(machine, clone):
    assert verdict(machine, clone, arguments=(0x01200011,)) == ALLOW
    assert verdict(machine, clone, arguments=(0x003D0F00,)) == ALLOW
    for flag in (0x20000, 0x02000000, 0x10000000, 0x20000000, 0x40000000):
        assert verdict(machine, clone, arguments=(flag | 17,)) == EPERM


def test_other_tables_of_calls_are_closed():
    assert verdict("x86_64", 0, audit=0x40000003) == KILL
    assert verdict("aarch64", 0, audit=0x40000028) == KILL
    assert verdict("x86_64", 0x40000000 | 2) == ENOSYS


@pytest.mark.parametrize("machine", ["x86_64", "aarch64"])
def test_ordinary_calls_work(machine):
    for number in (0, 1, 2, 3, 4, 5, 21, 60, 100, 257, 262, 270):
        if number not in (60, 262) or machine == "x86_64":
            assert verdict(machine, number) == ALLOW, number


@pytest.mark.parametrize(
    ("machine", "truncate", "opens"),
    [("x86_64", 76, [(2, 1), (257, 2)]), ("aarch64", 45, [(56, 2)])],
)
def test_what_an_old_landlock_lets_through_is_refused(machine, truncate, opens):
    assert verdict(machine, truncate, old_landlock=True) == EPERM
    assert verdict(machine, truncate) == ALLOW
    for number, position in opens:
        for flags, expected in (
            (os.O_RDONLY | os.O_TRUNC | os.O_CLOEXEC, EPERM),
            (os.O_WRONLY | os.O_TRUNC | os.O_CREAT, ALLOW),
            (os.O_RDWR | os.O_TRUNC, ALLOW),
            (os.O_RDONLY | os.O_CLOEXEC, ALLOW),
        ):
            arguments = [0] * 6
            arguments[position] = flags
            assert verdict(machine, number, arguments=arguments, old_landlock=True) == expected
            assert verdict(machine, number, arguments=arguments) == ALLOW


SCRIPT = """
import os, sys
from jupyter_containerize.runtimes import confinement
version, outside, inside = int(sys.argv[1]), sys.argv[2], sys.argv[3]
if version < confinement.landlock_version():
    confinement.landlock_version = lambda: version
confinement.apply(internet=False, landlock=True, readable=["/"], writable=[inside])
attempts = {
    "write": lambda: open(outside + "/file", "r+"),
    "append": lambda: open(outside + "/file", "a"),
    "empty": lambda: open(outside + "/file", "w"),
    "empty by reading": lambda: os.open(outside + "/file", os.O_RDONLY | os.O_TRUNC),
    "truncate": lambda: os.truncate(outside + "/file", 1),
    "remove": lambda: os.unlink(outside + "/file"),
    "replace": lambda: os.replace(inside + "/mine", outside + "/file"),
    "new": lambda: open(outside + "/new", "x"),
    "link": lambda: os.link(outside + "/file", outside + "/other"),
}
open(inside + "/mine", "w").close()
for name, do in attempts.items():
    try:
        do()
    except OSError:
        continue
    print("not refused:", name)
os.mkdir(inside + "/a")
os.rename(inside + "/mine", inside + "/a/mine")
with open(inside + "/a/mine", "r+") as file:
    file.truncate(5)
print("done")
"""


@pytest.mark.parametrize("version", [2, 3, 5, 6, 99])
def test_landlock_keeps_what_is_outside_in_every_version(version, tmp_path, require):
    require(confinement.landlock_version() >= min(version, 7), f"Landlock {version}")
    outside, inside = tmp_path / "outside", tmp_path / "inside"
    outside.mkdir()
    inside.mkdir()
    (outside / "file").write_text("kept")
    done = subprocess.run(
        [sys.executable, "-c", SCRIPT, str(version), outside, inside],
        capture_output=True,
        text=True,
        check=False,
    )
    assert done.stdout == "done\n", done.stderr
    assert (outside / "file").read_text() == "kept"
    assert os.listdir(outside) == ["file"]
