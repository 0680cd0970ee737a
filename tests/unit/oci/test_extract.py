from __future__ import annotations

import contextlib
import os
import stat
import tarfile

import pytest
from hypothesis import HealthCheck, given, settings
from hypothesis import strategies as st

from jupyter_containerize.errors import ContainerizeError
from jupyter_containerize.oci.extract import Extractor
from jupyter_containerize.oci.gc import remove_path


@pytest.fixture
def extract(tmp_path, make_tar):
    """`extract(layer, ...)`: layers are lists of members; returns the folder and extractor."""
    root = tmp_path / "root"

    def run(*layers):
        remove_path(str(root))
        root.mkdir()
        with Extractor(str(root)) as extractor:
            for number, layer in enumerate(layers):
                path = tmp_path / f"{number}.tar"
                path.write_bytes(layer if isinstance(layer, bytes) else make_tar(*layer))
                extractor.extract(str(path))
        return root, extractor

    return run


def tree(root):
    found = {}
    for folder, folders, files in os.walk(root):
        for name in (*folders, *files):
            path = os.path.join(folder, name)
            key = os.path.relpath(path, root)
            if os.path.islink(path):
                found[key] = "-> " + os.readlink(path)
            elif os.path.isdir(path):
                found[key] = None
            else:
                with open(path, "rb") as file:
                    found[key] = file.read()
    return found


def test_files_folders_and_links(extract):
    root, extractor = extract(
        [("./a", None), ("a/f", b"one"), ("/b/c/g", b"two"), ("l", ("link", "a/f")),
         ("h", ("hard", "a/f"))],
    )  # fmt: skip
    assert tree(root) == {
        "a": None, "a/f": b"one", "b": None, "b/c": None, "b/c/g": b"two", "l": "-> a/f",
        "h": b"one",
    }  # fmt: skip
    assert os.path.samefile(root / "h", root / "a/f")
    assert not extractor.whiteouts
    assert not extractor.opaque


def test_whiteouts_take_from_lower_layers_only(extract):
    root, extractor = extract(
        [("d/old", b"one"), ("d/keep", b"two"), ("o/x", b"three"), ("o/sub/y", b"four")],
        [("d/.wh.old", b""), ("d/new", b"five"), ("o/mine", b"six"), ("o/.wh..wh..opq", b"")],
    )
    assert tree(root) == {
        "d": None, "d/keep": b"two", "d/new": b"five", "o": None, "o/mine": b"six",
    }  # fmt: skip
    assert extractor.whiteouts == {b"d/old"}
    assert extractor.opaque == {b"o"}


def test_a_whiteout_spares_what_its_own_layer_brings(extract):
    root, extractor = extract([("f", b"old")], [("f", b"new"), (".wh.f", b"")])
    assert tree(root) == {"f": b"new"}
    assert extractor.whiteouts == {b"f"}


def test_a_folder_takes_the_place_of_a_file_and_back(extract):
    root, _ = extract([("a", b"file"), ("b/c", b"x")], [("a", None)],
                      [("a/inner", b"y"), ("b", b"now a file")])  # fmt: skip
    assert tree(root) == {"a": None, "a/inner": b"y", "b": b"now a file"}


def test_the_last_of_two_entries_wins(extract):
    root, _ = extract([("f", b"first"), ("f", b"second"), ("g", ("link", "f")), ("g", b"third")])
    assert tree(root) == {"f": b"second", "g": b"third"}


@pytest.mark.parametrize(
    "layer",
    [
        [("../escaped", b"x")],
        [("a/../../escaped", b"x")],
        [("h", ("hard", "../../secret"))],
        [("h", ("hard", "/etc/passwd"))],
        [("l", ("link", "/etc")), ("h", ("hard", "l/passwd"))],
        [("f", b"x"), ("f/below", b"y")],
        [("a", ("link", "b")), ("b", ("link", "a")), ("a/f", b"x")],
        [("d/.wh...", b"")],
    ],
)
def test_layers_that_try_to_get_out_are_refused(extract, tmp_path, layer):
    (tmp_path / "secret").write_bytes(b"s")
    with pytest.raises(ContainerizeError) as caught:
        extract(layer)
    assert caught.value.code == "bad-layer"
    assert not (tmp_path / "escaped").exists()


