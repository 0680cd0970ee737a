from __future__ import annotations

from jupyter_containerize.capture.trimming import trimmed
from jupyter_containerize.model.files import FileEntry
from jupyter_containerize.model.snapshot import Distribution, Origin, OriginKind

SITE = "/env/lib/python3.11/site-packages"
NAMES = [
    "a/__init__.py", "a/core.so", "a/core.pyi", "a/include/a.h", "a/include/x.py", "a/tests/test_a.py",
    "a/tests/data.bin", "a/tools/make.py", "a-1.dist-info/METADATA", "tests/__init__.py", "a/notes.md",
]  # fmt: skip


def kept(*, used=(), compiles=False, unneeded=()):
    package = Distribution(
        "a", "a", "1", Origin(OriginKind.INDEX), SITE,
        tuple(FileEntry(f"{SITE}/{name}") for name in NAMES),
        bytecode=(
            FileEntry(f"{SITE}/a/__pycache__/__init__.cpython-311.pyc"),
            FileEntry(f"{SITE}/a/tests/__pycache__/test_a.cpython-311.pyc"),
        ),
    )  # fmt: skip
    used = {f"{SITE}/{name}" for name in used}
    found = trimmed(package, used=used, compiles=compiles, unneeded=unneeded)
    return {entry.path[len(SITE) + 1 :] for entry in (*found.files, *found.bytecode)}


def test_tests_headers_and_stubs_stay_out_with_their_bytecode():
    assert kept() == {
        "a/__init__.py", "a/core.so", "a/include/x.py", "a/tools/make.py", "a-1.dist-info/METADATA",
        "tests/__init__.py", "a/__pycache__/__init__.cpython-311.pyc",
    }  # fmt: skip


def test_what_was_used_stays_with_its_folder_of_tests():
    assert {"a/tests/test_a.py", "a/tests/data.bin"} <= kept(used=["a/tests/test_a.py"])
    assert "a/core.pyi" in kept(used=["a/core.pyi"])


def test_headers_stay_where_programs_are_called():
    assert "a/include/a.h" in kept(compiles=True)


def test_adapters_name_what_is_never_needed_unless_it_was_used():
    assert "a/tools/make.py" not in kept(unneeded=["a/tools/*"])
    assert "a/tools/make.py" in kept(unneeded=["a/tools/*"], used=["a/tools/make.py"])
