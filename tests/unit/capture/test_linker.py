"""Library search, against the dynamic loader itself."""

from __future__ import annotations

import os
import re
import shutil
import struct
import subprocess
import sys
from pathlib import Path

import pytest

from jupyter_containerize.capture import elf
from jupyter_containerize.capture.linker import CACHE_FILE, Linker, parse_cache
from jupyter_containerize.errors import ContainerizeError

PROGRAM = os.path.realpath(sys.executable)


def closure(linker: Linker, path: str, *, is_program: bool = True) -> dict[str, str]:
    """Return soname → real path of everything that `path` needs, breadth first as the loader."""
    facts = elf.read(path)
    by = None if is_program else linker.program
    queue = [linker.loaded(path, facts, by=by)]
    found: dict[str, str] = {}
    for loaded in queue:
        for name in loaded.facts.needed:
            if name in found:
                continue
            place = linker.find(name, loader=loaded)
            found[name] = os.path.realpath(place.path) if place else "not found"
            if place:
                queue.append(linker.loaded(place.path, elf.read(place.path), by=loaded))
    return found


def by_the_loader(path: str, **environment: str) -> dict[str, str]:
    loader = elf.read(PROGRAM).interpreter
    done = subprocess.run(
        [loader, path],
        capture_output=True,
        text=True,
        check=False,
        env={"LD_TRACE_LOADED_OBJECTS": "1", **environment},
    )
    found = {}
    for name, place in re.findall(r"^\t(\S+) => (not found|\S+)", done.stdout, re.MULTILINE):
        found[name] = place if place == "not found" else os.path.realpath(place)
    return found


def agree(path: str, *, linker: Linker | None = None, **environment: str) -> dict[str, str]:
    linker = linker or Linker(path, library_path=environment.get("LD_LIBRARY_PATH", ""))
    ours, theirs = closure(linker, path), by_the_loader(path, **environment)
    # The loader does not print itself under the name by which it was started.
    ours = {name: place for name, place in ours.items() if not name.startswith("ld-linux")}
    theirs = {name: place for name, place in theirs.items() if not name.startswith("ld-linux")}
    assert ours == theirs
    return ours


def test_agrees_with_the_loader_about_the_systems_programs():
    paths = [f"/usr/bin/{name}" for name in sorted(os.listdir("/usr/bin"))]
    chosen = {}
    for path in paths:
        facts = elf.read(path)
        if facts and facts.needed and facts.interpreter:
            chosen.setdefault(facts.needed, path)

    for path in list(chosen.values())[:60]:
        agree(path)
    assert len(chosen) > 10


def test_agrees_with_the_loader_about_this_python():
    assert "libc.so.6" in agree(PROGRAM)


def test_parses_the_cache_as_ldconfig_prints_it():
    printed = subprocess.run(["/sbin/ldconfig", "-p"], capture_output=True, text=True, check=True)
    expected: dict[str, str] = {}
    for name, kind, path in re.findall(r"\t(\S+) \(([^)]*)\) => (\S+)", printed.stdout):
        if kind.startswith("libc6,x86-64") and "hwcap" not in kind:
            expected.setdefault(name, path)

    assert parse_cache(Path(CACHE_FILE).read_bytes(), flags=0x0303) == expected


@pytest.mark.parametrize("data", [b"", b"glibc-ld.so.cache1.1", b"junk" * 99])
def test_a_broken_cache_is_empty(data):
    assert parse_cache(data, flags=0x0303) == {}


def test_a_cut_cache_never_fails():
    whole = Path(CACHE_FILE).read_bytes()
    for length in range(0, len(whole), 401):
        parse_cache(whole[:length], flags=0x0303)


@pytest.fixture(scope="module")
def build(require, tmp_path_factory):
    """`build("a/liba.so", "b/libb.so", flags)`: a library or program that needs others."""
    require(shutil.which("gcc"), "gcc")
    folder = tmp_path_factory.mktemp("built")

    def make(target: str, *needs: str, flags: str = "", folder: Path = folder) -> str:
        path = folder / target
        path.parent.mkdir(parents=True, exist_ok=True)
        kind = ["-shared", f"-Wl,-soname,{path.name}"] if ".so" in path.name else []
        libraries = [str(folder / need) for need in needs]
        source = "int main(void) { return 0; }" if not kind else ""
        command = ["gcc", "-x", "c", "-", "-o", str(path), *kind, "-Wl,--no-as-needed"]
        linked = [f"-l:{Path(name).name}" for name in libraries]
        search = [f"-L{Path(name).parent}" for name in libraries]
        hidden = ["-Wl,--allow-shlib-undefined", "-Wl,--unresolved-symbols=ignore-all"]
        subprocess.run(
            [*command, *search, *linked, *hidden, *flags.split()],
            input=source, text=True, check=True, capture_output=True,
        )  # fmt: skip
        return str(path)

    make.folder = folder
    return make


RPATH, RUNPATH = "-Wl,--disable-new-dtags,-rpath,", "-Wl,--enable-new-dtags,-rpath,"


def test_rpath_is_handed_down_and_runpath_is_not(build):
    build("deep/libdeep.so")
    build("mid/libmid.so", "deep/libdeep.so")
    with_rpath = build("old", "mid/libmid.so", flags=f"{RPATH}$ORIGIN/mid:$ORIGIN/deep")
    with_runpath = build("new", "mid/libmid.so", flags=f"{RUNPATH}$ORIGIN/mid:${{ORIGIN}}/deep")

    assert agree(with_rpath)["libdeep.so"].endswith("/deep/libdeep.so")
    assert agree(with_runpath)["libdeep.so"] == "not found"