def test_links_are_followed_inside_the_root_only(extract, tmp_path):
    (tmp_path / "outside").mkdir()
    root, _ = extract(
        [
            ("abs", ("link", str(tmp_path / "outside"))),
            ("abs/f", b"in the root"),
            ("up", ("link", "../../outside")),
            ("up/g", b"too"),
            ("lib", ("link", "usr/lib")),
            ("lib/x", b"y"),
        ]
    )
    assert list((tmp_path / "outside").iterdir()) == []
    assert tree(root)[str(tmp_path / "outside" / "f").lstrip("/")] == b"in the root"
    assert tree(root)["outside/g"] == b"too"
    assert tree(root)["usr/lib/x"] == b"y"


def test_a_link_replaced_by_a_later_layer_is_not_written_through(extract, tmp_path):
    victim = tmp_path / "victim"
    victim.write_bytes(b"mine")
    root, _ = extract([("f", ("link", str(victim)))], [("f", b"theirs")])
    assert victim.read_bytes() == b"mine"
    assert tree(root) == {"f": b"theirs"}


def test_modes_times_and_devices(extract, tmp_path):
    path = tmp_path / "made.tar"
    with tarfile.open(path, "w") as tar:
        for name, kind, mode in (
            ("suid", tarfile.REGTYPE, 0o4755),
            ("dark", tarfile.REGTYPE, 0o000),
            ("shut", tarfile.DIRTYPE, 0o555),
            ("shut/f", tarfile.REGTYPE, 0o644),
            ("tmp", tarfile.DIRTYPE, 0o1777),
            ("null", tarfile.CHRTYPE, 0o666),
            ("fifo", tarfile.FIFOTYPE, 0o666),
        ):
            info = tarfile.TarInfo(name)
            info.type, info.mode, info.mtime, info.uid = kind, mode, 1_000_000, 4321
            tar.addfile(info)

    root, _ = extract(path.read_bytes())

    modes = {name: stat.S_IMODE((root / name).stat().st_mode) for name in os.listdir(root)}
    assert modes == {"suid": 0o755, "dark": 0o400, "shut": 0o755, "tmp": 0o1777}
    assert {(root / name).stat().st_mtime for name in modes} == {1_000_000}
    assert (root / "suid").stat().st_uid == os.getuid()
    remove_path(str(root))
    assert not root.exists()


def test_a_link_to_a_folder_may_become_that_folder(extract):
    root, _ = extract([("real/f", b"1"), ("d", ("link", "real"))], [("d", None), ("d/g", b"2")])
    assert tree(root) == {"real": None, "real/f": b"1", "d": None, "d/g": b"2"}


def test_many_small_and_some_large_files(extract):
    small = [(f"s/{number:04}", bytes([number % 256]) * number) for number in range(300)]
    large = [("l/a", os.urandom(5_000_000)), ("l/b", os.urandom(20_000_000))]
    root, _ = extract(small + large)
    found = tree(root)
    assert all(found[name] == content for name, content in small + large)


NAME = st.sampled_from(["a", "b", "a/b", "b/a", "a/b/c", "l", "l/x", "l/a", "../x", "/a", "./b"])
CONTENT = st.one_of(
    st.none(),
    st.just(b"data"),
    st.tuples(st.just("link"), st.sampled_from(["a", "/", "..", "../..", "/a/b", "l", "b/../a"])),
    st.tuples(st.just("hard"), NAME),
)
WHITEOUT = st.tuples(
    st.sampled_from([".wh.a", "a/.wh.b", "l/.wh.x", ".wh..wh..opq", "a/.wh..wh..opq"]),
    st.just(b""),
)
LAYER = st.lists(st.one_of(st.tuples(NAME, CONTENT), WHITEOUT), max_size=8)


@settings(
    max_examples=150, deadline=None, suppress_health_check=[HealthCheck.function_scoped_fixture]
)
@given(layers=st.lists(LAYER, min_size=1, max_size=3))
def test_no_layers_ever_write_outside_or_fail_in_another_way(extract, tmp_path, layers):
    before = {name for name in os.listdir(tmp_path) if not name.endswith(".tar")} | {"root"}
    with contextlib.suppress(ContainerizeError):
        extract(*layers)
    after = {name for name in os.listdir(tmp_path) if not name.endswith(".tar")}
    assert after <= before
