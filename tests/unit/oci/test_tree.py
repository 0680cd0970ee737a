from __future__ import annotations

import io
import tarfile

import pytest

from jupyter_containerize.errors import ContainerizeError
from jupyter_containerize.oci.tree import Tree


@pytest.fixture
def tree(tmp_path):
    def make(*layers):
        paths = []
        for number, files in enumerate(layers):
            path = tmp_path / f"{number}.tar"
            with tarfile.open(path, "w") as tar:
                for name, content in files.items():
                    entry = tarfile.TarInfo(name)
                    if isinstance(content, str):
                        entry.type, entry.linkname = tarfile.SYMTYPE, content
                        tar.addfile(entry)
                    else:
                        entry.size, entry.mode = len(content), 0o755
                        tar.addfile(entry, io.BytesIO(content))
            paths.append(str(path))
        return Tree(paths)

    return make


def test_links_are_followed_inside_the_root(tree):
    found = tree({"usr/bin/python3": "python3.11", "usr/bin/python3.11": b"p", "bin": "usr/bin",
                  "up": "../../../usr/bin", "abs": "/usr/bin"})  # fmt: skip
    for path in ("/bin/python3", "/up/python3", "/abs/python3"):
        assert found.resolve(path) == "/usr/bin/python3.11"
        assert found.read(path) == b"p"
        assert found.is_executable(path)
    assert found.resolve("/nothing") is None
    assert list(found.names("/bin")) == ["python3", "python3.11"]


def test_loops_lead_nowhere(tree):
    assert tree({"a": "b", "b": "a"}).resolve("/a/x") is None


def test_upper_layers_win_and_whiteouts_hide(tree):
    found = tree(
        {"etc/a": b"1", "etc/b": b"1", "opt/x/y": b"1", "lib/z": b"1"},
        {"etc/a": b"2", "etc/.wh.b": b"", "opt/.wh..wh..opq": b"", "opt/new": b"2", ".wh.lib": b""},
    )
    assert found.read("/etc/a") == b"2"
    assert found.read("/etc/b") is None
    assert list(found.names("/opt")) == ["new"]
    assert found.resolve("/lib/z") is None


def test_a_whiteout_spares_its_own_layer(tree):
    found = tree({"etc/a": b"1"}, {"etc/.wh.a": b"", "etc/a": b"2"})
    assert found.read("/etc/a") == b"2"


def test_what_leads_out_is_refused(tree):
    with pytest.raises(ContainerizeError) as caught:
        tree({"../x": b""})
    assert caught.value.code == "bad-layer"