def test_a_library_with_runpath_gets_nothing_handed_down(build):
    build("k/libk.so")
    build("j/libj.so", "k/libk.so", flags=f"{RUNPATH}/nonexistent")
    program = build("inherits", "j/libj.so", flags=f"{RPATH}$ORIGIN/j:$ORIGIN/k")

    assert agree(program)["libk.so"] == "not found"


def test_rpath_beats_ld_library_path_and_runpath_does_not(build):
    build("one/libsame.so")
    build("two/libsame.so")
    by_rpath = build("p1", "one/libsame.so", flags=f"{RPATH}$ORIGIN/one")
    by_runpath = build("p2", "one/libsame.so", flags=f"{RUNPATH}$ORIGIN/one")
    path = f"/nonexistent:{build.folder}/two"

    assert "/one/" in agree(by_rpath, LD_LIBRARY_PATH=path)["libsame.so"]
    assert "/two/" in agree(by_runpath, LD_LIBRARY_PATH=path)["libsame.so"]
    assert "/one/" in agree(by_runpath)["libsame.so"]


def test_origin_is_where_the_library_was_found_not_where_its_link_leads(build):
    build("store/libneeded.so")
    build("store/libuser.so", "store/libneeded.so", flags=f"{RUNPATH}$ORIGIN")
    (build.folder / "view").mkdir()
    (build.folder / "view/libuser.so").symlink_to("../store/libuser.so")
    program = build("viewer", "store/libuser.so", flags=f"{RUNPATH}$ORIGIN/view")

    assert agree(program)["libneeded.so"] == "not found"


def test_parent_folders_behind_links_are_walked(build):
    build("real/lib/libup.so")
    build("real/bin/.keep.so")
    (build.folder / "linked").symlink_to("real/bin")
    program = build("upward", "real/lib/libup.so", flags=f"{RPATH}$ORIGIN/linked/../lib")

    assert agree(program)["libup.so"].endswith("/real/lib/libup.so")


def test_a_library_for_another_machine_is_passed_over(build):
    right = build("good/libpick.so")
    wrong = bytearray(Path(right).read_bytes())
    wrong[18:20] = (183).to_bytes(2, "little")
    (build.folder / "bad").mkdir()
    (build.folder / "bad/libpick.so").write_bytes(wrong)
    program = build("picker", "good/libpick.so", flags=f"{RPATH}$ORIGIN/bad:$ORIGIN/good")

    assert "/good/" in agree(program)["libpick.so"]


def test_lib_and_platform_tokens(build):
    build("lib/x86_64-linux-gnu/libtoken.so")
    build("x86_64/libplatform.so")
    flags = f"{RPATH}$ORIGIN/$LIB:$ORIGIN/$PLATFORM"
    program = build(
        "tokens", "lib/x86_64-linux-gnu/libtoken.so", "x86_64/libplatform.so", flags=flags
    )
    found = closure(Linker(program), program)

    assert found["libtoken.so"].endswith("/lib/x86_64-linux-gnu/libtoken.so")
    if by_the_loader(program)["libplatform.so"] != "not found":
        agree(program)


def test_own_folders_only_leaves_out_the_systems(build):
    program = build("own", flags="-Wl,-z,nodefaultlib")

    assert agree(program)["libc.so.6"] == "not found"


def test_musl_is_refused_in_plain_words(tmp_path):
    loader = elf.read("/usr/bin/env").interpreter.encode() + b"\0"
    musl = b"/lib/ld-musl-x86_64.so.1".ljust(len(loader), b"\0")
    program = tmp_path / "python"
    program.write_bytes(Path("/usr/bin/env").read_bytes().replace(loader, musl))

    with pytest.raises(ContainerizeError) as caught:
        Linker(str(program))

    assert caught.value.code == "musl-not-supported"
    assert "glibc" in str(caught.value)


def test_a_script_is_no_interpreter(tmp_path):
    (tmp_path / "python").write_text("#!/bin/sh\n")

    with pytest.raises(ContainerizeError) as caught:
        Linker(f"{tmp_path}/python")

    assert caught.value.code == "interpreter-not-elf"


def cache_of(*rows: tuple[int, str, str, int]) -> bytes:
    """Return a cache of (flags, name, path, hwcap) rows in this order."""
    table, strings = b"", b""
    start = 48 + 24 * len(rows)
    for flags, name, path, hwcap in rows:
        place = start + len(strings)
        table += struct.pack("<iIIIQ", flags, place, place + len(name) + 1, 0, hwcap)
        strings += f"{name}\0{path}\0".encode()
    head = struct.pack("<20sIIB3xI12x", b"glibc-ld.so.cache1.1", len(rows), len(strings), 2, 0)
    return head + table + strings


def test_only_entries_for_every_processor_of_this_machine_count():
    data = cache_of(
        (0x0303, "libx.so", "/lib/glibc-hwcaps/x86-64-v3/libx.so", 1 << 62),
        (0x0003, "libx.so", "/lib32/libx.so", 0),
        (0x0303, "libx.so", "/lib/first/libx.so", 0),
        (0x0303, "libx.so", "/lib/second/libx.so", 0),
    )

    expected = {"libx.so": "/lib/first/libx.so"}
    assert parse_cache(data, flags=0x0303) == expected
    assert parse_cache(b"ld.so-1.7.0\0" + b"\0" * 36 + data, flags=0x0303) == expected


def test_rpath_counts_for_nothing_beside_runpath():
    linker = Linker(PROGRAM)
    both = elf.Elf(62, 64, rpath="/old", runpath="/new", dynamic=True)

    assert "/old" not in linker.loaded("/x/liba.so", both, by=linker.program).inherited
